"""Table `archive_part`: which parts of closed days were moved to the archive, and how far that is.

Whoever reads the store's own hops asks here which of them the archive holds already.
"""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Literal

State = Literal["writing", "moving", "moved", "expired"]

_COLUMNS = "day, host, part, last_number, hops, state"


@dataclass(frozen=True, slots=True)
class PartRecord:
    """A part as the store remembers it; schema.sql says what the states mean."""

    day: str
    host: str
    part: int
    last_number: int
    hops: int
    state: State


def recorded_parts(connection: sqlite3.Connection, condition: str = "1") -> list[PartRecord]:
    """Return the parts that the store knows of, oldest first."""
    sql = f"SELECT {_COLUMNS} FROM archive_part WHERE {condition} ORDER BY day, part"  # noqa: S608 - no value
    return [PartRecord(*row) for row in connection.execute(sql)]


def put_record(connection: sqlite3.Connection, record: PartRecord) -> None:
    """Write a part down inside the caller's transaction, in place of what was there."""
    connection.execute(
        "INSERT OR REPLACE INTO archive_part VALUES (?, ?, ?, ?, ?, ?)",
        (record.day, record.host, record.part, record.last_number, record.hops, record.state),
    )


def drop_record(connection: sqlite3.Connection, record: PartRecord) -> None:
    """Forget a part inside the caller's transaction."""
    connection.execute(
        "DELETE FROM archive_part WHERE (day, host, part) = (?, ?, ?)", (record.day, record.host, record.part)
    )


def archived_up_to(records: Iterable[PartRecord], day: date) -> int:
    """Return the number of the last message of a day whose hops the archive holds; those after it are in the store."""
    return max(
        (record.last_number for record in records if record.day == str(day) and record.state != "writing"), default=0
    )


def own_hosts(connection: sqlite3.Connection) -> frozenset[str]:
    """Return the names that this store's host has in the archive: one, unless it was renamed."""
    return frozenset(host for (host,) in connection.execute("SELECT DISTINCT host FROM archive_part"))
