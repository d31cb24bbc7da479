"""The store, for those who write it: one SQLite file, written by several processes at once."""

import os
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from hoptrail_store import database as files
from hoptrail_store import rows
from hoptrail_store.anonymise import Mask, anonymous, anonymous_refusals, mark_anonymised
from hoptrail_store.errors import MovedStoreError, RecordError, store_error
from hoptrail_store.lock import FileLock
from hoptrail_store.names import Names
from hoptrail_store.records import Answer, MessageRecord, RefusalCount
from hoptrail_store.rows import Prepared
from hoptrail_store.settings import StoreSettings
from hoptrail_store.sqlite import Database

_SYNCHRONOUS = {"checkpoint": "NORMAL", "commit": "FULL"}


class Store:
    """A connection that writes. One thread at a time may use it; a forked child opens its own.

    Each method that writes is one transaction, waits for the lock at most `lock_wait_s` and raises StoreError.
    """

    def __init__(self, settings: StoreSettings, lock: FileLock, database: Database) -> None:
        """Take over an open file; callers use `open`."""
        self.settings = settings
        self.path = Path(settings.path)
        self.db = database
        self._lock = lock
        self._connection: sqlite3.Connection = database.conn
        self.tune(f"synchronous = {_SYNCHRONOUS[settings.sync]}")
        self._names = Names(self._connection)
        self._mask = Mask.at_once(settings)
        self.file = file_identity(self.path)

    @classmethod
    def open(cls, settings: StoreSettings) -> Self:
        """Return the store, made where it is absent and migrated where it is older; raises StoreError."""
        path, wait_s = Path(settings.path), settings.lock_wait_s
        lock = FileLock(path)
        try:
            with lock.shared(wait_s):
                ready = files.is_present(path, wait_s=wait_s)
            if not ready:
                with lock.exclusive(wait_s):
                    files.prepare(path, wait_s=wait_s)
            with lock.shared(wait_s):
                return cls(settings, lock, files.open_database(path, wait_s=wait_s))
        except BaseException:
            lock.close()
            raise

    def tune(self, pragma: str) -> None:
        """Set a pragma of the connection."""
        try:
            self._connection.execute(f"PRAGMA {pragma}")
        except sqlite3.Error as error:
            raise store_error(self.path, error) from error

    def close(self) -> None:
        """Give the file back; what was put stays."""
        self.db.close()
        self._lock.close()

    def __enter__(self) -> Self:
        """Return the store itself, closed at the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def put(self, records: Sequence[MessageRecord], *, digests: Sequence[bytes | None] = ()) -> int:
        """Store messages, all or none, and return how many were new.

        A record whose id is known is passed over; so is one of a known digest, which the import gives.
        """
        digests = digests or (None,) * len(records)
        return self.write([self.prepare(record, digest) for record, digest in zip(records, digests, strict=True)])

    def prepare(self, record: MessageRecord, digest: bytes | None = None) -> Prepared:
        """Return the record packed for `write`, without touching the file."""
        limit = self.settings.evidence_max_bytes if self.settings.evidence_days else 0
        if self._mask:
            record = anonymous(record, self._mask)
        return rows.prepare(record, evidence_max_bytes=limit, digest=digest)

    def write(
        self,
        prepared: Sequence[Prepared],
        refusals: Sequence[RefusalCount] = (),
        answers: Sequence[Answer] = (),
        *,
        journal: tuple[Mapping[str, int], Sequence[str]] = ({}, ()),
    ) -> int:
        """Store all of it in one transaction, or nothing; return how many messages were new.

        `journal` says up to where segments of the journal are stored with it, and which are gone.
        """
        with self.transaction():
            now_ms = time.time_ns() // 1_000_000
            numbers = rows.insert(self._connection, self._names, prepared, now_ms)
            if self._mask:
                mark_anonymised(self._connection, [one.record.id for one in prepared], self._mask)
                refusals = anonymous_refusals(refusals, self._mask)
            rows.add_refusals(self._connection, self._names, refusals)
            rows.remember(self._connection, answers)
            rows.note_journal(self._connection, *journal)
        return sum(number is not None for number in numbers)

    def journal_read(self) -> dict[str, int]:
        """Return up to where each segment of the journal is stored, bytes from its beginning. Raises StoreError."""
        try:
            return rows.journal_read(self._connection)
        except sqlite3.Error as error:
            raise store_error(self.path, error) from error

    def count_refusals(self, counts: Sequence[RefusalCount]) -> None:
        """Add to what is counted for the same host, network and hour."""
        self.write((), counts)

    def knows(self, digest: bytes) -> bool:
        """Whether a message of this digest was imported."""
        try:
            found = self._connection.execute("SELECT 1 FROM message WHERE digest = ?", (digest,)).fetchone()
        except sqlite3.Error as error:
            raise store_error(self.path, error) from error
        return found is not None

    @contextmanager
    def transaction(self, wait_s: float | None = None) -> Iterator[Names]:
        """Hold the write lock for a block, and the dictionary with it: committed at its end, undone where it raises."""
        wait_s = self.settings.lock_wait_s if wait_s is None else wait_s
        with self._lock.shared(wait_s):
            if file_identity(self.path) != self.file:
                raise MovedStoreError(f"{self.path}: the file was moved or replaced while it was open")
            try:
                self._connection.execute(f"PRAGMA busy_timeout = {round(wait_s * 1000)}")
                self._connection.execute("BEGIN IMMEDIATE")
                self._names.begin()
                yield self._names
                self._connection.execute("COMMIT")
            except BaseException as error:
                self._undo()
                if isinstance(error, sqlite3.Error):
                    raise store_error(self.path, error) from error
                if isinstance(error, OverflowError | UnicodeError):
                    raise RecordError(f"{self.path}: a value cannot be stored ({error})") from error
                raise

    def _undo(self) -> None:
        self._names.forget()
        if self._connection.in_transaction:
            self._connection.rollback()


def file_identity(path: Path) -> tuple[int, int] | None:
    """Return device and inode of the file at `path`, None where there is none."""
    try:
        status = os.stat(path)  # noqa: PTH116 - once a transaction, and Path.stat costs twice as much
    except OSError:
        return None
    return status.st_dev, status.st_ino


def set_damaged_aside(settings: StoreSettings, damaged: tuple[int, int] | None) -> Path | None:
    """Move the store away if it still is the file `damaged`; return where it went, None if another process did it."""
    path = Path(settings.path)
    lock = FileLock(path)
    try:
        with lock.exclusive(settings.lock_wait_s):
            return files.set_aside(path) if damaged and file_identity(path) == damaged else None
    finally:
        lock.close()


def log_of(settings: StoreSettings) -> Path:
    """Return where SQLite's log of the store lies."""
    return Path(f"{settings.path}-wal")


def set_stale_log_aside(settings: StoreSettings, stale: tuple[int, int] | None) -> Path | None:
    """Move SQLite's log away where it is the one of a file that was replaced: SQLite would play it onto the new one.

    Return where it went, None where it is another, or none. To be called before the new file is opened.
    """
    path, wal = Path(settings.path), log_of(settings)
    lock = FileLock(path)
    try:
        with lock.exclusive(settings.lock_wait_s):
            if stale is None or file_identity(wal) != stale:
                return None
            aside = wal.rename(files.dated(wal, "stale"))
            Path(f"{settings.path}-shm").unlink(missing_ok=True)
            return aside
    finally:
        lock.close()
