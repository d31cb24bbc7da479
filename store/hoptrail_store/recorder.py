"""Empties the journal into the store: many messages in one transaction, each entry once, whatever is killed when.

How far each segment is stored stands in the store, written with its entries (table `journal`). A segment whose writer
is gone is deleted when all of it is stored. While the store cannot be written, the journal waits.
"""

import fcntl
import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final, Self

from hoptrail_store import journal
from hoptrail_store.checkpoint import AUTOMATIC_PAGES, Checkpointer
from hoptrail_store.errors import BusyStoreError, CorruptStoreError, MovedStoreError, RecordError, StoreError
from hoptrail_store.journal import Entry
from hoptrail_store.ownership import open_owned
from hoptrail_store.records import MessageRecord
from hoptrail_store.settings import StoreSettings
from hoptrail_store.store import Store, file_identity, log_of, set_damaged_aside, set_stale_log_aside

PORTION: Final = 256
"""Entries a transaction: some 30 ms, which other writers wait for."""

_SEGMENT_PORTION_BYTES: Final = 1 << 20
_PORTION_BYTES: Final = 8 << 20  # some more where entries are long: what a transaction takes of the memory
_FRESH_S = 60.0  # then the store is opened anew: what others have done to the file does not show through our cache
_A_FEW_BYTES: Final = 64
_REOPEN_PAUSE_S = 1.0
_DRAIN_PAUSE_S = 0.05

_log = logging.getLogger("hoptrail.store")


@dataclass(frozen=True, slots=True)
class _Read:
    """An entry, and where its segment is stored up to once it is."""

    segment: str
    end: int
    document: bytes


class Recorder:
    """The one process that writes what the journal holds. It never gives up: what fails is tried again.

    A store that is damaged is set aside and a new one begun. What cannot be stored for a fault of its own is lost, and
    `on_loss` is told, with the record if it could be read.
    """

    def __init__(self, settings: StoreSettings, on_loss: Callable[[MessageRecord | None, Exception], None]) -> None:
        """Open nothing yet: a store that is out of order keeps nobody from starting."""
        self._settings = settings
        self._on_loss = on_loss
        self._lock: int | None = None
        self._store: Store | None = None
        self._checkpointer: Checkpointer | None = None
        self._stored: dict[str, int] = {}  # segment: how far
        self._gone: list[str] = []  # segments that are deleted, and are to be forgotten with the next transaction
        self._passed_over: set[str] = set()  # segments that cannot be read, which is told once
        self._failures = 0
        self._wal: tuple[int, int] | None = None  # which file SQLite's log is
        self._opened_at = self._retry_at = 0.0

    def __enter__(self) -> Self:
        """Return the recorder itself, closed at the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """Let go of the store and of the journal."""
        self._let_go()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def step(self) -> int:
        """Store a portion and return of how many entries: 0 where none wait, or the store cannot be written now."""
        if time.monotonic() < self._retry_at:
            return 0
        try:
            stored = self._step() if self._is_ours() and journal.segments(self._settings) else 0
        except StoreError as error:
            self._note_failure(error)
            return 0
        except OSError as error:
            self._note_failure(StoreError(f"{journal.folder_of(self._settings)}: {error.strerror}"))
            return 0
        self._note_success()
        return stored

    def is_wanted(self) -> bool:
        """Return whether somebody asked for what waits since this was asked last. Raises OSError."""
        return journal.is_haste_asked_for(self._settings)

    def waiting_bytes(self) -> int:
        """Return how much of the journal is not stored yet. Raises OSError."""
        return journal.waiting_bytes(self._settings, self._stored)

    def _step(self) -> int:
        """Store a portion; anew, from what the next file says is stored, where the file was moved or is damaged."""
        try:
            return self._store_portion()
        except MovedStoreError as error:
            _log.error("store: %s; opening it again", error)
            self._let_go()
            if aside := set_stale_log_aside(self._settings, self._wal):
                _log.critical("store: what was last written to the file before is in %s", aside)
        except CorruptStoreError as error:
            self._replace(error)
        return self._store_portion()

    def _store_portion(self) -> int:
        self._open()
        portion = self._portion()
        if portion:
            self._keep(portion)
        return len(portion)

    def _is_ours(self) -> bool:
        """Whether this is the process that empties the journal; there is one at a time."""
        folder = journal.folder_of(self._settings)
        path = folder / "lock"
        if self._lock is not None and file_identity(path) != _identity(self._lock):
            self.close()  # the folder is another one, and may be somebody else's by now
        if self._lock is None and folder.is_dir():
            lock = open_owned(path)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(lock)
                return False
            self._lock = lock
        return self._lock is not None

    def _portion(self) -> list[_Read]:
        """Return what comes next of each segment, the oldest first; one that cannot be read holds up no other."""
        portion: list[_Read] = []
        size = 0
        for path in journal.segments(self._settings):
            try:
                part = self._part(path, PORTION - len(portion))
            except OSError as error:
                if path.name not in self._passed_over:
                    self._passed_over.add(path.name)
                    _log.error("store: %s: %s; what it holds waits, the rest does not", path, error.strerror)
                continue
            self._passed_over.discard(path.name)
            portion += part
            size += sum(len(one.document) for one in part)
            if len(portion) == PORTION or size >= _PORTION_BYTES:
                break
        return portion

    def _part(self, path: Path, limit: int) -> list[_Read]:
        """Return what comes next of a segment. One that is stored to its end is deleted. Raises OSError."""
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            is_ended = _is_free(descriptor)  # asked before reading: then nothing comes after what is read
            stored = self._stored.get(path.name, 0)
            entries = islice(journal.read(descriptor, stored, _SEGMENT_PORTION_BYTES), limit)
            part = [_Read(path.name, end, document) for end, document in entries]
            if is_ended and not part:
                if os.fstat(descriptor).st_size > stored:
                    aside = journal.set_torn_aside(path)
                    _log.error("store: %s: cannot be read from byte %d on; it is kept", aside, stored)
                else:
                    path.unlink()
                self._stored.pop(path.name, None)
                self._gone.append(path.name)
            return part
        finally:
            os.close(descriptor)

    def _keep(self, portion: Sequence[_Read]) -> None:
        """Store a portion; one by one where an entry of it is at fault."""
        try:
            self._write([journal.decode(one.document) for one in portion], portion)
        except StoreError as error:
            if not isinstance(error, RecordError):
                raise
            self._keep_each(portion, error)
        except (OSError, MemoryError):  # the machine's fault, not the entry's
            raise
        except Exception as error:  # noqa: BLE001 - an entry that our own code stumbles over must not hold up the rest
            self._keep_each(portion, error)

    def _keep_each(self, portion: Sequence[_Read], error: Exception) -> None:
        if len(portion) > 1:
            for one in portion:
                self._keep([one])
            return
        record = None
        with suppress(RecordError):
            record = journal.decode(portion[0].document).record
        self._write([], portion)
        self._on_loss(record, error)

    def _write(self, entries: Sequence[Entry], portion: Sequence[_Read]) -> None:
        """Write one transaction."""
        assert self._store is not None
        reached = {one.segment: one.end for one in portion}
        gone = list(self._gone)
        self._store.write(
            [self._store.prepare(entry.record) for entry in entries if entry.record],
            [count for entry in entries for count in entry.refusals],
            [answer for entry in entries for answer in entry.answers],
            journal=(reached, gone),
        )
        self._wal = file_identity(log_of(self._settings))
        self._stored.update(reached)
        del self._gone[: len(gone)]

    def _open(self) -> None:
        if self._store is not None and time.monotonic() - self._opened_at < _FRESH_S:
            return
        self._let_go()
        self._store = Store.open(self._settings)
        self._opened_at = time.monotonic()
        self._store.tune(f"wal_autocheckpoint = {AUTOMATIC_PAGES}")
        self._checkpointer = Checkpointer(self._store.path)
        self._stored = self._store.journal_read()
        names = {path.name for path in journal.segments(self._settings)}
        self._gone = [name for name in self._stored if name not in names]
        for name in self._gone:
            del self._stored[name]
        journal.clear_unborn(self._settings)

    def _let_go(self) -> None:
        if self._checkpointer:
            self._checkpointer.close()
        if self._store:
            self._store.close()
        self._checkpointer = self._store = None

    def _replace(self, error: CorruptStoreError) -> None:
        damaged = self._store.file if self._store else file_identity(Path(self._settings.path))
        self._let_go()
        aside = set_damaged_aside(self._settings, damaged)
        if aside:
            _log.critical("store: %s; it was moved to %s and a new store is begun", error, aside)

    def _note_failure(self, error: StoreError) -> None:
        self._failures += 1
        if self._failures == 1:
            _log.error("store: %s; until it can be written again, records wait in the journal", error)
        if not isinstance(error, BusyStoreError):
            self._let_go()
        self._retry_at = time.monotonic() + _REOPEN_PAUSE_S

    def _note_success(self) -> None:
        if self._failures:
            _log.warning("store: writing again, after %d failures", self._failures)
            self._failures = 0


def drain(settings: StoreSettings, wait_s: float = 15.0) -> None:
    """Store what waits in the journal, or wait until the process that does so has done it, for `wait_s` at most.

    What comes meanwhile is not waited for.
    """
    wanted = {}
    for path in journal.segments(settings):
        with suppress(FileNotFoundError):
            wanted[path.name] = path.stat().st_size
    deadline = time.monotonic() + wait_s
    has_asked = False
    with Recorder(settings, _log_loss) as recorder:
        while time.monotonic() < deadline:
            if recorder.step():
                continue
            if not is_waiting(settings, wanted):
                return
            if not has_asked:
                has_asked = True
                with suppress(OSError):  # then the other one takes its time
                    journal.ask_for_haste(settings)
            time.sleep(_DRAIN_PAUSE_S)


def is_waiting(settings: StoreSettings, up_to: Mapping[str, int] | None = None) -> bool:
    """Whether the journal holds entries that the store does not. Raises StoreError and OSError.

    `up_to` says of which segments, and up to which byte of each, that matters; without it, of all.
    """
    found = [path for path in journal.segments(settings) if up_to is None or path.name in up_to]
    if not found:
        return False
    with Store.open(settings) as store:
        stored = store.journal_read()
    for path in found:
        reached = stored.get(path.name, 0)
        if up_to is not None and reached >= up_to[path.name]:
            continue
        with suppress(OSError), path.open("rb") as file:  # what cannot be read is not waited for
            if next(journal.read(file.fileno(), reached, _A_FEW_BYTES), None):
                return True
    return False


def _is_free(descriptor: int) -> bool:
    """Whether the segment's writer has closed it, or is dead."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _identity(descriptor: int) -> tuple[int, int]:
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino


def _log_loss(record: MessageRecord | None, error: Exception) -> None:
    _log.error("store: record %s is lost: %s", record.id if record else "unknown", error)
