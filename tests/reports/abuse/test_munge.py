import base64
import hashlib
import quopri
from email.header import Header
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hoptrail_reports.abuse import mime
from hoptrail_reports.abuse.leaks import leaks
from hoptrail_reports.abuse.munge import munge, munge_text

VICTIM = "john.smith@example.org"
HEAD = b"From: Sales <sales@spam.example>\r\nSubject: You have won\r\nMIME-Version: 1.0\r\n"


def message(body: bytes, *fields: bytes) -> bytes:
    return HEAD + b"".join(field + b"\r\n" for field in fields) + b"\r\n" + body


@pytest.mark.parametrize(
    "disguise",
    [
        "john.smith@example.org",
        "John.Smith@EXAMPLE.org",
        "john.smith+shop@example.org",
        "http://spam.example/u?e=john.smith@example.org&k=1",
        "http://spam.example/u?e=john.smith%40example.org",
        "http://spam.example/u?e=john%2Esmith%2540example%252Eorg",
        "http://spam.example/u?u=john.smith&d=example.org",
        "john.smith&#64;example.org",
        "&#106;ohn.smith&commat;example&period;org",
        "bounce-77-john.smith=example.org@spam.example",
        "john.smith [at] example.org",
        "http://spam.example/t/" + base64.b64encode(VICTIM.encode()).decode(),
        "http://spam.example/t/" + base64.urlsafe_b64encode(b"id=9&e=" + VICTIM.encode()).decode().rstrip("="),
        "http://spam.example/t/" + VICTIM.encode().hex(),
        "http://spam.example/t/" + hashlib.md5(VICTIM.encode()).hexdigest(),
        "http://spam.example/t/" + hashlib.sha256(VICTIM.encode()).hexdigest().upper(),
        "Dear john.smith,",
    ],
)
def test_recipient_in_a_body_is_hidden_in_any_disguise(disguise):
    munged = munge(message(b"Look: " + disguise.encode() + b" and buy\r\n"), [VICTIM])
    assert disguise.encode() not in munged
    assert b"Look: " in munged
    assert munged.endswith(b" and buy\r\n")
    assert not leaks(munged, [VICTIM])


@pytest.mark.parametrize(
    "field",
    [
        b"To: John Smith <john.smith@example.org>",
        b"Cc: other@victim.example,\r\n john.smith@example.org",
        b"Delivered-To: john.smith@example.org",
        b"X-Original-To: john.smith@example.org",
        b"Return-Path: <bounce-john.smith=example.org@spam.example>",
        b"List-Unsubscribe: <mailto:leave+john.smith=example.org@spam.example>,\r\n <https://spam.example/?e=john.smith%40example.org>",
        b"Received: from a (a [192.0.2.1]) by b with SMTP id 1\r\n\tfor <john.smith@example.org>; Fri, 1 Jan 2021 00:00:00 +0000",
        b"X-Id: am9obi5zbWl0aEBleGFtcGxlLm9yZw==",
        b"Subject: =?utf-8?B?am9obi5zbWl0aEBleGFtcGxlLm9yZyB3b24=?=",
        b"Subject: =?utf-8?Q?john.smith?= =?utf-8?Q?=40example.org?=",
        b"X-Weird: john.smith@example.org",
    ],
)
def test_recipient_in_a_header_field_is_hidden(field):
    munged = munge(message(b"Hello\r\n", field), [VICTIM])
    assert field not in munged
    assert not leaks(munged, [VICTIM])
    assert b"\r\n\r\nHello\r\n" in munged


def test_other_recipients_named_by_the_message_are_hidden_too():
    munged = munge(message(b"also to other@victim.example\r\n", b"To: other@victim.example"), [VICTIM])
    assert b"other@victim.example" not in munged


@pytest.mark.parametrize("charset", ["utf-8", "utf-16", "utf-16-le"])
def test_recipient_in_a_base64_part_is_hidden_and_the_part_still_reads(charset):
    body = base64.encodebytes("Grüße an john.smith@example.org".encode(charset))
    fields = (f"Content-Type: text/plain; charset={charset}".encode(), b"Content-Transfer-Encoding: base64")
    munged = munge(message(body, *fields), [VICTIM])
    text = base64.b64decode(munged.split(b"\r\n\r\n", 1)[1]).decode(charset)
    assert text == "Grüße an x"


def test_recipient_in_a_quoted_printable_part_is_hidden_across_a_soft_line_break():
    body = b"Write to john.smi=\r\nth=40example=\r\n.org today =C3=BC\r\n"
    munged = munge(message(body, b"Content-Transfer-Encoding: quoted-printable"), [VICTIM])
    assert munged.endswith(b"Write to x today =C3=BC\r\n")


def test_recipient_in_a_forwarded_message_within_base64_is_hidden():
    inner = base64.encodebytes(message(base64.b64encode(VICTIM.encode()), b"Content-Transfer-Encoding: base64"))
    outer = message(inner, b"Content-Type: message/rfc822", b"Content-Transfer-Encoding: base64")
    assert not leaks(munge(outer, [VICTIM]), [VICTIM])
    reread = base64.b64decode(munge(outer, [VICTIM]).split(b"\r\n\r\n", 1)[1])
    assert base64.b64decode(reread.split(b"\r\n\r\n", 1)[1]) == b"x"


def test_message_without_its_recipient_stays_as_it_is_byte_for_byte():
    raw = message(
        b"--b\r\n\r\nplain \xff\x00 text\r\n--b\r\nContent-Transfer-Encoding: base64\r\n\r\nAAECA\r\n--b--\r\nmore",
        b'Content-Type: multipart/mixed; boundary="b"',
        b"X-Broken :\tsales@spam.example \xe9",
    )
    assert munge(raw, [VICTIM]) == raw


def test_words_that_only_look_like_an_ordinary_local_part_stay():
    raw = message(b"Ask our support team\r\n")
    assert munge(raw, ["support@example.org"]) == raw


def test_host_names_of_the_trace_stay_when_they_hold_a_local_part():
    field = b"Received: from mallory (mallory.spam.example [192.0.2.9]) by mx.example.org with SMTP id 7"
    assert field in munge(message(b"x\r\n", field), ["mallory@example.org"])


def test_international_recipient_is_hidden_in_both_spellings():
    text = "an jörg@bücher.example und jörg@xn--bcher-kva.example"
    assert munge_text(text, ["jörg@bücher.example"]) == "an x und x"


def test_address_of_the_sender_stays():
    assert b"sales@spam.example" in munge(message(b"mail sales@spam.example\r\n"), [VICTIM])


@given(raw=st.binary(max_size=400) | st.text(max_size=200).map(str.encode))
def test_stretches_joined_are_the_message(raw):
    for whole in (raw, b"Content-Type: multipart/x; boundary=b\n\n--b\n" + raw + b"\n--b--\n"):
        assert b"".join(part.lead + part.header + part.body for part in mime.stretches(whole)) == whole


LOCALS = st.from_regex(r"[a-z][a-z0-9]{2,8}([.+_-][a-z0-9]{1,6})?", fullmatch=True)
DISGUISES = {
    "plain": str,
    "percent": lambda text: quote(text, safe=""),
    "all percent": lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
    "entities": lambda text: "".join(f"&#x{byte:x};" for byte in text.encode()),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "hex": lambda text: text.encode().hex(),
    "word": lambda text: Header(text, "utf-8").encode(),
}
ENCODERS = {
    "7bit": lambda data: data,
    "base64": base64.encodebytes,
    "quoted-printable": quopri.encodestring,
}


@settings(max_examples=150, deadline=None)
@given(
    local=LOCALS,
    disguise=st.sampled_from(sorted(DISGUISES)),
    encoding=st.sampled_from(sorted(ENCODERS)),
    before=st.text(st.characters(blacklist_categories=("Cs",)), max_size=30),
)
def test_no_combination_of_disguise_and_encoding_leaks(local, disguise, encoding, before):
    address = f"{local}@mail.example.org"
    hidden = DISGUISES[disguise](address)
    body = ENCODERS[encoding](f"{before} {hidden} end".encode())
    raw = message(
        b"--b\r\nContent-Transfer-Encoding: " + encoding.encode() + b"\r\n\r\n" + body + b"\r\n--b--\r\n",
        b"Content-Type: multipart/mixed; boundary=b",
        b"X-Tag: " + hidden.encode(),
    )
    munged = munge(raw, [address])
    assert not leaks(munged, [address])
    for token in (base64.b64encode(address.encode()), address.encode().hex().encode()):
        assert token not in munged


@given(raw=st.binary(max_size=600))
def test_arbitrary_bytes_never_break_hiding(raw):
    for head in (b"", HEAD + b"Content-Transfer-Encoding: base64\r\n\r\n", b"Content-Type: message/rfc822\r\n\r\n"):
        assert isinstance(munge(head + raw, [VICTIM]), bytes)
        assert leaks(head + raw, [VICTIM]) in (True, False)


@pytest.mark.parametrize(
    "charset", [b"idna", b"undefined", b"a\x00b", b"punycode", b"utf-7", b"unicode_escape", b"rot13"]
)
def test_a_subject_in_no_charset_of_mail_is_munged_all_the_same(charset):
    for text in (b"+2AA-", b"\xff", rb"\ud800"):
        word = b"=?" + charset + b"?B?" + base64.b64encode(text) + b"?="
        subject = b"Subject: " + word + b" john.smith\r\n"
        assert munge(subject + b"\r\n", [VICTIM]).startswith(b"Subject: " + word)
        assert b"john.smith" not in munge(subject + b"\r\n", [VICTIM])


@pytest.mark.parametrize(
    "raw",
    [
        b"".join(b"Content-Type: multipart/mixed; boundary=a%d\r\n\r\n--a%d\r\n" % (at, at) for at in range(4_000)),
        message(b"&#" + b"9" * 5_000 + b";"),
        message(b"john.smith&#" + b"0" * 5_000 + b"64;example.org"),
    ],
    ids=["deep", "large-number", "long-number"],
)
def test_what_the_second_look_cannot_read_counts_as_a_leak(raw):
    assert leaks(raw, [VICTIM])


def test_a_header_in_a_charset_of_no_name_is_looked_at_as_it_stands():
    assert not leaks(message(b"", b"X-Odd: =?\xff?q?a?="), [VICTIM])
    assert leaks(message(b"", b"X-Odd: =?\xff?q?a?= " + VICTIM.encode()), [VICTIM])
