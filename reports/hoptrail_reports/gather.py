"""The report of a day put together out of the store: its figures, its map, and what they are compared with."""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Final

from hoptrail_reports.report import DayReport, Harvest, ZoneUse
from hoptrail_reports.settings import ReportSettings
from hoptrail_reports.topology import tables
from hoptrail_reports.topology.colours import Thresholds
from hoptrail_reports.topology.compare import compare
from hoptrail_reports.topology.graph import RelayMap, relay_map
from hoptrail_reports.topology.traffic import Traffic
from hoptrail_store.reader import Reader, day_span
from hoptrail_store.rows import milliseconds

LISTED: Final = 15
"""Networks and origins named in a report: those that matter most."""

_ZONES: Final = """
SELECT name.text, count(*), sum(verdict = 'listed'), sum(verdict IN ('error', 'late', 'paused'))
FROM message JOIN listing ON listing.message = message.number JOIN name ON name.id = listing.zone
WHERE received_ms >= ? AND received_ms < ? GROUP BY 1 ORDER BY 1
"""

_ORIGINS: Final = """
SELECT coalesce(country || ' ', '') || coalesce('AS' || asn, 'network unknown') || coalesce(' ' || name.text, ''),
    count(*) AS messages, sum(spam)
FROM message JOIN facts ON facts.message = message.number LEFT JOIN name ON name.id = facts.as_name
WHERE received_ms >= ? AND received_ms < ? AND (asn IS NOT NULL OR country IS NOT NULL)
GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT ?
"""

_SPAM_SCORES: Final = """
SELECT CAST(points AS INTEGER) - (points < CAST(points AS INTEGER)), count(*)
FROM message WHERE spam AND received_ms >= ? AND received_ms < ? GROUP BY 1
"""


def gather(reader: Reader, host: str, day: date, traffic: Traffic, settings: ReportSettings) -> DayReport:
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
        origins=tuple(connection.execute(_ORIGINS, (*span, LISTED))),
        day_before=tables.figures_of(connection, yesterday),
        week_before=tables.figures_of(connection, day - timedelta(days=7)),
        changes=changes,
        gone={name: before.share(before.relays[name].messages) for name in changes.relays_removed} if changes else {},
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


def _new(relays: RelayMap, known: Iterable[str]) -> tuple[str, ...]:
    fresh = relays.relays.keys() - set(known)
    return tuple(sorted(fresh, key=lambda name: (-relays.relays[name].messages, name)))
