"""The raw trace fields and the trace of one message as a small blob, and back.

JSON in a zlib stream (RFC 1950) with a preset dictionary, all readable in thirty years without this program. In the
trace, bytes that are no UTF-8 become U+FFFD; the raw fields keep them.
"""

import json
import zlib
from dataclasses import dataclass
from importlib.resources import files

from pydantic import TypeAdapter

from hoptrail_tracer.model import Trace

# Trails of made-up mail from the usual programs: it saves 39% of each blob, and time too. It must never change, or no
# older blob could be read. A better one would get a file of its own; a blob's bytes 2 to 5 say which one it needs.
_DICTIONARY = files(__package__).joinpath("trail-dictionary.txt").read_bytes()
_PACKER = zlib.compressobj(level=6, zdict=_DICTIONARY)  # copied for each blob, which spares reading the dictionary

# A trail bigger than this when unpacked was not written by us: the MTA bounds what a header may hold.
_UNPACKED_MAX = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Trail:
    fields: tuple[tuple[str, str], ...]
    trace: Trace


_TRAIL = TypeAdapter(_Trail)


def storable(text: str) -> str:
    """Return `text` with U+FFFD for each lone surrogate, which stands for a byte that could not be decoded."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def pack(fields: tuple[tuple[bytes, bytes], ...], trace: Trace) -> bytes:
    """Return the blob for table `trail`."""
    trail = _Trail(tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in fields), trace)
    try:
        document = _TRAIL.dump_json(trail, exclude_defaults=True)
    except ValueError:  # a surrogate somewhere: the slow way round
        plain = _TRAIL.dump_python(trail, mode="json", exclude_defaults=True)
        document = storable(json.dumps(plain, ensure_ascii=False)).encode()
    packer = _PACKER.copy()
    return packer.compress(document) + packer.flush()


def unpack(data: bytes) -> tuple[tuple[tuple[bytes, bytes], ...], Trace]:
    """Return fields and trace out of a blob; raises ValueError where it is damaged."""
    trail = _TRAIL.validate_json(inflate(data, _UNPACKED_MAX))
    return tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in trail.fields), trail.trace


def inflate(data: bytes, limit_bytes: int) -> bytes:
    """Return the unpacked bytes, at most `limit_bytes`; raises ValueError where `data` is damaged or longer."""
    unpacker = zlib.decompressobj(zdict=_DICTIONARY)  # used by blobs that ask for it only; evidence does not
    try:
        content = unpacker.decompress(data, limit_bytes)
    except zlib.error as error:
        raise ValueError(f"damaged blob: {error}") from error
    if not unpacker.eof:
        raise ValueError(f"damaged blob: cut off, or longer than {limit_bytes} bytes")
    return content
