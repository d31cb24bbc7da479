"""Header fields out of raw messages and mailboxes, whatever state they are in.

Bytes in, text out: what is no UTF-8 becomes surrogates (PEP 383), so that nothing is lost and nothing is refused.
"""

import re
from collections.abc import Iterator
from typing import BinaryIO

Fields = tuple[tuple[str, str], ...]

MAX_HEADER_BYTES = 1 << 20
"""Sendmail takes 32 KiB of header and Postfix 100 KiB a field; a MiB holds every header that was ever delivered."""

_FIELD = re.compile(rb"([!-9;-~]{1,998})[ \t]*:[ \t]*(.*)", re.DOTALL)
_FROM = b"From "


def read_fields(message: bytes) -> Fields:
    """The header fields of a message, or of a bare header block, from the top; values keep their folding.

    A leading mbox line, blank lines before the header and lines that are no field are passed over.
    """
    fields: list[tuple[str, str]] = []
    for line in _header_lines(message):
        if line[:1] in {b" ", b"\t"}:
            if fields:
                name, folded = fields[-1]
                fields[-1] = (name, f"{folded}\n{_text(line)}")
            continue
        if found := _FIELD.fullmatch(line):
            fields.append((found[1].decode("ascii"), _text(found[2])))
    return tuple(fields)


def received_values(fields: Fields) -> tuple[str, ...]:
    """The values of the Received fields, newest first."""
    return tuple(value for name, value in fields if name.lower() == "received")


def is_mbox(beginning: bytes) -> bool:
    """Whether a file that begins so is a mailbox: an mbox line, then header fields."""
    first, _, rest = beginning.partition(b"\n")
    return first.startswith(_FROM) and re.match(rb"(?:[!-9;-~]+[ \t]*:|>From )", rest) is not None


def mailbox_headers(mailbox: BinaryIO) -> Iterator[bytes]:
    """The header block of each message in an mbox, in order; bodies are read past and never kept.

    A line that begins with `From ` after a blank line (or at the start) begins a message, as in mboxrd and mboxo.
    """
    header: list[bytes] = []
    size_bytes = 0
    in_header, after_blank, begun = False, True, False
    for line in mailbox:
        if after_blank and line.startswith(_FROM):
            if begun:
                yield b"".join(header)
            header, size_bytes, in_header, begun = [], 0, True, True
        elif in_header:
            in_header = bool(line.strip())
            size_bytes += len(line)
            if size_bytes <= MAX_HEADER_BYTES:
                header.append(line)
        after_blank = line in {b"\n", b"\r\n"}
    if begun:
        yield b"".join(header)


def _header_lines(message: bytes) -> Iterator[bytes]:
    begun = False
    for line in re.split(rb"\r\n|\n|\r", message[:MAX_HEADER_BYTES]):
        if not line.strip():
            if begun:
                return
            continue
        if not begun and line.startswith((_FROM, b">From ")):
            continue
        begun = True
        yield line


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")
