"""A second look at hidden recipients, by other means: the standard library reads the message as a mail program would.

`munge` works on bytes and must be right about every encoding; this module shares none of its code, so that a report
leaves out what the two do not agree on.
"""

import html
import re
from collections.abc import Iterable, Iterator
from email import message_from_bytes
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import Message
from urllib.parse import unquote


def leaks(raw: bytes, recipients: Iterable[str]) -> bool:
    """Whether one of the recipients can be read in a message: in a header, or in a part after its decoding.

    True also of a message that the library cannot read: parts a thousand deep, `&#` with thousands of digits.
    """
    wanted = [address.strip("<> ").lower() for address in recipients]
    names = {name for address in wanted if "@" in address for name in (address, address.replace("@", "="))}
    try:
        return any(name in text for text in _readings(raw) for name in names)
    except (RecursionError, ValueError):
        return True


def _readings(raw: bytes) -> Iterator[str]:
    yield from _disguises(raw.decode("utf-8", "replace"))
    for part in message_from_bytes(raw).walk():
        for value in part.values():
            yield from _disguises(_header_text(str(value)))
        if not part.is_multipart():
            yield from _disguises(_body_text(part))


def _disguises(text: str) -> Iterator[str]:
    """Text as it is and as a link, a page or a folded line would say it."""
    joined = re.sub(r"=[ \t]*\r?\n", "", text).lower()
    yield joined
    yield html.unescape(unquote(unquote(joined)))


def _header_text(value: str) -> str:
    try:
        return str(make_header(decode_header(value)))
    except (MessageError, ValueError, LookupError):
        return value


def _body_text(part: Message) -> str:
    payload = part.get_payload(decode=True)
    data = payload if isinstance(payload, bytes) else b""
    for charset in (part.get_content_charset("utf-8"), "utf-8"):
        try:
            return data.decode(charset, "replace")
        except (LookupError, ValueError):
            continue
    return data.decode("latin-1")
