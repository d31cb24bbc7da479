"""What holds for every line: nothing raises, folding does not matter, what an MTA composes is read back."""

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.promises import check
from hoptrail_tracer.received import parse, parser

LINES = [
    json.loads(case)["line"]
    for case in Path(__file__).with_name("lines.jsonl").read_text(encoding="ascii").splitlines()
]
WORDS = st.sampled_from(
    [
        "from",
        "by",
        "with",
        "id",
        "for",
        "via",
        ";",
        "(",
        ")",
        "[",
        "]",
        "<",
        ">",
        '"',
        "HELO",
        "helo=",
        "(HELO",
        "unknown",
        "[203.0.113.9]",
        "(203.0.113.9)",
        "ESMTP",
        "(Postfix)",
        "\x00",
        "é",
        "�",
        "a.example",
        "Mon,",
        "8",
        "Mar",
        "2004",
        "23:59:05",
        "+0100",
        "(Exim",
        "4.98)",
        "envelope-from",
        "<a@b.example>",
        "tls",
        "IDENT:",
        "@",
        "(may",
        "be",
        "forged)",
    ]
)

# No deadline anywhere: on a busy machine it would measure the machine. What a line may cost is in
# test_received_hostile.py.
label = st.from_regex(r"[a-z][a-z0-9]{0,8}", fullmatch=True)
host = st.builds("{}.{}.example".format, label, label)
queue_id = st.from_regex(r"[0-9A-F]{6,12}", fullmatch=True)
person = st.builds("{}@{}".format, label, host)
ipv4 = st.ip_addresses(v=4).map(str)
date = st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2090, 1, 1)).flatmap(  # noqa: DTZ001
    lambda naive: st.integers(-12 * 60, 14 * 60).map(
        lambda minutes: naive.replace(microsecond=0, tzinfo=timezone(timedelta(minutes=minutes)))
    )
)


def stamp(moment: datetime) -> str:
    return f"{moment:%a, %d %b %Y %H:%M:%S %z}"


@settings(deadline=None)
@given(st.text(max_size=300))
def test_any_text_keeps_the_promises(text):
    check(text, parse(text))


@settings(deadline=None)
@given(st.lists(WORDS, max_size=40).map(" ".join))
def test_any_order_of_mail_words_keeps_the_promises(line):
    check(line, parse(line))


@settings(deadline=None)
@given(st.lists(WORDS, max_size=40).map("".join))
def test_mail_words_run_together_keep_the_promises(line):
    check(line, parse(line))


@settings(deadline=None)
@given(st.sampled_from(LINES), st.integers(0, 400), st.integers(0, 40), st.text(max_size=6))
def test_broken_line_keeps_the_promises(line, at, length, put):
    broken = line[:at] + put + line[at + length :]
    check(broken, parse(broken))


@settings(deadline=None)
@given(st.sampled_from(LINES), st.data())
def test_folding_does_not_matter(line, data):
    words = line.split()
    gaps = data.draw(st.lists(st.sampled_from([" ", "\r\n ", "\n\t", "  "]), min_size=len(words), max_size=len(words)))
    assert parse("".join(word + gap for word, gap in zip(words, gaps, strict=True))) == parse(line)


@pytest.mark.parametrize("line", LINES)
def test_quick_and_thorough_reading_agree(line, monkeypatch):
    quick = parse(line)
    monkeypatch.setattr(parser, "usual", lambda _: None)
    assert parse(line) == quick


@settings(deadline=None)
@given(host, host, ipv4, host, queue_id, person, date)
def test_postfix_line_is_read_back(helo, rdns, ip, by, id_, recipient, moment):  # noqa: PLR0917 - one strategy for each part of the line
    read = parse(
        f"from {helo} ({rdns} [{ip}]) by {by} (Postfix) with ESMTP id {id_} for <{recipient}>; {stamp(moment)} (X)"
    )
    assert (read.helo, read.rdns, read.ip, read.by, read.id, read.for_) == (helo, rdns, ip, by, id_, recipient)
    assert (read.date, read.software, read.protocol) == (moment, "Postfix", "ESMTP")


@settings(deadline=None)
@given(host, label, ipv4, host, queue_id, date)
def test_sendmail_line_is_read_back(helo, ident, ip, by, id_, moment):  # noqa: PLR0917 - one strategy for each part of the line
    read = parse(
        f"from {helo} (IDENT:{ident}@{helo} [{ip}]) by {by} (8.17.1/8.17.1) with ESMTP id {id_}; {stamp(moment)}"
    )
    assert (read.helo, read.rdns, read.ident, read.ip, read.by, read.id) == (helo, helo, ident, ip, by, id_)
    assert (read.date, read.software) == (moment, "Sendmail 8.17.1/8.17.1")


@settings(deadline=None)
@given(host, ipv4, st.integers(1, 65535), host, host, person, date)
def test_exim_line_is_read_back(rdns, ip, port, helo, by, sender, moment):  # noqa: PLR0917 - one strategy for each part of the line
    read = parse(
        f"from {rdns} ([{ip}]:{port} helo={helo}) by {by} with esmtps (TLS1.3) tls TLS_AES_256_GCM_SHA384 (Exim 4.98)"
        f" (envelope-from <{sender}>) id 1uQRPQ-00000006mAv-1Yzv; {stamp(moment)}"
    )
    assert (read.rdns, read.ip, read.port, read.helo, read.by, read.envelope_from) == (rdns, ip, port, helo, by, sender)
    assert (read.date, read.software, read.tls) == (moment, "Exim 4.98", "TLS1.3 TLS_AES_256_GCM_SHA384")


@settings(deadline=None)
@given(host, host, label, ipv4, host, date)
def test_qmail_line_is_read_back(rdns, helo, ident, ip, by, moment):  # noqa: PLR0917 - one strategy for each part of the line
    read = parse(f"from {rdns} (HELO {helo}) ({ident}@{ip}) by {by} with SMTP; {moment:%d %b %Y %H:%M:%S %z}")
    assert (read.rdns, read.helo, read.ident, read.ip, read.by, read.date) == (rdns, helo, ident, ip, by, moment)


@settings(deadline=None)
@given(host, st.ip_addresses(v=6), host, ipv4, date)
def test_exchange_line_is_read_back(helo, address, by, by_ip, moment):
    read = parse(
        f"from {helo} ({address}) by {by} ({by_ip}) with Microsoft SMTP Server id 15.20.9052.8; {stamp(moment)}"
    )
    assert (read.helo, read.rdns, read.ip) == (helo, None, str(address.ipv4_mapped or address))
    assert (read.by, read.by_ip, read.date) == (by, by_ip, moment)


@settings(deadline=None)
@given(host, ipv4, person, date)
def test_gmail_line_is_read_back(client, ip, recipient, moment):
    read = parse(
        f"from {client} ({client}. [{ip}]) by mx.google.com with SMTPS id d9sor12345ywe.7.2020.01.02.03.04.05"
        f" for <{recipient}> (Google Transport Security); {stamp(moment)} (PST)"
    )
    assert (read.helo, read.rdns, read.ip, read.for_, read.date) == (client, client, ip, recipient, moment)


@pytest.mark.parametrize("head", ["", "from x ", "from x (", "from x (y [203.0.113.9]) by z "])
@pytest.mark.parametrize("piece", ["(", ")", "()", "(a) ", "[", "<", '"', "@", ";", "by ", "a ", "with x ", "1.", "a:"])
def test_repeated_piece_keeps_the_promises(head, piece):
    line = head + piece * 2000
    check(line, parse(line))
