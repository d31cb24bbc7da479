"""The report of a day put together out of the store: its figures, its map, and what they are compared with."""

import sqlite3
from collections.abc import Collection
from datetime import date, timedelta
from typing import Final

from hoptrail_reports.geography import PlaceOf, geography, nowhere
from hoptrail_reports.report import HISTORY, DayReport, Harvest, ZoneUse
from hoptrail_reports.settings import ReportSettings
from hoptrail_reports.topology import tables
from hoptrail_reports.topology.colours import Thresholds
from hoptrail_reports.topology.compare import compare
from hoptrail_reports.topology.graph import RelayMap, relay_map
from hoptrail_reports.topology.traffic import Traffic
from hoptrail_reports.weekly import week_shifts
from hoptrail_store.reader import Reader, day_span
from hoptrail_store.rows import milliseconds

LISTED: Final = 15
"""Networks named in a report: those that matter most."""

_ZONES: Final = """
SELECT name.text, count(*), sum(verdict = 'listed'), sum(verdict IN ('error', 'late', 'paused'))
FROM message JOIN listing ON listing.message = message.number JOIN name ON name.id = listing.zone
WHERE received_ms >= ? AND received_ms < ? GROUP BY 1 ORDER BY 1
"""

_REFUSED: Final = """
SELECT day, json_extract(figures, '$.refusals'),
    json_extract(figures, '$.refusals') + json_extract(figures, '$.recipients')
FROM map_day WHERE day BETWEEN ? AND ?
"""

_SPAM_SCORES: Final = """
SELECT CAST(points AS INTEGER) - (points < CAST(points AS INTEGER)), count(*)
FROM message WHERE spam AND received_ms >= ? AND received_ms < ? GROUP BY 1
"""


def gather(
    reader: Reader,
    host: str,
    day: date,
    traffic: Traffic,
    *,
    settings: ReportSettings,
    place_of: PlaceOf = nowhere,
) -> DayReport:
    """The report of a day whose traffic is known; earlier days come from the tables that their nights left."""
    connection = reader.db.conn
    yesterday = day - timedelta(days=1)
    since = day - timedelta(days=settings.new_after_days)
    thresholds = Thresholds(settings.backbone_share, settings.rare_share)
    relays = relay_map(traffic, thresholds=thresholds)
    before = relay_map(tables.stored_traffic(connection, yesterday, yesterday), thresholds=thresholds)
    known = tables.relays_seen(connection, since, yesterday)
    mapped = tables.mapped_days(connection, since, yesterday)
    changes = compare(before, relays) if before.messages else None
    span = tuple(map(milliseconds, day_span(day)))
    return DayReport(
        host=host,
        day=day,
        totals=reader.day(day),
        relays=relays,
        spam_scores=dict(connection.execute(_SPAM_SCORES, span)),
        harvests=harvests(reader, day),
        zones=tuple(ZoneUse(*row) for row in connection.execute(_ZONES, span)),
        geography=geography(connection, day, place_of),
        refused_history=refused_history(connection, day - HISTORY, yesterday),
        day_before=tables.figures_of(connection, yesterday),
        week_before=tables.figures_of(connection, day - timedelta(days=7)),
        changes=changes,
        gone={name: before.share(before.relays[name].messages) for name in changes.relays_removed} if changes else {},
        week_shifts=week_shifts(connection, day, relays),
        new_relays=_new(relays, known),
        new_since=mapped[0] if known else None,
    )


def harvests(reader: Reader, day: date) -> tuple[Harvest, ...]:
    """The networks whose clients were refused most recipients on a day."""
    found: dict[str, Harvest] = {}
    for count in reader.refusals(*day_span(day)):
        one = found.get(count.network, Harvest(count.network, 0, 0, 0, 0))
        found[count.network] = Harvest(
            one.network,
            one.sessions + count.sessions,
            one.accepted + count.accepted,
            one.refused + count.refused,
            one.hours + bool(count.refused),
        )
    worst = sorted(found.values(), key=lambda harvest: (-harvest.refused, harvest.network))
    return tuple(harvest for harvest in worst[:LISTED] if harvest.refused)


def refused_history(connection: sqlite3.Connection, since: date, until: date) -> dict[date, tuple[int, int]]:
    """How many recipients were refused and how many were named on each day of a span that was reported."""
    rows = connection.execute(_REFUSED, (since.isoformat(), until.isoformat()))
    return {date.fromisoformat(day): (refused, named) for day, refused, named in rows}


def _new(relays: RelayMap, known: Collection[str]) -> tuple[str, ...]:
    return tuple(name for name in relays.busiest if name not in known)
