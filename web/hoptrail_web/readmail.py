"""A mail as its reader would have read it: who it says it is from, and its text out of whatever encoding.

Only text comes back, for a page that escapes it: no part of a mail is drawn, followed or fetched. What the mail says of
itself is as malformed as its sender wished, so whatever cannot be read is replaced, and nothing raises.
"""

import base64
import html
import quopri
import re
from dataclasses import dataclass
from itertools import islice
from typing import Final

from hoptrail_reports.abuse import mime
from hoptrail_reports.abuse.encoded_words import decoded
from hoptrail_reports.abuse.mime import Stretch
from hoptrail_reports.shown import counted
from hoptrail_web.shownmail import ShownMail, shown_mail

_READ_MAX_BYTES: Final = 256 * 1024
"""What is read of a mail: a person sees long before its end what it is."""
_PARTS_MAX: Final = 50
_FIELD_MAX_BYTES: Final = 2_000
_FIELDS: Final = (b"From", b"Reply-To", b"To", b"Subject", b"Date")
_LINE_BREAKING: Final = frozenset({"br", "p", "/p", "div", "/div", "tr", "/tr", "li", "table", "h1", "h2", "h3", "hr"})
_NAME = re.compile(r"/?[a-zA-Z0-9]{1,20}")
_LINK = re.compile(r"\bhref\s{0,9}=\s{0,9}[\"']?([^\"'\s>]{1,300})", re.IGNORECASE)
_BLANK = re.compile(r"[^\S\n]{2,}|\n\s{2,}")


@dataclass(frozen=True, slots=True)
class ReadMail:
    """What a reader sees. `form` says what the text was made of; `others` names the parts that are not shown."""

    fields: tuple[tuple[str, str], ...]
    text: ShownMail
    form: str  # "text/plain", "text/html" or, where there is no text, ""
    others: tuple[str, ...]


def read_mail(raw: bytes) -> ReadMail:
    """The mail as text, for a person who judges whether it is spam."""
    parts = list(islice(mime.stretches(raw[:_READ_MAX_BYTES]), _PARTS_MAX))
    bodies = [part for part in parts if part.body.strip()]
    for form in ("text/plain", "text/html"):
        chosen = next((part for part in bodies if part.content_type.lower() == form), None)
        if chosen is not None:
            break
    text = _text(chosen) if chosen else ""
    others = tuple(_named(part) for part in bodies if part is not chosen and (part.header.strip() or part.lead))
    return ReadMail(
        fields=tuple(_fields(parts[0].header)),
        text=shown_mail(text.strip().encode("utf-8", "replace")),
        form=chosen.content_type.lower() if chosen else "",
        others=others,
    )


def _fields(header: bytes) -> list[tuple[str, str]]:
    found = []
    for name in _FIELDS:
        match = re.search(rb"^" + name + rb"[ \t]*:((?:[^\r\n]|\r?\n[ \t])*)", header, re.IGNORECASE | re.MULTILINE)
        if match:
            value = decoded(match[1][:_FIELD_MAX_BYTES]).decode("utf-8", "surrogateescape")
            found.append((name.decode(), " ".join(value.split())))
    return found


def _named(part: Stretch) -> str:
    return f"{part.content_type.lower()}, {counted(len(part.body), 'byte')}"


def _text(part: Stretch) -> str:
    body, encoding = part.body, part.encoding.lower()
    if encoding == "base64":
        digits = re.sub(rb"[^A-Za-z0-9+/]", b"", body)
        body = base64.b64decode(digits[: len(digits) // 4 * 4] + _rest(digits))
    elif encoding == "quoted-printable":
        body = quopri.decodestring(body)
    charset = part.charset.lower()
    try:  # what is sent as UTF-8 without saying so is read as such, as mail programs do
        text = body.decode("utf-8" if charset == "us-ascii" else charset, "replace")
    except (LookupError, ValueError):  # unknown, or no charset of text
        text = body.decode("latin-1")
    return _plain(text) if part.content_type.lower() == "text/html" else text


def _rest(digits: bytes) -> bytes:
    """The last digits, where they are enough for a byte, with their padding."""
    left = digits[len(digits) // 4 * 4 :]
    return left + b"=" * (4 - len(left)) if len(left) > 1 else b""


def _plain(text: str) -> str:
    """The words of HTML, and where its links lead; one pass, since whoever wrote it may want it to take long."""
    words, hidden = [], ""
    for number, piece in enumerate(text.split("<")):
        tag, closed, after = piece.partition(">") if number else ("", ">", piece)
        match = _NAME.match(tag)
        name = match[0].lower() if match else ""
        if hidden:
            hidden = "" if name == f"/{hidden}" else hidden
        elif name in ("script", "style"):
            hidden = name
        if hidden or not closed:
            continue
        words.append("\n" if name in _LINE_BREAKING else " ")
        link = _LINK.search(tag) if name == "a" else None
        words += [f"[{html.unescape(link[1])}] "] if link else []
        words.append(html.unescape(after).replace("\n", " "))
    return _BLANK.sub(lambda match: "\n\n" if "\n" in match[0] else " ", "".join(words)).strip()
