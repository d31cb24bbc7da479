"""A mail as its reader would have seen it, as text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoptrail_web.readmail import read_mail

HEAD = b"Subject: x\r\nContent-Type: "


def text(raw):
    return "\n".join(read_mail(raw).text.lines)


def test_fields_are_decoded_and_unfolded():
    raw = b"from: =?utf-8?q?Gr=C3=BC=C3=9Fe?= <a@b.example>\r\nSubject: two\r\n\tlines\r\nX-To: no\r\n\r\nhi"
    assert read_mail(raw).fields == (("From", "Gr\u00fc\u00dfe <a@b.example>"), ("Subject", "two lines"))


@pytest.mark.parametrize(
    ("kind", "body", "expected"),
    [
        (b"text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64", b"R3LDvMOfZQ==", "Gr\u00fc\u00dfe"),
        (b"text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64", b"R3L!\r\nDvMOfZQ", "Gr\u00fc\u00dfe"),
        (
            b"text/plain; charset=latin-1\r\nContent-Transfer-Encoding: quoted-printable",
            b"Gr=FC=DFe=\r\n!",
            "Gr\u00fc\u00dfe!",
        ),
        (b"text/plain", "Gr\u00fc\u00dfe".encode(), "Gr\u00fc\u00dfe"),
        (b"text/plain; charset=no-such", b"Gr\xfc\xdfe", "Gr\u00fc\u00dfe"),
        (b"text/plain; charset=idna", b"Gr\xfc\xdfe", "Gr\u00fc\u00dfe"),
        (b"text/plain; charset=base64", b"eA==", "eA=="),
    ],
)
def test_body_is_read_in_its_encoding_and_charset(kind, body, expected):
    assert text(HEAD + kind + b"\r\n\r\n" + body) == expected


def test_html_is_its_words_lines_and_links():
    raw = (
        HEAD + b"text/html\r\n\r\n<html><style>p { x: y }</style><script>bad()</script><p>Buy <b>now</b>&amp;here</p>"
        b'<a class=x href="https://e.example/?a=1&amp;b=2">go</a><br>end'
    )
    assert [line.split() for line in text(raw).splitlines() if line] == [
        ["Buy", "now", "&here"],
        ["[https://e.example/?a=1&b=2]", "go"],
        ["end"],
    ]


def test_plain_text_comes_before_html_and_other_parts_are_named():
    raw = (
        b'Content-Type: multipart/mixed; boundary="x"\r\n\r\n'
        b"--x\r\nContent-Type: text/html\r\n\r\n<p>rich</p>\r\n"
        b"--x\r\nContent-Type: text/plain\r\n\r\nplain\r\n"
        b"--x\r\nContent-Type: image/png\r\n\r\n12345\r\n--x--\r\n"
    )
    found = read_mail(raw)
    assert (found.form, found.text.lines[0]) == ("text/plain", "plain")
    assert found.others == ("text/html, 13 bytes", "image/png, 7 bytes")


def test_mail_without_text_says_so():
    found = read_mail(HEAD + b"image/png\r\n\r\n12345")
    assert (found.form, found.text.lines, found.others) == ("", ("",), ("image/png, 5 bytes",))


@given(st.binary(max_size=500))
def test_no_bytes_are_an_error(raw):
    for line in read_mail(HEAD + raw).text.lines:
        assert line.isprintable()
