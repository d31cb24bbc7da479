"""Refused recipients of closed days: by client network, and as a share of all that were named."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from hoptrail_store.reader import day_span
from hoptrail_store.rows import milliseconds

_NETWORKS = """
SELECT network, sum(sessions), sum(accepted), sum(refused), count(DISTINCT CASE WHEN refused THEN hour_ms END)
FROM refusal WHERE hour_ms >= ? AND hour_ms < ?
GROUP BY network HAVING sum(refused) > 0 ORDER BY sum(refused) DESC, network LIMIT ?
"""
_SHARES = """
SELECT day, json_extract(figures, '$.refusals'),
    json_extract(figures, '$.refusals') + json_extract(figures, '$.recipients')
FROM map_day WHERE day BETWEEN ? AND ? AND json_extract(figures, '$.refusals') IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class Harvest:
    """A network whose clients were refused recipients: `hours` in which that happened."""

    network: str
    sessions: int
    accepted: int
    refused: int
    hours: int

    @property
    def share(self) -> float:
        """Refused recipients as a share of all that the network named."""
        return self.refused / (self.refused + self.accepted)


def harvests(connection: sqlite3.Connection, day: date, *, most: int) -> tuple[Harvest, ...]:
    """The networks whose clients were refused most recipients on a day, worst first."""
    span = map(milliseconds, day_span(day))
    return tuple(Harvest(*row) for row in connection.execute(_NETWORKS, (*span, most)))


def refused_history(connection: sqlite3.Connection, since: date, until: date) -> Mapping[date, tuple[int, int]]:
    """How many recipients were refused and how many were named on each day of a span that was reported."""
    rows = connection.execute(_SHARES, (since.isoformat(), until.isoformat()))
    return {date.fromisoformat(day): (refused, named) for day, refused, named in rows}
