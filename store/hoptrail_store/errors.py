"""What can go wrong with a store, by what a caller can do about it: try later, or call a person."""

import sqlite3
from pathlib import Path


class StoreError(Exception):
    """Any failure of the store; the message names the file and what to do."""


class TemporaryStoreError(StoreError):
    """The same may succeed later: another process holds the lock, the disk is full, a mount is away."""


class PermanentStoreError(StoreError):
    """It will fail until a person has done something."""


class BusyStoreError(TemporaryStoreError):
    """The lock was not to be had in time, or too many records wait already."""


class FullStoreError(TemporaryStoreError):
    """No space is left for the store."""


class UnavailableStoreError(TemporaryStoreError):
    """The file cannot be opened, read or written: permissions, a read-only mount, an input/output error."""


class MovedStoreError(TemporaryStoreError):
    """The open file is no longer the one at the store's path: open it again."""


class ArchiveError(StoreError):
    """A file of the archive of closed days cannot be written, read or believed; the message names it."""


class FullArchiveError(ArchiveError, TemporaryStoreError):
    """No space is left for the archive."""


class RecordError(PermanentStoreError):
    """One record holds a value that no column takes; others are not concerned."""


class CorruptStoreError(PermanentStoreError):
    """The file's content is damaged, or it is no SQLite file."""


class NewerStoreError(PermanentStoreError):
    """A later release of Hoptrail wrote the store."""


class ForeignStoreError(PermanentStoreError):
    """The file is a database of some other program."""


_KINDS: dict[int, tuple[type[StoreError], str]] = {
    sqlite3.SQLITE_BUSY: (BusyStoreError, "another process holds its lock"),
    sqlite3.SQLITE_LOCKED: (BusyStoreError, "another process holds its lock"),
    sqlite3.SQLITE_FULL: (FullStoreError, "no space is left on its disk"),
    sqlite3.SQLITE_CORRUPT: (CorruptStoreError, "its content is damaged"),
    sqlite3.SQLITE_NOTADB: (CorruptStoreError, "it is not an SQLite file"),
    sqlite3.SQLITE_READONLY: (UnavailableStoreError, "it cannot be written: look at its owner, mode and mount"),
    sqlite3.SQLITE_CANTOPEN: (UnavailableStoreError, "it cannot be opened: look at its and its folder's mode"),
}

_OF_A_VALUE = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.InterfaceError, sqlite3.ProgrammingError)


def store_error(path: Path, error: Exception) -> StoreError:
    """Return the StoreError that says what an sqlite3.Error or OSError means for the store at `path`."""
    code = getattr(error, "sqlite_errorcode", None) or 0
    if isinstance(error, _OF_A_VALUE):
        return RecordError(f"{path}: a value cannot be stored ({error})")
    if path.is_dir():  # SQLite calls it an I/O error, which sounds like a failing disk
        return UnavailableStoreError(f"{path}: a folder; name the file itself in [store] path")
    kind, meaning = _KINDS.get(code & 0xFF, (UnavailableStoreError, "it cannot be used"))
    return kind(f"{path}: {meaning} ({error})")
