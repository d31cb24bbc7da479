"""The map of each closed day in the store: written in small transactions, so that mail never waits for a report."""

import json
import sqlite3
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from functools import lru_cache
from itertools import islice
from typing import Any, Final

from hoptrail_reports.topology.delays import EDGES_S, DelayStats
from hoptrail_reports.topology.traffic import Link, LinkStats, RelayStats, Traffic
from hoptrail_store.store import Store

ROWS_AT_ONCE: Final = 2_000
"""Rows in one transaction: some 20 ms for which the milter may have to wait."""

PAUSE_S: Final = 0.005
"""Between two of them. SQLite's lock is not fair: without a pause the next transaction would have it again."""

COUNTS: Final = (*(f"under_{edge}" for edge in EDGES_S), "longer")
DELAYS: Final = ("delays", "sum_s", "sum_squares", "min_s", "max_s", *COUNTS, "skewed")
EXTREMES: Final = {"min_s": "min", "max_s": "max", "first_s": "min", "last_s": "max"}
LINK: Final = ("traversals", "messages", "looped", *DELAYS, "first_s", "last_s")
RELAY: Final = ("messages", *DELAYS, "first_s", "last_s")
"""The figures of a link and of a relay, in the order of the columns; all add up but those of `EXTREMES`."""

_COMPLETE: Final = "day BETWEEN ? AND ? AND day IN (SELECT day FROM map_day)"
_TABLES: Final = {
    "link_day": "source_name, target_name, observed",
    "relay_day": "relay_name",
    "rank_day": "relay_name, rank",
    "hours_day": "day",
    "finding_day": "kind, subject",
}


class Shared(dict[str, str]):
    """One text for each name: the rows of links hold many copies of each."""

    def __missing__(self, name: str) -> str:
        """Keep a name that is new."""
        self[name] = name
        return name


Row = tuple[tuple[str, ...], tuple[int | None, ...]]
"""Names, which are stored as ids of the dictionary, and the figures after them."""


def put_day(store: Store, day: date, traffic: Traffic, figures: Mapping[str, Any]) -> None:
    """Store the map of a day in place of what was there; the row in `map_day` comes last and says that all is there."""
    drop_day(store, day)
    relays = traffic.relays.items()
    _insert(store, "link_day", day, (_link_row(link, stats) for link, stats in traffic.links.items()))
    _insert(store, "relay_day", day, (((name,), _relay_figures(stats)) for name, stats in relays))
    _insert(store, "rank_day", day, (((name,), rank) for name, stats in relays for rank in stats.ranks.items()))
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


def _insert(store: Store, table: str, day: date, rows: Iterable[Row]) -> None:
    rows = iter(rows)
    while batch := list(islice(rows, ROWS_AT_ONCE)):
        with store.transaction() as names:
            values = [
                (day.isoformat(), *(names.id(name) for name in row_names), *figures) for row_names, figures in batch
            ]
            marks = ", ".join("?" * len(values[0]))
            store.db.conn.executemany(f"INSERT INTO {table} VALUES ({marks})", values)  # noqa: S608 - no value
        time.sleep(PAUSE_S)


def _link_row(link: Link, stats: LinkStats) -> Row:
    counts = (stats.traversals, stats.messages, stats.looped, *_delay_figures(stats.delays), stats.first, stats.last)
    return (link.source, link.target), (int(link.observed), *counts)


def _relay_figures(stats: RelayStats) -> tuple[int | None, ...]:
    return stats.messages, *_delay_figures(stats.reach), stats.first, stats.last


def _delay_figures(stats: DelayStats) -> tuple[int | None, ...]:
    moments = (stats.n, stats.sum_s, stats.sum_squares, stats.min_s, stats.max_s)
    return (*moments, *stats.counts, stats.skewed)


def stored_traffic(connection: sqlite3.Connection, since: date, until: date) -> Traffic:
    """The traffic of the days from `since` up to `until`, both included; those without a map add nothing."""
    span = (since.isoformat(), until.isoformat())
    [(total,)] = connection.execute("SELECT coalesce(sum(messages), 0) FROM map_day WHERE day BETWEEN ? AND ?", span)
    names = Shared()
    links = {
        Link(names[source], names[target], bool(observed)): link_stats(figures)
        for source, target, observed, *figures in connection.execute(
            f"SELECT source.text, target.text, observed, {_sums(LINK)} FROM link_day"  # noqa: S608 - our own columns
            " JOIN name AS source ON source.id = source_name JOIN name AS target ON target.id = target_name"
            f" WHERE {_COMPLETE} GROUP BY source_name, target_name, observed",
            span,
        )
    }
    ranks: defaultdict[str, dict[int, int]] = defaultdict(dict)
    for relay, rank, visits in connection.execute(
        "SELECT name.text, rank, sum(visits) FROM rank_day JOIN name ON name.id = relay_name"  # noqa: S608
        f" WHERE {_COMPLETE} GROUP BY relay_name, rank",
        span,
    ):
        ranks[names[relay]][rank] = visits
    relays = {
        names[relay]: relay_stats(figures, ranks[relay])
        for relay, *figures in connection.execute(
            f"SELECT name.text, {_sums(RELAY)} FROM relay_day JOIN name ON name.id = relay_name"  # noqa: S608
            f" WHERE {_COMPLETE} GROUP BY relay_name",
            span,
        )
    }
    return Traffic(total, links, relays)


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
    return ", ".join(f"{EXTREMES.get(column, 'sum')}({column})" for column in columns)


def link_stats(figures: Sequence[int]) -> LinkStats:
    """The use of a link out of its figures."""
    traversals, messages, looped, *delays, first, last = figures
    return LinkStats(traversals, messages, looped, kept_delays(delays), first, last)


def relay_stats(figures: Sequence[int], ranks: Mapping[int, int]) -> RelayStats:
    """The use of a relay out of its figures."""
    messages, *delays, first, last = figures
    return RelayStats(messages, ranks, kept_delays(delays), first, last)


def kept_delays(figures: Sequence[int]) -> DelayStats:
    """The statistics of delays out of their figures. Most links carry one message or two, and those share theirs."""
    return _shared_delays(*figures)


@lru_cache(maxsize=4_096)
def _shared_delays(*figures: int) -> DelayStats:
    n, sum_s, sum_squares, min_s, max_s, *counts, skewed = figures
    return DelayStats(n, sum_s, sum_squares, min_s, max_s, tuple(counts), skewed)
