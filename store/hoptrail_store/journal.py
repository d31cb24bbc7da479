"""Records on their way into the store: each process appends them to files of its own, which one process empties.

To append is one write and no more: there is no lock to wait for and no fault of the store to meet. What was appended
outlives the process that did it. `hoptrail_store.recorder` reads the files.

A file is called a segment: entries of a length and a CRC-32 (4 bytes each, little-endian) before JSON. Its writer holds
flock(2) on it, so that whoever gets that lock knows that no more comes.
"""

import fcntl
import os
import re
import secrets
import struct
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from json import dumps
from pathlib import Path
from threading import Lock
from typing import Final

from pydantic import TypeAdapter

from hoptrail_store.anonymise import Mask, anonymous, anonymous_refusals
from hoptrail_store.errors import FullStoreError, RecordError, UnavailableStoreError
from hoptrail_store.folders import sync_folder
from hoptrail_store.ownership import make_owned, open_owned
from hoptrail_store.records import Answer, MessageRecord, RefusalCount
from hoptrail_store.settings import StoreSettings
from hoptrail_store.trail import storable

SEGMENT_BYTES: Final = 4 << 20
SEGMENT_AGE_S: Final = 10.0
"""After that a segment takes no more, so that what is stored already does not lie beside the store for long."""

_SUFFIX = ".log"
_UNBORN = ".new"
_TORN = ".torn"
_WANTED = "wanted"
_NAME = re.compile(r"\d{20}-[0-9a-f]{16}\.log", re.ASCII)
_UNBORN_AGE_S = 60.0
_CLOSED = -1
_FRAME = struct.Struct("<II")


@dataclass(frozen=True, slots=True)
class Entry:
    """What is appended at a time."""

    record: MessageRecord | None = None
    refusals: tuple[RefusalCount, ...] = ()
    answers: tuple[Answer, ...] = ()


_ENTRY = TypeAdapter(Entry)


@dataclass(slots=True)
class _Segment:
    """A segment that is being written."""

    descriptor: int
    began_s: float
    size: int = 0
    synced: int = 0
    syncing: Lock = field(default_factory=Lock)

    def sync(self, up_to: int) -> None:
        """Return once the first `up_to` bytes are on the disk; threads that come together share a wait."""
        with self.syncing:
            if self.synced < up_to:
                size = self.size
                os.fdatasync(self.descriptor)
                self.synced = size


class Journal:
    """The segments of one process, for all its threads. A forked child makes its own.

    What its methods were given is safe when they return; else they raise StoreError. After `close` it begins anew.
    """

    def __init__(self, settings: StoreSettings) -> None:
        """Open nothing yet: a folder that is out of order keeps no daemon from starting."""
        self._settings = settings
        self._folder = folder_of(settings)
        self._evidence_max = settings.evidence_max_bytes if settings.evidence_days else 0
        self._mask: Mask | None = None
        self._knows_mask = False
        self._lock = Lock()
        self._segment: _Segment | None = None

    def record(self, record: MessageRecord) -> None:
        """Keep the record of a message."""
        evidence = record.evidence[: self._evidence_max] if record.evidence and self._evidence_max else None
        if evidence is not record.evidence:
            record = replace(record, evidence=evidence)
        if mask := self._masked():
            record = anonymous(record, mask)
        self._append(Entry(record))

    def count_refusals(self, counts: Sequence[RefusalCount]) -> None:
        """Keep counts, to be added to the store's."""
        if mask := self._masked():
            counts = anonymous_refusals(counts, mask)
        self._append(Entry(refusals=tuple(counts)))

    def remember(self, answers: Sequence[Answer]) -> None:
        """Keep answers of look-ups."""
        self._append(Entry(answers=tuple(answers)))

    def tick(self) -> None:
        """Close a segment that is old; to be called every second or so."""
        with self._lock:
            if self._segment and time.monotonic() - self._segment.began_s >= SEGMENT_AGE_S:
                self._end_segment()

    def close(self) -> None:
        """Close the segment."""
        with self._lock:
            self._end_segment()

    def _masked(self) -> Mask | None:
        if not self._knows_mask:
            self._mask = Mask.at_once(self._settings)
            self._knows_mask = True
        return self._mask

    def _append(self, entry: Entry) -> None:
        data = encode(entry)
        try:
            with self._lock:
                segment = self._segment or self._begin_segment()
                try:
                    written = os.write(segment.descriptor, data)
                except OSError:
                    self._end_segment()
                    raise
                if written < len(data):
                    with suppress(OSError):
                        os.ftruncate(segment.descriptor, segment.size)
                    self._end_segment()
                    raise FullStoreError(f"{self._folder}: no space is left on its disk")
                end = segment.size = segment.size + written
            if self._settings.sync == "commit":
                segment.sync(end)
            if end >= SEGMENT_BYTES:
                self._end_if(segment)
        except OSError as error:
            raise UnavailableStoreError(f"{self._folder}: cannot be written ({error.strerror})") from error

    def _begin_segment(self) -> _Segment:
        """Make a file that nobody takes for a dead writer's: it gets its name when it is locked."""
        if backlog_bytes(self._settings) > self._settings.journal_max_bytes:
            raise FullStoreError(
                f"{self._folder}: more than [store] journal_max_bytes wait for the store already; see why it cannot be "
                "written"
            )
        make_owned(self._folder)
        path = self._folder / f"{time.time_ns():020}-{secrets.token_hex(8)}{_SUFFIX}"  # clocks may go back or stand
        making = path.with_suffix(_UNBORN)
        descriptor = open_owned(making, os.O_APPEND)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            making.rename(path)
            if self._settings.sync == "commit":
                sync_folder(self._folder)
                sync_folder(self._folder.parent)
        except OSError:
            os.close(descriptor)
            raise
        self._segment = _Segment(descriptor, time.monotonic())
        return self._segment

    def _end_if(self, segment: _Segment) -> None:
        with self._lock:
            if self._segment is segment:
                self._end_segment()

    def _end_segment(self) -> None:
        segment, self._segment = self._segment, None
        if segment is None:
            return
        if self._settings.sync == "commit":  # for those who still wait for it; where it fails, they fail too
            with suppress(OSError):
                segment.sync(segment.size)
        with segment.syncing:
            os.close(segment.descriptor)
            segment.descriptor = _CLOSED


def folder_of(settings: StoreSettings) -> Path:
    """Return the folder of the segments, beside the store."""
    return Path(f"{settings.path}.journal")


def segments(settings: StoreSettings) -> list[Path]:
    """Return the segments, the oldest first; none where there is no folder. Raises OSError."""
    try:
        with os.scandir(folder_of(settings)) as found:
            return sorted(Path(entry.path) for entry in found if _is_segment(entry))
    except FileNotFoundError:
        return []


def backlog_bytes(settings: StoreSettings) -> int:
    """Return the size of all segments, what is stored but not yet deleted included. Raises OSError."""
    return waiting_bytes(settings, {})


def waiting_bytes(settings: StoreSettings, stored: Mapping[str, int]) -> int:
    """Return how much the segments hold beyond what is `stored` of each. Raises OSError."""
    total = 0
    for path in segments(settings):
        with suppress(FileNotFoundError):
            total += path.stat().st_size - stored.get(path.name, 0)
    return total


def ask_for_haste(settings: StoreSettings) -> None:
    """Have the recorder store at once what waits: somebody wants to read it. Raises OSError."""
    if folder_of(settings).is_dir():
        os.close(open_owned(folder_of(settings) / _WANTED))


def is_haste_asked_for(settings: StoreSettings) -> bool:
    """Return whether somebody did since this was asked last. Raises OSError."""
    try:
        (folder_of(settings) / _WANTED).unlink()
    except FileNotFoundError:
        return False
    return True


def clear_unborn(settings: StoreSettings) -> None:
    """Delete what writers that were killed left before it was a segment. Raises OSError."""
    for path in folder_of(settings).glob(f"*{_UNBORN}"):
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > _UNBORN_AGE_S:
                path.unlink()


def set_torn_aside(segment: Path) -> Path:
    """Rename a segment that cannot be read to its end, so that it is none any more; return where. Raises OSError."""
    return segment.rename(segment.with_suffix(_TORN))


def encode(entry: Entry) -> bytes:
    """Return the entry as it lies in a segment. Raises RecordError where a value cannot be kept."""
    try:
        document = _ENTRY.dump_json(entry, exclude_defaults=True)
    except ValueError:  # a surrogate somewhere, which the store would replace too
        plain = _ENTRY.dump_python(entry, mode="json", exclude_defaults=True)
        document = storable(dumps(plain, ensure_ascii=False)).encode()
    return _FRAME.pack(len(document), zlib.crc32(document)) + document


def decode(document: bytes) -> Entry:
    """Return the entry; raises RecordError where it is none."""
    try:
        return _ENTRY.validate_json(document)
    except ValueError as error:
        raise RecordError(f"an entry of the journal cannot be read ({error})") from error


def read(descriptor: int, start: int, limit_bytes: int) -> Iterator[tuple[int, bytes]]:
    """Return (where it ends, document) of the whole entries from `start` on, some `limit_bytes` of them.

    What is torn ends them: a writer was killed, or is about to write the rest. Raises OSError.
    """
    data = os.pread(descriptor, limit_bytes, start)
    if len(data) >= _FRAME.size:
        missing = _FRAME.size + _FRAME.unpack_from(data)[0] - len(data)
        if 0 < missing <= os.fstat(descriptor).st_size - start - len(data):  # else it is torn, however long it claims
            data += os.pread(descriptor, missing, start + len(data))
    at = 0
    while at + _FRAME.size <= len(data):
        length, checksum = _FRAME.unpack_from(data, at)
        document = data[at + _FRAME.size : at + _FRAME.size + length]
        if len(document) < length or not length or zlib.crc32(document) != checksum:
            return
        at += _FRAME.size + length
        yield start + at, document


def _is_segment(entry: os.DirEntry[str]) -> bool:
    """Whether it is a file of ours: what others put there is not read and, above all, not deleted."""
    return _NAME.fullmatch(entry.name) is not None and entry.is_file(follow_symlinks=False)
