"""Messages out of mailboxes: mbox files (packed too), Maildir and folders of single messages.

Everything is read as a stream, a message at a time, and of a long one only the beginning is kept. What a file is, its
content tells and not its name.
"""

import hashlib
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from typing import Final, Literal

from hoptrail_store.packed import UNPACK_ERRORS, Counted, UnpackingError, unpacked

KEPT_BYTES = 2 << 20
"""Of each message: a MiB of header, which is all that is traced, and what [store] evidence_max_bytes may ask for."""

_LINE_BYTES = 1 << 16  # a longer line is read in parts, so that a file without line ends does not fill the memory
_DIGEST_BYTES = 16

STDIN: Final = Path("-")
"""Stands for standard input."""

_FIELD = re.compile(rb"[!-9;-~]{1,998}[ \t]*:")
_MAIL_FIELD = re.compile(
    rb"^(?:received|from|to|date|subject|message-id|return-path|delivered-to|mime-version)[ \t]*:",
    re.IGNORECASE | re.MULTILINE,
)
# From_ lines of every age: an address or none, a date with a four-digit year somewhere after it (RFC 4155).
_DATED_FROM = re.compile(rb"From (?:.* )?(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? .*\d{4}\s*$")
_QUOTED_FROM = re.compile(rb">+From ")

# What mail servers keep beside the messages of a Maildir.
_NOT_MAIL = re.compile(r"\..*|dovecot.*|courier.*|maildir(?:size|folder)|subscriptions|.*\.lock", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class RawMessage:
    """One message: the beginning of its `content`, the digest and size of all of it.

    `position` is how far its file was read, in bytes as they lie on the disk; `modified_s` the file's time.
    """

    path: Path
    content: bytes = field(repr=False)
    size_bytes: int
    digest: bytes
    position: int
    modified_s: float


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file that gave no message, or not all of its messages, and why."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True)
class Source:
    """A file to read, with its size on the disk, 0 for standard input and other pipes."""

    path: Path
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Opened:
    """A file being read: its content, unpacked, of which nothing was taken yet; `modified_s` is the file's time."""

    path: Path
    content: BufferedReader
    modified_s: float
    _counted: Counted

    @property
    def position(self) -> int:
        """How far the file was read, in bytes as they lie on the disk."""
        return self._counted.position

    def beginning(self) -> bytes:
        """The first bytes, left where they are."""
        return self.content.peek(_LINE_BYTES)


def find_sources(paths: tuple[Path, ...]) -> Iterator[Source | LeftOut]:
    """Yield the files below the paths, each folder's in the order of their names; links to folders are not followed.

    A pipe is read where it was named, as by a shell's `<(zcat mbox.Z)`, and passed over in a folder, where nobody may
    ever write into it.
    """
    for path in paths:
        if path == STDIN or path.is_fifo():
            yield Source(path, 0)
        else:
            yield from _walk(path)


@contextmanager
def open_source(source: Source) -> Iterator[Opened]:
    """Give a file for a block. Raises OSError and UNPACK_ERRORS, as reading its content does."""
    if source.path == STDIN:
        counted = Counted(sys.stdin.buffer)
        yield Opened(source.path, unpacked(counted, buffer_bytes=_LINE_BYTES), time.time(), counted)
        return
    with source.path.open("rb") as file:
        counted = Counted(file)
        modified_s = source.path.stat().st_mtime
        yield Opened(source.path, unpacked(counted, buffer_bytes=_LINE_BYTES), modified_s, counted)


def read_messages(source: Source) -> Iterator[RawMessage | LeftOut]:
    """Yield the messages of one file, and at the end why the rest was left out, if it was."""
    try:
        with open_source(source) as opened:
            yield from messages_in(opened)
    except (*UNPACK_ERRORS, OSError) as error:
        yield left_out(source.path, error)


def left_out(path: Path, error: Exception) -> LeftOut:
    """Why a file, or the rest of it, was left out."""
    if isinstance(error, UNPACK_ERRORS) and not isinstance(error, UnpackingError):
        return LeftOut(path, f"damaged archive: {error}")
    return LeftOut(path, getattr(error, "strerror", None) or str(error))


def _walk(path: Path) -> Iterator[Source | LeftOut]:
    try:
        if path.is_dir():
            maildir = (path / "cur").is_dir()
            for entry in sorted(path.iterdir()):
                passed_over = (
                    (entry.is_symlink() and entry.is_dir())
                    or (entry.is_file() and _NOT_MAIL.fullmatch(entry.name))
                    or (maildir and entry.name == "tmp")
                )
                if not passed_over:
                    yield from _walk(entry)
        elif path.is_file():
            yield Source(path, path.stat().st_size)
        else:
            yield LeftOut(path, "neither a file nor a folder" if path.exists() else "does not exist")
    except OSError as error:
        yield LeftOut(path, error.strerror or str(error))


def messages_in(opened: Opened) -> Iterator[RawMessage | LeftOut]:
    """Yield the messages of an open file; raises what reading it raises."""
    first = opened.beginning()
    kind = _kind(first)
    if kind is None:
        yield LeftOut(opened.path, "no mail" if first else "empty")
        return
    split = _split_mbox if kind == "mbox" else _whole
    for parts in split(opened.content):
        yield RawMessage(
            opened.path, parts.content(), parts.size_bytes, parts.digest(), opened.position, opened.modified_s
        )


def _kind(beginning: bytes) -> Literal["mbox", "message"] | None:
    first, _, rest = beginning.lstrip(b"\r\n").removeprefix(b"\xef\xbb\xbf").partition(b"\n")
    if first.startswith(b"From ") and _begins_header(rest):
        return "mbox"
    if (_begins_header(first) or first.startswith(b">From ")) and _MAIL_FIELD.search(beginning):
        return "message"
    return None


def _begins_header(line: bytes) -> bool:
    return _FIELD.match(line) is not None or line.startswith(b">From ")


class _Parts:
    """A message while its lines come in."""

    def __init__(self) -> None:
        self._kept = bytearray()
        self._hash = hashlib.sha256()
        self.size_bytes = 0

    def add(self, line: bytes) -> None:
        self._hash.update(line)
        self.size_bytes += len(line)
        if len(self._kept) < KEPT_BYTES:
            self._kept += line[: KEPT_BYTES - len(self._kept)]

    def content(self) -> bytes:
        return bytes(self._kept)

    def digest(self) -> bytes:
        return self._hash.digest()[:_DIGEST_BYTES]


def _whole(content: BufferedReader) -> Iterator[_Parts]:
    parts = _Parts()
    while chunk := content.read(_LINE_BYTES):
        parts.add(chunk)
    yield parts


def _split_mbox(content: BufferedReader) -> Iterator[_Parts]:
    """Split at lines `From ` that a header field follows and that a blank line precedes, or that end in a date.

    So neither an unquoted `From ` in a text nor a separator whose blank line was lost cuts wrongly. The blank line that
    belongs to the separator is no part of the message; one '>' goes from quoted lines, as mboxrd and mboxo write them.
    """
    parts: _Parts | None = None
    blank: bytes | None = b""  # the line just read, if it was empty; it may belong to the separator
    line = content.readline(_LINE_BYTES)
    while line:
        following = content.readline(_LINE_BYTES)
        if line.startswith(b"From ") and _begins_header(following) and (blank is not None or _DATED_FROM.match(line)):
            if parts:
                yield parts
            parts, blank = _Parts(), None
        elif parts:
            if blank is not None:
                parts.add(blank)
            blank = line if line in {b"\n", b"\r\n"} else None
            if blank is None:
                parts.add(line[1:] if _QUOTED_FROM.match(line) else line)
        line = following
    if parts:
        yield parts
