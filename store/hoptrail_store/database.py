"""The store's file: made, brought to the present schema, and set aside when it is damaged."""

import os
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from hoptrail_store import migrations
from hoptrail_store.errors import CorruptStoreError, ForeignStoreError, NewerStoreError, store_error
from hoptrail_store.migrations import Step
from hoptrail_store.ownership import open_owned
from hoptrail_store.sqlite import Database

APPLICATION_ID = 0x486F7074  # "Hopt": tells our files from any other program's

_SMALLEST_BYTES = 512  # https://sqlite.org/fileformat2.html: the least a page has
_FILES = ("", "-wal", "-shm")  # what SQLite keeps in WAL mode, beside the path's own name


def schema_version(steps: Sequence[Step]) -> int:
    """Return the version that the present schema has after these steps."""
    return steps[-1].version if steps else migrations.FIRST_VERSION


def open_database(path: Path, *, wait_s: float, readonly: bool = False) -> Database:
    """Return a connection to an existing file, in SQLite's autocommit mode; raises StoreError."""
    if path.is_file() and 0 < path.stat().st_size < _SMALLEST_BYTES:  # SQLite takes some of these for an empty database
        raise CorruptStoreError(f"{path}: it is not an SQLite file")
    address = f"{path.absolute().as_uri()}?mode={'ro' if readonly else 'rw'}"
    try:
        connection = sqlite3.connect(address, uri=True, timeout=wait_s, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as error:
        raise store_error(path, error) from error
    try:
        connection.execute("PRAGMA schema_version")  # the first access tells whether it is a database at all
    except sqlite3.Error as error:
        connection.close()
        raise store_error(path, error) from error
    return Database(connection, execute_plugins=False)


def is_present(path: Path, *, wait_s: float) -> bool:
    """Whether there is a store of the present schema at `path`; raises StoreError where it is none of ours."""
    if not path.exists() or not path.stat().st_size:
        return False
    database = open_database(path, wait_s=wait_s)  # one who may only read cannot undo what a killed process began
    try:
        if _is_blank(database):
            return False
        return check_version(database, path) == schema_version(migrations.steps())
    except sqlite3.Error as error:
        raise store_error(path, error) from error
    finally:
        database.close()


def prepare(path: Path, *, wait_s: float, steps: Sequence[Step] | None = None) -> None:
    """Make the store at `path`, or bring an older one to the present schema, with a backup. The caller locks."""
    steps = migrations.steps() if steps is None else steps
    try:
        os.close(open_owned(path))
    except OSError as error:
        raise store_error(path, error) from error
    database = open_database(path, wait_s=wait_s)
    try:
        _bring_up(database, path, steps)
    except (sqlite3.Error, OSError) as error:
        raise store_error(path, error) from error
    finally:
        database.close()


def _bring_up(database: Database, path: Path, steps: Sequence[Step]) -> None:
    present = schema_version(steps)
    if _is_blank(database):
        database.execute("PRAGMA journal_mode = WAL")
        _run(database, migrations.schema(), present)
        return
    version = check_version(database, path, steps)
    if version < present:
        _back_up(database, Path(f"{path}.v{version}"))
        for step in steps:
            if step.version > version:
                _run(database, step.sql, step.version)


def check_version(database: Database, path: Path, steps: Sequence[Step] | None = None) -> int:
    """Return the file's schema version; raises ForeignStoreError or NewerStoreError where we cannot work with it."""
    if _value(database, "application_id") != APPLICATION_ID:
        raise ForeignStoreError(f"{path}: a database, but not Hoptrail's; set another path in [store]")
    version = _value(database, "user_version")
    present = schema_version(migrations.steps() if steps is None else steps)
    if version > present:
        raise NewerStoreError(
            f"{path}: written by a later release (schema {version}, this one knows {present}); install that release, "
            "or set another path in [store]"
        )
    return version


def set_aside(path: Path) -> Path:
    """Rename the store with its side files and return the new path. The caller holds the lock."""
    aside = dated(path, "damaged")
    try:
        for suffix in _FILES:
            side = Path(f"{path}{suffix}")
            if side.exists():
                side.rename(f"{aside}{suffix}")
    except OSError as error:
        raise store_error(path, error) from error
    return aside


def dated(path: Path, word: str) -> Path:
    """Return a name beside `path` for what nobody uses any more, with the word and the time."""
    return Path(f"{path}.{word}-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}")


def _is_blank(database: Database) -> bool:
    """Whether whoever began the store was killed before there was a schema."""
    return not _value(database, "application_id") and not database.table_names()


def _value(database: Database, pragma: str) -> int:
    [value] = database.execute(f"PRAGMA {pragma}").fetchone()
    return int(value)


def _run(database: Database, sql: str, version: int) -> None:
    try:
        database.conn.executescript(
            f"BEGIN IMMEDIATE;\n{sql}\n"
            f"PRAGMA application_id = {APPLICATION_ID};\nPRAGMA user_version = {version};\nCOMMIT;"
        )
    except sqlite3.Error:
        if database.conn.in_transaction:
            database.conn.rollback()
        raise


def _back_up(database: Database, target: Path) -> None:
    unfinished = Path(f"{target}.tmp")
    unfinished.unlink(missing_ok=True)
    copy = sqlite3.connect(unfinished)
    try:
        database.conn.backup(copy)
    finally:
        copy.close()
    unfinished.chmod(0o640)
    unfinished.rename(target)
