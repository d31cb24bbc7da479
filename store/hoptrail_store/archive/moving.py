"""Closed days moved from the store to the archive, so that a crash at any moment neither loses nor doubles a hop.

Three steps, each written down in `archive_part` before it begins: the part is written; from one commit on it counts and
the store's rows do not; these are deleted, a few at a time so that the milter never waits. What a run left undone the
next one finishes, or begins again.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

from hoptrail_store.archive.columns import open_columns
from hoptrail_store.archive.ledger import PartRecord, drop_record, put_record, recorded_parts
from hoptrail_store.archive.parts import archived_parts, drop_part, part_of, write_part
from hoptrail_store.errors import BusyStoreError
from hoptrail_store.lock import FileLock
from hoptrail_store.spans import EPOCH, conditions, day_ms, day_numbers, days_with_mail, exact_conditions
from hoptrail_store.store import Store

ONE_DAY = timedelta(days=1)

_PORTION = 5_000  # messages whose hops one transaction deletes: some 20 ms
_PAUSE_S = 0.002  # SQLite's lock is not fair: without a pause the next transaction would have it again


@dataclass(frozen=True, slots=True)
class Moved:
    """What a run moved: days and hops."""

    days: int = 0
    hops: int = 0


def days_to_move(store: Store, before: date, looked_up_to: int) -> list[date]:
    """Return the UTC days before a day that the archive does not hold whole, oldest first.

    They are those it has no part of, and those of messages that came after number `looked_up_to`: imported late. What
    it takes to find them does not grow with the mail that is archived.
    """
    connection = store.db.conn
    late = connection.execute(
        "SELECT DISTINCT received_ms / 86400000 FROM message WHERE number > ? AND +received_ms < ?",
        (looked_up_to, day_ms(before)[0]),
    )
    known = {record.day for record in recorded_parts(connection)}
    days = {day for day in days_with_mail(connection, EPOCH, before - ONE_DAY) if str(day) not in known}
    return sorted(days | {EPOCH + timedelta(days=number) for (number,) in late})


def move_days(store: Store, host: str, *, before: date, progress: Callable[[], None] = lambda: None) -> Moved:
    """Move all days before a day to [store] archive, after finishing what an earlier run left; `progress` once a day.

    `host` names this host in the archive. Raises ArchiveError and other StoreErrors; what is moved by then stays moved.
    """
    with _alone(store):
        return _move_days(store, host, before, progress)


@contextmanager
def _alone(store: Store) -> Iterator[None]:
    lock = FileLock(Path(f"{store.path}.archive"))
    try:
        with lock.exclusive(0):
            yield
    except BusyStoreError as error:
        raise BusyStoreError(f"{store.path}: another process is moving days to the archive") from error
    finally:
        lock.close()


def _move_days(store: Store, host: str, before: date, progress: Callable[[], None]) -> Moved:
    finish(store)
    archive = Path(store.settings.archive)
    moved = Moved()
    [newest] = store.db.execute("SELECT coalesce(max(number), 0) FROM message").fetchone()
    looked = store.db.execute("SELECT value FROM meta WHERE key = 'archive_looked'").fetchone()
    for day in days_to_move(store, before, looked[0] if looked else 0):
        moved = Moved(moved.days + 1, moved.hops + _move_day(store, archive, host, day))
        progress()
    with store.transaction():
        store.db.execute("INSERT OR REPLACE INTO meta VALUES ('archive_looked', ?)", (newest,))
    return moved


def finish(store: Store) -> None:
    """Bring to an end what a killed run left: a part that was being written is undone, one that counts moved whole."""
    archive = Path(store.settings.archive)
    for record in recorded_parts(store.db.conn, "state IN ('writing', 'moving')"):
        day = date.fromisoformat(record.day)
        if record.state == "writing":
            drop_part(part_of(archive, day, record.host, record.part))
            with store.transaction():
                drop_record(store.db.conn, record)
        else:
            _delete_hops(store, record)


def expire_days(store: Store, today: date) -> int:
    """Delete this host's days from the archive that [store] archive_keep_days are over for; return how many."""
    keep_days = store.settings.archive_keep_days
    if not keep_days or not store.settings.archive:
        return 0
    old = recorded_parts(store.db.conn, f"state = 'moved' AND day < '{today - keep_days * ONE_DAY}'")
    for record in old:
        with store.transaction():
            put_record(store.db.conn, replace(record, state="expired"))
        drop_part(part_of(Path(store.settings.archive), date.fromisoformat(record.day), record.host, record.part))
    return len({record.day for record in old})


def _move_day(store: Store, archive: Path, host: str, day: date) -> int:
    since_ms, until_ms = day_ms(day)
    connection = store.db.conn
    after = max((one.last_number for one in recorded_parts(connection, f"day = '{day}'")), default=0)
    numbers = day_numbers(connection, since_ms, until_ms, after)
    if not len(numbers):
        return 0
    taken = [part.number for part in archived_parts(archive, day, day) if part.host == host]
    part = part_of(archive, day, host, max(taken, default=0) + 1)
    record = PartRecord(str(day), host, part.number, int(numbers[-1]), 0, "writing")
    with store.transaction():
        put_record(connection, record)
    try:
        with open_columns(store.path) as columns:  # only now, so that it holds all that was numbered
            portions = (columns.portion(condition, since_ms, until_ms) for condition in conditions(numbers))
            hops = write_part(part, portions, columns)
    except BaseException:
        finish(store)
        raise
    with store.transaction():
        record = replace(record, hops=hops, state="moving")
        put_record(connection, record)
    _delete_hops(store, record)
    return hops


def _delete_hops(store: Store, record: PartRecord) -> None:
    numbers = day_numbers(store.db.conn, *day_ms(date.fromisoformat(record.day)))
    for condition in exact_conditions(numbers[numbers <= record.last_number], _PORTION):
        with store.transaction():
            store.db.execute(f"DELETE FROM hop WHERE {condition.format('message')}")  # noqa: S608 - numbers
        time.sleep(_PAUSE_S)
    with store.transaction():
        put_record(store.db.conn, replace(record, state="moved"))
