"""The report's figures as the pages show them: cards with what changed, and charts."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from markupsafe import Markup

from hoptrail_reports.pages.charts import Bar, bars
from hoptrail_reports.report import DayReport, figures
from hoptrail_reports.shown import counted, percent
from hoptrail_reports.topology.delays import BUCKET_LABELS, DelayStats

HISTORY_DAYS: Final = 28
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
        for label, earlier in (("the day before", report.day_before), ("a week before", report.week_before))
        if earlier is not None
    ]

    def deltas(*path: str) -> tuple[str, ...]:
        return tuple(_delta(_at(now, path), _at(earlier, path), label) for label, earlier in then)

    return [
        Card("Messages", f"{now['messages']:,}", deltas("messages")),
        Card("Hops", f"{now['hops']:,}", deltas("hops")),
        Card("Relays", f"{now['map']['relays']:,}", deltas("map", "relays")),
        Card("Links", f"{now['map']['links']:,}", deltas("map", "links")),
        Card("Spam", _share(report.spam_share), deltas("spam")),
        Card("Refused recipients", _share(report.refused_share), deltas("refusals")),
        Card("Forged chains", f"{now['forged']:,}", deltas("forged")),
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
    days = [day - timedelta(days=back) for back in range(HISTORY_DAYS - 1, -1, -1)]
    items = []
    for each in days:
        count = history.get(each, 0)
        kind = "today" if each == day else ""
        items.append(Bar(f"{each.day}.{each.month}.", count, f"{each}: {counted(count, 'message')}", kind=kind))
    return bars(items, title=f"Messages a day, {HISTORY_DAYS} days")


def _at(values: Mapping[str, Any], path: tuple[str, ...]) -> int:
    found: Any = values
    for key in path:
        found = found[key]
    return int(found)


def _delta(now: int, then: int, label: str) -> str:
    if now == then:
        return f"as {label}"
    if not then:
        return f"none {label}"
    return f"{(now - then) / then:+.0%} on {label}" if abs(now - then) < 10 * then else f"{then:,} {label}"


def _share(share: float | None) -> str:
    return "\N{EN DASH}" if share is None else percent(share)
