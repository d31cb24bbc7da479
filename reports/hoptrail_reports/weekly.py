"""Relays set against the same weekday a week before: what a day is like depends on the day of the week."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np

from hoptrail_reports.topology.compare import FALSE_DISCOVERIES, adjusted, two_proportions
from hoptrail_reports.topology.graph import RelayMap

MESSAGES_LEAST: Final = 10
"""A relay with fewer on both days is not looked at: strangers come and go."""

_RELAYS: Final = (
    "SELECT name.text, relay_day.messages FROM relay_day JOIN name ON name.id = relay_name"
    " WHERE day = ? AND day IN (SELECT day FROM map_day)"
)


@dataclass(frozen=True, slots=True)
class RelayShift:
    """A relay whose share of all messages moved by more than chance explains; 0: it was not there."""

    relay: str
    before: float
    after: float


def week_shifts(connection: sqlite3.Connection, day: date, relays: RelayMap) -> tuple[RelayShift, ...] | None:
    """The relays that came, went, or moved since a week before, most moved first; None where that day has no map."""
    week_before = (day - timedelta(days=7)).isoformat()
    row = connection.execute("SELECT messages FROM map_day WHERE day = ?", (week_before,)).fetchone()
    if row is None or not row[0] or not relays.messages:
        return None
    before = dict(connection.execute(_RELAYS, (week_before,)))
    messages = relays.relays.figures["messages"].tolist()
    return shifts(before, row[0], dict(zip(relays.relays.names, messages, strict=True)), relays.messages)


def shifts(
    before: Mapping[str, int], before_total: int, after: Mapping[str, int], after_total: int
) -> tuple[RelayShift, ...]:
    """The relays whose share differs: two-proportion z test, adjusted after Benjamini and Hochberg."""
    names = sorted(
        name for name in before.keys() | after.keys() if max(before.get(name, 0), after.get(name, 0)) >= MESSAGES_LEAST
    )
    was, now = (
        np.array([min(counts.get(name, 0), total) for name in names], np.int64)
        for counts, total in ((before, before_total), (after, after_total))
    )
    moved = adjusted(two_proportions(was, before_total, now, after_total)) < FALSE_DISCOVERIES
    found = (
        RelayShift(names[at], int(was[at]) / before_total, int(now[at]) / after_total) for at in np.flatnonzero(moved)
    )
    return tuple(sorted(found, key=lambda shift: (-abs(shift.after - shift.before), shift.relay)))
