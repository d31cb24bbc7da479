"""Findings in the store, by day; and the observations of a day out of what the nights before left there."""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Final, NamedTuple

import numpy as np

from hoptrail_reports.detectors.finding import Finding, Observations, is_much
from hoptrail_reports.detectors.hours import stored_courses
from hoptrail_reports.refusals import harvests, refused_history
from hoptrail_reports.topology import tables
from hoptrail_reports.topology.traffic import Traffic
from hoptrail_reports.topology.usage import Link
from hoptrail_store.store import Store

WINDOW: Final = timedelta(days=55)
"""Eight weeks with the day itself."""
NETWORKS_MOST: Final = 10_000
"""Client networks with refused recipients that are looked at, the worst."""


def observations(connection: sqlite3.Connection, day: date, traffic: Traffic, *, new_after_days: int) -> Observations:
    """What the detectors look at for a day whose own map is `traffic`."""
    first, yesterday = day - WINDOW, day - timedelta(days=1)
    days = tuple(first + timedelta(days=n) for n in range((day - first).days + 1))
    mapped = {*tables.mapped_days(connection, first, yesterday), day}
    since = day - timedelta(days=new_after_days)
    known = tables.relays_seen(connection, since, yesterday)
    shares = refused_history(connection, first, day)
    recipients = np.array([shares.get(one, (0, 0)) for one in days], np.int64)
    return Observations(
        days,
        np.array([one in mapped for one in days]),
        tuple(stored_courses(connection, first, day)),
        traffic,
        known,
        tables.mapped_days(connection, since, yesterday)[0] if known else None,
        _new_links(connection, since, yesterday, traffic),
        harvests(connection, day, most=NETWORKS_MOST),
        refused=recipients[:, 0],
        named=recipients[:, 1],
    )


def _new_links(connection: sqlite3.Connection, since: date, until: date, traffic: Traffic) -> frozenset[Link]:
    """The day's links with much mail that are on no map of a span."""
    asked = (
        "SELECT EXISTS (SELECT 1 FROM link_day WHERE day IN (SELECT day FROM map_day WHERE day BETWEEN ? AND ?)"
        " AND source_name = (SELECT id FROM name WHERE text = ?)"
        " AND target_name = (SELECT id FROM name WHERE text = ?) AND observed = 1)"
    )
    links = traffic.links
    much = links.observed & links.between_two & is_much(links.figures["messages"], traffic.messages)
    return frozenset(
        link
        for link in links.keys_at(np.flatnonzero(much))
        if not connection.execute(asked, (since.isoformat(), until.isoformat(), *link[:2])).fetchone()[0]
    )


def put_findings(store: Store, day: date, findings: Iterable[Finding]) -> None:
    """Keep the findings of a day in place of what was there."""
    rows = {
        (one.kind, one.subject): (one.score, one.sentence, json.dumps(dict(one.evidence)), one.relay, one.since)
        for one in findings
    }
    with store.transaction():
        store.db.conn.execute("DELETE FROM finding_day WHERE day = ?", (day.isoformat(),))
        store.db.conn.executemany(
            "INSERT INTO finding_day VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [(day.isoformat(), *key, *figures, since and since.isoformat()) for key, (*figures, since) in rows.items()],
        )


def findings_of(connection: sqlite3.Connection, day: date) -> tuple[Finding, ...]:
    """What was found on a day, most pressing first."""
    return tuple(
        Finding(
            kind, subject, score, sentence, json.loads(evidence), relay, date.fromisoformat(since) if since else None
        )
        for kind, subject, score, sentence, evidence, relay, since in connection.execute(
            "SELECT kind, subject, score, sentence, evidence, relay, since FROM finding_day WHERE day = ?"
            " ORDER BY score DESC, kind, subject",
            (day.isoformat(),),
        )
    )


def findings_by_day(connection: sqlite3.Connection) -> dict[date, int]:
    """How much was found on each day."""
    rows = connection.execute("SELECT day, count(*) FROM finding_day GROUP BY day")
    return {date.fromisoformat(day): count for day, count in rows}


class PastFinding(NamedTuple):
    """What was found about a relay, and the last day on which it was."""

    day: date
    kind: str
    sentence: str


def findings_about(connection: sqlite3.Connection, since: date, until: date) -> dict[str, list[PastFinding]]:
    """What was found in a span about each relay that a finding names, newest first; what lasted stands once."""
    last = connection.execute(
        "SELECT max(day), kind, sentence, subject, relay FROM finding_day WHERE day BETWEEN ? AND ?"
        " GROUP BY kind, subject ORDER BY 1 DESC, score DESC, kind, subject",
        (since.isoformat(), until.isoformat()),
    )
    found: defaultdict[str, list[PastFinding]] = defaultdict(list)
    for day, kind, sentence, subject, relay in last:
        for name in {relay, *subject.replace(" -> ", " ").split()} - {None}:
            found[name].append(PastFinding(date.fromisoformat(day), kind, sentence))
    return found
