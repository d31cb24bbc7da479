"""Mail that came to an address of the abuse desk, read within bounds: anybody may have sent it, in any shape."""

from email import message_from_bytes
from email.message import Message
from typing import IO, Final

MAIL_MAX_BYTES: Final = 4 << 20
"""More is not read: what is looked for stands at the beginning."""
PARTS_MAX: Final = 500
_CHUNK: Final = 1 << 16


def read_mail(stream: IO[bytes]) -> bytes:
    """The beginning of a mail; the rest is read and dropped, so that whoever writes it sees no broken pipe."""
    raw = stream.read(MAIL_MAX_BYTES)
    while stream.read(_CHUNK):
        pass
    return raw


def parse_mail(raw: bytes) -> Message | None:
    """The mail's header and its first parts, some hundred at most; None for one nested too deep to be read."""
    end = -1
    for _ in range(PARTS_MAX):
        end = raw.find(b"\n--", end + 1)
        if end < 0:
            break
    try:
        return message_from_bytes(raw[:MAIL_MAX_BYTES] if end < 0 else raw[:end])
    except (RecursionError, ValueError, LookupError):
        return None
