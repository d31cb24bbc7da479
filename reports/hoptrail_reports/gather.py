"""The report of a day put together out of the store: its figures, its map, and what they are compared with."""

from collections.abc import Collection
from datetime import date, timedelta
from typing import Final

from hoptrail_reports.geography import PlaceOf, geography, nowhere
from hoptrail_reports.refusals import harvests, refused_history
from hoptrail_reports.report import HISTORY, DayReport, ZoneUse
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
        harvests=harvests(connection, day, most=LISTED),
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


def _new(relays: RelayMap, known: Collection[str]) -> tuple[str, ...]:
    return tuple(name for name in relays.busiest if name not in known)
