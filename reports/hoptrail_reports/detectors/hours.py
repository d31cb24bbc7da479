"""The hours of a closed day over busy links and domains, added up by DuckDB, and kept for the weeks after.

Most links are too quiet to be judged alone: they have no row of their own and count for their domain.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Final

import numpy as np

from hoptrail_reports.detectors.finding import Course
from hoptrail_reports.topology.delays import DelayStats
from hoptrail_reports.topology.engine import duckdb_sources, open_duckdb, open_parts, whole_days
from hoptrail_reports.topology.grouping import owner
from hoptrail_reports.topology.traffic import Link, Traffic
from hoptrail_store.settings import StoreSettings
from hoptrail_store.store import Store

LEAST: Final = 4
"""Messages a day below which a link is left to its domain: no gap of two days could be told from chance."""
ROWS_AT_ONCE: Final = 2_000
Hours = Mapping[tuple[str, str], tuple[int, ...]]

_SQL: Final = """
SELECT source.text, target.text, {hours} FROM hops
JOIN names AS source ON source.id = sender AND source.date = hops.date AND source.host = hops.host
    AND source.part = hops.part
JOIN names AS target ON target.id = receiver AND target.date = hops.date AND target.host = hops.host
    AND target.part = hops.part
WHERE observed AND sender <> receiver GROUP BY 1, 2
"""


def day_hours(settings: StoreSettings, day: date) -> Hours:
    """Messages in each UTC hour of a day, by link for busy ones of ours, by domain (twice) for all from outside."""
    with open_parts(settings, whole_days(day, day)) as parts:
        found = [*parts.archived, *parts.stored]
        if not found:
            return {}
        connection = open_duckdb()
        try:
            sources = duckdb_sources(connection, found)
            connection.create_view("hops", sources.hops)
            connection.create_view("names", sources.names)
            columns = ", ".join(f"count(*) FILTER (hops.received_s // 3600 % 24 = {hour})" for hour in range(24))
            return _folded(connection.raw_sql(_SQL.format(hours=columns)).fetchall())
        finally:
            connection.disconnect()


def _folded(rows: list[tuple[str, str, *tuple[int, ...]]]) -> Hours:
    links = {(source, target): counts for source, target, *counts in rows}
    ours = {target for _, target in links}
    domains: defaultdict[str, list[int]] = defaultdict(lambda: [0] * 24)
    for (source, _), counts in links.items():
        if source not in ours:
            total = domains[owner(source)]
            for hour, count in enumerate(counts):
                total[hour] += count
    busy = {link: tuple(counts) for link, counts in links.items() if sum(counts) >= LEAST}
    return busy | {(name, name): tuple(counts) for name, counts in domains.items() if sum(counts) >= LEAST}


def put_hours(store: Store, day: date, hours: Hours, traffic: Traffic) -> None:
    """Keep a day's hours, with the delays of its links, in place of what was there."""
    with store.transaction():
        store.db.conn.execute("DELETE FROM hours_day WHERE day = ?", (day.isoformat(),))
    items = list(hours.items())
    for start in range(0, len(items), ROWS_AT_ONCE):
        with store.transaction() as names:
            store.db.conn.executemany(
                "INSERT INTO hours_day VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (
                        day.isoformat(),
                        names.id(source),
                        names.id(target),
                        ",".join(map(str, counts)),
                        delays.n,
                        delays.median_s,
                    )
                    for (source, target), counts in items[start : start + ROWS_AT_ONCE]
                    for delays in (_delays(traffic, source, target),)
                ],
            )


def _delays(traffic: Traffic, source: str, target: str) -> DelayStats:
    stats = traffic.links.get(Link(source, target, observed=True))
    return DelayStats() if stats is None else stats.delays


def stored_courses(connection: sqlite3.Connection, since: date, until: date) -> Iterator[Course]:
    """The courses of a span's busy links and domains, both ends included."""
    count = (until - since).days + 1
    place = {(since + timedelta(days=n)).isoformat(): n for n in range(count)}
    found: dict[tuple[str, str], Course] = {}
    for day, source, target, hours, delays, median_s in connection.execute(
        "SELECT day, source.text, target.text, hours, delays, median_s FROM hours_day"
        " JOIN name AS source ON source.id = source_name JOIN name AS target ON target.id = target_name"
        " WHERE day BETWEEN ? AND ?",
        (since.isoformat(), until.isoformat()),
    ):
        course = found.get((source, target))
        if course is None:
            course = found[source, target] = Course(
                source,
                "" if source == target else target,
                np.zeros((count, 24), np.int64),
                np.zeros(count, np.int64),
                np.full(count, np.nan),
            )
        at = place[day]
        course.hours[at] = np.fromstring(hours, np.int64, sep=",")
        course.delays[at] = delays
        course.median_s[at] = np.nan if median_s is None else median_s
    yield from found.values()
