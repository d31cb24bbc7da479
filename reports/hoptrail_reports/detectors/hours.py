"""The hours of a closed day over busy links and domains, added up by DuckDB, and kept for the weeks after.

A day is one row of the store: packed columns, since eight weeks of a big site are millions of links to be read each
night. Most links are too quiet to be judged alone: they are not kept, and count for their domain.
"""

import io
import sqlite3
import zlib
from collections.abc import Callable, Collection, Iterator
from datetime import date, timedelta
from itertools import compress
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hoptrail_reports.detectors.finding import Course
from hoptrail_reports.topology.columns import Ints, added, grouped, names_of
from hoptrail_reports.topology.delays import DelayStats
from hoptrail_reports.topology.engine import Parts, archived_sources, batches, dictionary
from hoptrail_reports.topology.expression import HOURLY, hourly
from hoptrail_reports.topology.grouping import owner
from hoptrail_reports.topology.traffic import Traffic
from hoptrail_reports.topology.usage import Link
from hoptrail_reports.topology.uses import columns_of, ids_of
from hoptrail_store.store import Store

LEAST: Final = 4
"""Messages a day below which a link is left to its domain: no gap of two days could be told from chance."""
RECENT: Final = timedelta(days=28)
"""A link that was busy on any of these days is kept with less too: a quiet day is no silence."""

Pair = tuple[str, str]


class Hours(NamedTuple):
    """Messages in each UTC hour of a day; a domain, for all that it handed to us, stands there as source and target."""

    pairs: list[Pair]
    counts: NDArray[np.unsignedinteger[Any]]  # pairs x 24


NO_HOURS: Final = Hours([], np.zeros((0, 24), np.uint32))


def day_hours(parts: Parts, usual: Collection[Pair] = ()) -> Hours:
    """The hours of busy links of ours, of all busy domains outside, and of those links and domains in `usual`."""
    found = [*parts.archived, *parts.stored]
    if not found:
        return NO_HOURS
    with archived_sources(found) as sources:
        rows = columns_of(HOURLY, batches(hourly(sources)))
        names, places = ids_of(np.concatenate([rows["source"], rows["target"]]), dictionary(sources))
    source, target = places[rows["source"]], places[rows["target"]]
    ours = np.zeros(len(names), bool)
    ours[target] = True
    outside = ~ours[source]
    owners = {place: owner(names[place]) for place in np.unique(source[outside]).tolist()}
    domains = names_of(owners.values())
    domain = np.zeros(len(names), np.int64)
    domain[list(owners)] = domains.places(owners.values())

    def link_of(numbers: Ints) -> Iterator[Pair]:
        return zip(names.at(numbers // len(names)), names.at(numbers % len(names)), strict=True)

    def domain_of(numbers: Ints) -> Iterator[Pair]:
        return zip(domains.at(numbers), domains.at(numbers), strict=True)

    hours, messages = rows["hour"], rows["messages"]
    links = _busy((source * len(names) + target, hours, messages), link_of, usual)
    others = _busy((domain[source[outside]], hours[outside], messages[outside]), domain_of, usual)
    return Hours([*links.pairs, *others.pairs], np.concatenate([links.counts, others.counts]))


def _busy(rows: tuple[Ints, Ints, Ints], pairs_of: Callable[[Ints], Iterator[Pair]], usual: Collection[Pair]) -> Hours:
    """Of rows of a number, an hour and messages: the hours of each number that is busy, or stands for what is usual."""
    order, starts = grouped(rows[:1])
    number, hour, messages = (column[order] for column in rows)
    pairs = list(pairs_of(number[starts]))
    wanted = added("messages", messages, starts) >= LEAST
    wanted |= np.fromiter((pair in usual for pair in pairs), bool, len(pairs))
    at = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(order))))
    kept = wanted[at]
    counts = np.zeros((int(wanted.sum()), 24), np.uint32)
    np.add.at(counts, ((np.cumsum(wanted) - 1)[at[kept]], hour[kept]), messages[kept])
    return Hours([*compress(pairs, wanted)], counts)


def put_hours(store: Store, day: date, hours: Hours, traffic: Traffic) -> None:
    """Keep a day's hours, with the delays of its links, in place of what was there."""
    delays = [_delays(traffic, *pair) for pair in hours.pairs]
    medians = [np.nan if one.median_s is None else one.median_s for one in delays]
    columns = {
        "hours": hours.counts.astype(_smallest(hours.counts)),
        "delays": np.array([one.n for one in delays], np.uint32),
        "median_s": np.array(medians, np.float32),
    }
    packed = io.BytesIO()
    np.savez_compressed(packed, allow_pickle=False, **columns)
    names = zlib.compress("\0".join(name for pair in hours.pairs for name in pair).encode())
    with store.transaction():
        store.db.conn.execute(
            "INSERT OR REPLACE INTO hours_day VALUES (?, ?, ?)", (day.isoformat(), names, packed.getvalue())
        )


def _delays(traffic: Traffic, source: str, target: str) -> DelayStats:
    stats = traffic.links.get(Link(source, target, observed=True))
    return DelayStats() if stats is None else stats.delays


def usual_pairs(connection: sqlite3.Connection, day: date) -> set[Pair]:
    """The links and domains that were busy on some day of the weeks before."""
    found: set[Pair] = set()
    for _, pairs, columns in _stored(connection, day - RECENT, day - timedelta(days=1)):
        found.update(compress(pairs, columns["hours"].sum(axis=1) >= LEAST))
    return found


def stored_courses(connection: sqlite3.Connection, since: date, until: date) -> list[Course]:
    """The courses of a span's busy links and domains, both ends included."""
    days = (until - since).days + 1
    places: dict[Pair, int] = {}
    most: NDArray[Any] = np.zeros(0, np.uint32)
    for _, pairs, columns in _stored(connection, since, until):
        rows = np.fromiter((places.setdefault(pair, len(places)) for pair in pairs), np.int64, len(pairs))
        most = np.pad(most, (0, len(places) - len(most)))
        most[rows] = np.maximum(most[rows], columns["hours"].max(axis=1))
    big = most > np.iinfo(np.uint8).max  # a few: the others need a byte an hour
    within = np.where(big, np.cumsum(big), np.cumsum(~big)) - 1
    hours = {
        True: np.zeros((int(big.sum()), days, 24), _smallest(most)),
        False: np.zeros((int((~big).sum()), days, 24), np.uint8),
    }
    delays = np.zeros((len(places), days), np.uint32)
    median_s = np.full((len(places), days), np.nan, np.float32)
    for day, pairs, columns in _stored(connection, since, until):
        at = (day - since).days
        rows = np.fromiter((places[pair] for pair in pairs), np.int64, len(pairs))
        for size, held in hours.items():
            of_size = big[rows] == size
            held[within[rows[of_size]], at] = columns["hours"][of_size]
        delays[rows, at] = columns["delays"]
        median_s[rows, at] = columns["median_s"]
    return [
        Course(source, "" if source == target else target, hours[bool(size)][place], delays[row], median_s[row])
        for row, ((source, target), size, place) in enumerate(zip(places, big, within, strict=True))
    ]


def _stored(
    connection: sqlite3.Connection, since: date, until: date
) -> Iterator[tuple[date, list[Pair], dict[str, NDArray[Any]]]]:
    """What was kept of a span's days: the day, its links, and the columns."""
    for day, names, packed in connection.execute(
        "SELECT day, names, columns FROM hours_day WHERE day BETWEEN ? AND ? ORDER BY day",
        (since.isoformat(), until.isoformat()),
    ):
        texts = iter(zlib.decompress(names).decode().split("\0"))
        with np.load(io.BytesIO(packed), allow_pickle=False) as columns:
            found = dict(columns)
        pairs = list(zip(texts, texts, strict=True)) if len(found["delays"]) else []
        yield date.fromisoformat(day), pairs, found


def _smallest(counts: NDArray[Any]) -> np.dtype[Any]:
    return np.min_scalar_type(int(counts.max(initial=0)))
