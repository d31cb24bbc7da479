"""A message as the stretches between its boundary lines, without losing a byte.

The standard library's parser does not give back the bytes of a malformed message, and evidence must stand as it came.
So nothing is rebuilt here: the stretches, joined, are the message. A line counts as a boundary when any Content-Type
anywhere declared it, because readers of broken MIME disagree and the widest reading overlooks nothing.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

MAX_BOUNDARIES: Final = 64
"""Real mail nests four or five multiparts; each more makes every line dearer to look at."""
MAX_DEPTH: Final = 5
_HEADER_END = re.compile(rb"\r?\n\r?\n")
_BOUNDARY = re.compile(rb'boundary\s*=\s*(?:"([^"\r\n]{1,200})"|([^\s;"]{1,200}))', re.IGNORECASE)
_TYPE = re.compile(rb"^content-type:\s*([\w.+-]+/[\w.+-]+)", re.IGNORECASE | re.MULTILINE)
_ENCODING = re.compile(rb"^content-transfer-encoding:\s*([\w-]+)", re.IGNORECASE | re.MULTILINE)
_CHARSET = re.compile(rb'\bcharset\s*=\s*"?([\w.:+-]{1,40})', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Stretch:
    """One header with the body below it; `lead` is the boundary line before both, `b""` at the top."""

    lead: bytes
    header: bytes  # up to and with the empty line
    body: bytes
    content_type: str = "text/plain"
    encoding: str = "7bit"
    charset: str = "us-ascii"


def boundaries(raw: bytes) -> tuple[bytes, ...]:
    """The boundary strings declared anywhere in a message, first come first, at most MAX_BOUNDARIES."""
    found: dict[bytes, None] = {}
    for match in _BOUNDARY.finditer(raw):
        found.setdefault((match[1] or match[2]).rstrip(), None)
        if len(found) == MAX_BOUNDARIES:
            break
    return tuple(found)


def stretches(raw: bytes) -> Iterator[Stretch]:
    """The stretches of a message in order; `lead + header + body` of all of them are the message."""
    declared = boundaries(raw)
    if not declared:
        yield from _read(b"", raw, MAX_DEPTH)
        return
    names = b"|".join(re.escape(name) for name in sorted(declared, key=len, reverse=True))
    lines = re.compile(rb"^--(?:" + names + rb")(?:--)?[ \t]*(?:\r?\n|\Z)", re.MULTILINE)
    lead, start = b"", 0
    for match in lines.finditer(raw):
        yield from _read(lead, raw[start : match.start()], MAX_DEPTH)
        lead, start = match[0], match.end()
    yield from _read(lead, raw[start:], MAX_DEPTH)


def _read(lead: bytes, text: bytes, depth: int) -> Iterator[Stretch]:
    if lead.rstrip().endswith(b"--"):  # behind the last part
        cut = 0
    elif text.startswith((b"\r\n", b"\n")):  # a part without a header
        cut = text.index(b"\n") + 1
    else:
        end = _HEADER_END.search(text)
        cut = end.end() if end else len(text)
    header, body = text[:cut], text[cut:]
    content_type = _first(_TYPE, header, "text/plain")
    encoding = _first(_ENCODING, header, "7bit")
    stretch = Stretch(lead, header, body, content_type, encoding, _first(_CHARSET, header, "us-ascii"))
    if depth and content_type == "message/rfc822" and encoding not in ("base64", "quoted-printable"):
        yield Stretch(lead, header, b"", content_type, encoding)
        yield from _read(b"", body, depth - 1)
    else:
        yield stretch


def _first(pattern: re.Pattern[bytes], header: bytes, default: str) -> str:
    match = pattern.search(header)
    return match[1].decode("ascii", "replace").lower() if match else default


def open_boundaries(raw: bytes) -> tuple[bytes, ...]:
    """The boundaries that were begun and not ended, outermost first: what a cut message still has to close."""
    declared = set(boundaries(raw))
    still_open: list[bytes] = []
    for match in re.finditer(rb"^--(.{1,200}?)(--)?[ \t]*\r?$", raw, re.MULTILINE):
        name = match[1]
        if match[2] and name + b"--" in declared:  # a boundary that itself ends in two hyphens
            name += b"--"
        if name not in declared:
            continue
        if name in still_open:
            del still_open[still_open.index(name) :]
        if not match[2] or name.endswith(b"--"):
            still_open.append(name)
    return tuple(still_open)
