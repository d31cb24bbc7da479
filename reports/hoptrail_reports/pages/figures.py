"""The report's figures as the pages show them: cards with what changed, and charts."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from markupsafe import Markup

from hoptrail_reports.pages.charts import Bar, bars
from hoptrail_reports.pages.ranking import change, share_change
from hoptrail_reports.report import HISTORY, DayReport, figures
from hoptrail_reports.shown import counted, percent
from hoptrail_reports.topology.delays import BUCKET_LABELS, DelayStats

SCORE_LEAST: Final = -5
SCORE_MOST: Final = 25
"""Scores beyond these share the first and the last bar."""


@dataclass(frozen=True, slots=True)
class Card:
    """One figure at the head of the report, with a line for each earlier day it is compared with."""

    name: str
    value: str
    deltas: tuple[str, ...] = ()


def cards(report: DayReport) -> list[Card]:
    """The figures at the head of the report."""
    now = figures(report)
    then = [
        (label, earlier)
        for label, earlier in (("day before", report.day_before), ("week before", report.week_before))
        if earlier is not None
    ]

    def counts(*path: str) -> tuple[str, ...]:
        return tuple(f"{label}: {change(_at(now, path), _at(earlier, path))}" for label, earlier in then)

    def shares(name: str) -> tuple[str, ...]:
        moved = ((share_change(now[name], earlier[name]), label) for label, earlier in then)
        return tuple(f"{label}: {words}" for words, label in moved if words)

    return [
        Card("Messages", f"{now['messages']:,}", counts("messages")),
        Card("Hops", f"{now['hops']:,}", counts("hops")),
        Card("Relays", f"{now['map']['relays']:,}", counts("map", "relays")),
        Card("Links", f"{now['map']['links']:,}", counts("map", "links")),
        Card("Spam", _share(report.spam_share), shares("spam_share")),
        Card("Refused recipients", _share(report.refused_share), shares("refused_share")),
        Card("Forged chains", f"{now['forged']:,}", counts("forged")),
        Card("Abuse drafts", f"{len(report.drafts):,}"),
    ]


def score_chart(report: DayReport) -> Markup:
    """Messages by SpamAssassin's points."""
    counts = dict.fromkeys(range(SCORE_LEAST, SCORE_MOST + 1), 0)
    spam = dict(counts)
    for found, source in ((counts, report.totals.scores), (spam, report.spam_scores.items())):
        for points, count in source:
            found[min(max(points, SCORE_LEAST), SCORE_MOST)] += count
    ends = {
        SCORE_LEAST: f"\N{LESS-THAN OR EQUAL TO}{SCORE_LEAST}",
        SCORE_MOST: f"\N{GREATER-THAN OR EQUAL TO}{SCORE_MOST}",
    }
    items = []
    for points, count in counts.items():
        label = ends.get(points, str(points))
        title = f"{counted(count, 'message')} of {label} points, {spam[points]:,} of them spam"
        items.append(Bar(label, count, title, marked=spam[points]))
    return bars(items, title="Messages by SpamAssassin's points")


def delay_chart(delays: DelayStats) -> Markup:
    """The histogram of some delays."""
    items = [
        Bar(_axis_label(label), count, f"{counted(count, 'message')}: {label}")
        for label, count in zip(BUCKET_LABELS, delays.counts, strict=True)
    ]
    return bars(items, title="Histogram of delays")


def _axis_label(bucket: str) -> str:
    for words, short in (("under ", "<"), ("over ", ">"), (" min", "m"), (" s", "s"), (" h", "h")):
        bucket = bucket.replace(words, short)
    return bucket


def history_chart(day: date, history: Mapping[date, int]) -> Markup:
    """Messages on each of the last days up to `day`."""
    items = [
        Bar(f"{each.day}.{each.month}.", count, f"{each}: {counted(count, 'message')}", kind=_kind(each, day))
        for each in _days(day)
        for count in (history.get(each, 0),)
    ]
    return bars(items, title="Messages a day, four weeks")


def refused_chart(report: DayReport) -> Markup:
    """Refused recipients as a share of all that were named, by day (Pathak et al., Figure 1)."""
    totals = report.totals
    history = {**report.refused_history, report.day: (totals.refusals, totals.recipients + totals.refusals)}
    items = []
    for each in _days(report.day):
        refused, named = history.get(each, (0, 0))
        share = refused / named if named else 0.0
        title = f"{each}: {percent(share)}, {refused:,} of {counted(named, 'recipient')}"
        label = f"{each.day}.{each.month}."
        items.append(Bar(label, share, title, kind=_kind(each, report.day), written=percent(share)))
    return bars(items, title="Refused recipients as a share of all named, four weeks")


def _days(day: date) -> list[date]:
    return [day - timedelta(days=back) for back in range(HISTORY.days, -1, -1)]


def _kind(each: date, day: date) -> str:
    return "today" if each == day else ""


def _at(values: Mapping[str, Any], path: tuple[str, ...]) -> int:
    found: Any = values
    for key in path:
        found = found[key]
    return int(found)


def _share(share: float | None) -> str:
    return "\N{EN DASH}" if share is None else percent(share)
