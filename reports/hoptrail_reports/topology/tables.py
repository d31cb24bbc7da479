"""The map of each closed day in the store: written in small transactions, so that mail never waits for a report."""

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from itertools import repeat
from typing import Any, Final

import numpy as np
import pyarrow as pa

from hoptrail_reports.topology.columns import Ints, Links, Names, Relays, values_at
from hoptrail_reports.topology.traffic import Traffic
from hoptrail_reports.topology.usage import EXTREMES, LINK, RELAY
from hoptrail_reports.topology.uses import columns_of, ids_of
from hoptrail_store.archive.columns import NAMES, open_columns
from hoptrail_store.store import Store

ROWS_AT_ONCE: Final = 10_000
"""Rows in one transaction: some 100 ms for which others who write to the store wait; mail waits for none of them."""

PAUSE_S: Final = 0.02
"""Between two of them. SQLite's lock is not fair: without a pause the next transaction would have it again."""

_TABLES: Final = {
    "link_day": "source_name, target_name, observed",
    "relay_day": "relay_name",
    "rank_day": "relay_name, rank",
    "hours_day": "day",
    "finding_day": "kind, subject",
}


def put_day(store: Store, day: date, traffic: Traffic, figures: Mapping[str, Any]) -> None:
    """Store the map of a day in place of what was there; the row in `map_day` comes last and says that all is there."""
    drop_day(store, day)
    links, relays = traffic.links, traffic.relays
    of_links, of_relays = _Ids(store, links.names), _Ids(store, relays.names)
    places = np.arange(len(relays))
    ranks = {"rank": relays.rank, "visits": relays.visits}
    _insert(
        of_links,
        "link_day",
        day,
        (links.source, links.target),
        {"observed": links.observed.astype(np.int8), **links.figures},
    )
    _insert(of_relays, "relay_day", day, (places,), relays.figures)
    _insert(of_relays, "rank_day", day, (np.repeat(places, np.diff(relays.starts)),), ranks)
    with store.transaction():
        values = (day.isoformat(), traffic.messages, json.dumps(figures))
        store.db.conn.execute("INSERT INTO map_day VALUES (?, ?, ?)", values)


def drop_day(store: Store, day: date) -> None:
    """Remove the map of a day."""
    with store.transaction():
        store.db.conn.execute("DELETE FROM map_day WHERE day = ?", (day.isoformat(),))
    for table, key in _TABLES.items():
        batch = f"DELETE FROM {table} WHERE (day, {key}) IN (SELECT day, {key} FROM {table} WHERE day = ? LIMIT ?)"  # noqa: S608 - no value
        deleted = ROWS_AT_ONCE
        while deleted == ROWS_AT_ONCE:
            with store.transaction():
                deleted = store.db.conn.execute(batch, (day.isoformat(), ROWS_AT_ONCE)).rowcount
            time.sleep(PAUSE_S)


def drop_days_before(store: Store, day: date) -> int:
    """Remove the maps of all earlier days, whole or begun, and return how many there were."""
    old = {
        name
        for table in ("map_day", *_TABLES)
        for (name,) in store.db.conn.execute(f"SELECT DISTINCT day FROM {table} WHERE day < ?", (day.isoformat(),))  # noqa: S608
    }
    for name in old:
        drop_day(store, date.fromisoformat(name))
    return len(old)


def _insert(ids: "_Ids", table: str, day: date, relays: Sequence[Ints], figures: Mapping[str, Ints]) -> None:
    """Put rows into a table, after the day and the ids of their relays, in the order of its key: that is fastest."""
    order = np.lexsort([ids.of_names()[relay] for relay in relays[::-1]])
    marks = ", ".join("?" * (1 + len(relays) + len(figures)))
    for start in range(0, len(order), ROWS_AT_ONCE):
        places = order[start : start + ROWS_AT_ONCE]
        with ids.transaction() as of_names:
            numbers = (of_names[relay[places]].tolist() for relay in relays)
            rows = zip(repeat(day.isoformat()), *numbers, values_at(figures, places), strict=False)
            ids.store.db.conn.executemany(
                f"INSERT INTO {table} VALUES ({marks})",  # noqa: S608 - no value
                ((*keys, *values) for *keys, values in rows),
            )
        time.sleep(PAUSE_S)


@dataclass(slots=True)
class _Ids:
    """The ids of some names in the store's dictionary, which may change from one transaction to the next."""

    store: Store
    names: Names
    known: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    epoch: int = -1

    @contextmanager
    def transaction(self) -> Iterator[Ints]:
        """Give the ids by the names' places for one transaction."""
        self.of_names()
        with self.store.transaction() as dictionary:
            if self.epoch != self._epoch():  # rarely: between the last transaction and this one
                self.known = np.array([dictionary.id(name) for name in self.names])
                self.epoch = self._epoch()
            yield self.known

    def of_names(self) -> Ints:
        """The ids by the names' places, as they are now."""
        while len(self.known) < len(self.names) or self.epoch != self._epoch():
            self.epoch, found = self._epoch(), list[int | None]()
            for start in range(0, len(self.names), ROWS_AT_ONCE):
                with self.store.transaction() as dictionary:
                    found += map(dictionary.id, self.names[start : start + ROWS_AT_ONCE])
                time.sleep(PAUSE_S)
            self.known = np.array(found, np.int64)
        return self.known

    def _epoch(self) -> int:
        row = self.store.db.conn.execute("SELECT value FROM meta WHERE key = 'name_epoch'").fetchone()
        return int(row[0]) if row else 0


def stored_traffic(connection: sqlite3.Connection, since: date, until: date) -> Traffic:
    """The traffic of the days from `since` up to `until`, both included; those without a map add nothing."""
    days = mapped_days(connection, since, until)
    if not days:
        return Traffic()
    wanted = f"day IN ({', '.join(repr(str(day)) for day in days)})"
    [(total,)] = connection.execute(f"SELECT sum(messages) FROM map_day WHERE {wanted}")  # noqa: S608 - dates
    [(_, _, path)] = connection.execute("PRAGMA database_list")
    with open_columns(path) as columns:

        def table(name: str, keys: str, figures: Sequence[str]) -> dict[str, Ints]:
            wants, together = (_sums(figures), f"GROUP BY {keys}") if days[1:] else (", ".join(figures), "")
            sql = f"SELECT {keys}, {wants} FROM {name} WHERE {wanted} {together}"  # noqa: S608 - as above
            return columns_of([*keys.split(", "), *figures], columns.query(sql).to_batches())

        links = table("link_day", "source_name, target_name, observed", LINK)
        relays = table("relay_day", "relay_name", RELAY)
        ranks = table("rank_day", "relay_name, rank", ("visits",))
        used = np.unique(np.concatenate([links["source_name"], links["target_name"], relays["relay_name"]]))
        names, places = ids_of(used, pa.Table.from_batches(columns.names(used), NAMES))
    ends = places[links["source_name"]], places[links["target_name"]], links["observed"]
    rank_rows = places[ranks["relay_name"]], ranks["rank"], ranks["visits"]
    return Traffic(
        total,
        Links.summed(names, ends, {name: links[name] for name in LINK}),
        Relays.summed(names, places[relays["relay_name"]], {name: relays[name] for name in RELAY}, rank_rows),
    )


def figures_of(connection: sqlite3.Connection, day: date) -> dict[str, Any] | None:
    """What the report of a day said in figures, None where there was none."""
    row = connection.execute("SELECT figures FROM map_day WHERE day = ?", (day.isoformat(),)).fetchone()
    return None if row is None else dict(json.loads(row[0]))


def mapped_days(connection: sqlite3.Connection, since: date, until: date) -> list[date]:
    """The days of a span that have a map, both ends included, oldest first."""
    span = (since.isoformat(), until.isoformat())
    rows = connection.execute("SELECT day FROM map_day WHERE day BETWEEN ? AND ? ORDER BY day", span)
    return [date.fromisoformat(name) for (name,) in rows]


def relays_seen(connection: sqlite3.Connection, since: date, until: date) -> frozenset[str]:
    """The relays on any map of a span, both ends included."""
    rows = connection.execute(
        "SELECT DISTINCT name.text FROM relay_day JOIN name ON name.id = relay_name WHERE day BETWEEN ? AND ?",
        (since.isoformat(), until.isoformat()),
    )
    return frozenset(name for (name,) in rows)


def relay_history(connection: sqlite3.Connection, relay: str, since: date, until: date) -> dict[date, int]:
    """How many messages passed a relay on each day of a span, both ends included; days without it are left out."""
    rows = connection.execute(
        "SELECT day, messages FROM relay_day JOIN name ON name.id = relay_name"
        " WHERE name.text = ? AND day BETWEEN ? AND ?",
        (relay, since.isoformat(), until.isoformat()),
    )
    return {date.fromisoformat(day): messages for day, messages in rows}


def _sums(columns: Iterable[str]) -> str:
    return ", ".join(f"{EXTREMES.get(column, 'sum')}({column}) AS {column}" for column in columns)
