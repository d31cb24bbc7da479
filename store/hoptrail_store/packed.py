"""Packed files read as streams: gzip, bzip2, xz, Zstandard, told by their first bytes; none unpacks without end."""

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable
from typing import IO, Any, BinaryIO, Final, cast

MAGIC_BYTES: Final = 6

RATIO_MAX: Final = 300
"""Unpacked bytes for each packed one: mail gives 5, the most even log 60, a file made to fill the disk thousands."""

_FREE_BYTES: Final = 256 << 20  # unpacked before the ratio is looked at: a small file may hold one long run of anything


class UnpackingError(OSError):
    """A packed file is damaged, unpacks without end, or needs a library that is not installed."""


UNPACK_ERRORS = (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, UnpackingError)
"""What the unpackers raise for a damaged archive; bzip2's raises OSError."""


def _zstd(file: BinaryIO) -> IO[bytes]:
    try:
        import pyarrow as pa  # noqa: PLC0415 - of an extra, and takes 100 ms
    except ModuleNotFoundError:
        raise UnpackingError("packed with zstd: pip install 'hoptrail[archive]', or unpack it first") from None
    return cast("IO[bytes]", pa.CompressedInputStream(pa.PythonFile(file, mode="r"), "zstd"))


_UNPACKERS: tuple[tuple[bytes, Callable[[Any], Any]], ...] = (
    (b"\x1f\x8b", lambda file: gzip.GzipFile(fileobj=file)),
    (b"\xfd7zXZ\x00", lzma.LZMAFile),
    (b"BZh", bz2.BZ2File),
    (b"\x28\xb5\x2f\xfd", _zstd),
)


class Counted(io.RawIOBase):
    """A file that tells how much of it was read, also where it is a pipe."""

    def __init__(self, file: BinaryIO) -> None:
        """Read from `file`, which stays its owner's."""
        self._file = file
        self.position = 0

    def readable(self) -> bool:
        """Say yes."""
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - any buffer, as the base class has it
        """Read some bytes."""
        data = self._file.read1(len(buffer)) if hasattr(self._file, "read1") else self._file.read(len(buffer))
        buffer[: len(data)] = data
        self.position += len(data)
        return len(data)


class _Unpacked(io.RawIOBase):
    """What an unpacker gives, until it gives too much for what it was given."""

    def __init__(self, unpacker: IO[bytes], packed: Counted) -> None:
        self._unpacker = unpacker
        self._packed = packed
        self._given = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - as the base class has it
        data = self._unpacker.read(len(buffer))
        buffer[: len(data)] = data
        self._given += len(data)
        if self._given > _FREE_BYTES and self._given > RATIO_MAX * self._packed.position:
            raise UnpackingError(f"unpacks to more than {RATIO_MAX} times its size: no mail and no log does")
        return len(data)


def unpacked(counted: Counted, *, buffer_bytes: int) -> io.BufferedReader:
    """The content of a file, packed or not, as a stream that can be peeked into. Raises UNPACK_ERRORS and OSError."""
    raw: io.BufferedReader = io.BufferedReader(counted, buffer_bytes)
    beginning = raw.peek(MAGIC_BYTES)
    unpack = next((unpack for magic, unpack in _UNPACKERS if beginning.startswith(magic)), None)
    if unpack is None:
        return raw
    return io.BufferedReader(_Unpacked(unpack(raw), counted), buffer_bytes)
