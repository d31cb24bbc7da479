"""Header fields out of a raw message, whatever state it is in.

Bytes in, text out: what is no UTF-8 becomes surrogates (PEP 383), so that nothing is lost and nothing is refused.
"""

import re
from collections.abc import Iterator

Fields = tuple[tuple[str, str], ...]

MAX_HEADER_BYTES = 1 << 20
"""Sendmail takes 32 KiB of header and Postfix 100 KiB a field; a MiB holds every header that was ever delivered."""

_FIELD = re.compile(rb"([!-9;-~]{1,998})[ \t]*:[ \t]*(.*)", re.DOTALL)
_SEPARATORS = (b"From ", b">From ")


def read_fields(message: bytes) -> Fields:
    """The header fields of a message, or of a bare header block, from the top; values keep their folding.

    A leading mbox line, blank lines before the header and lines that are no field are passed over.
    """
    names: list[str] = []
    values: list[list[bytes]] = []
    for line in _header_lines(message.removeprefix(b"\xef\xbb\xbf")):
        if line.startswith((b" ", b"\t")):
            if values:
                values[-1].append(line)
        elif found := _FIELD.fullmatch(line):
            names.append(found[1].decode("ascii"))
            values.append([found[2]])
    return tuple((name, _text(b"\n".join(lines))) for name, lines in zip(names, values, strict=True))


def received_values(fields: Fields) -> tuple[str, ...]:
    """The values of the Received fields, newest first."""
    return tuple(value for name, value in fields if name.lower() == "received")


def _header_lines(message: bytes) -> Iterator[bytes]:
    begun = False
    for line in re.split(rb"\r\n|\n|\r", message[:MAX_HEADER_BYTES]):
        if line.strip():
            if begun or not line.startswith(_SEPARATORS):
                begun = True
                yield line
        elif begun:
            return


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")
