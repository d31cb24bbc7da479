"""What a person should look at first, as sentences: what failed, what broke, what is new, whom to write to."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from hoptrail_reports.report import DayReport
from hoptrail_reports.shown import counted, duration, percent, shown

Level = Literal["broken", "look", "act"]

EXPECTED_UNSCORED = frozenset({"authenticated", "trusted", "size"})
"""Reasons not to score that the site has set itself."""

SHARE_TO_NAME = 0.01
"""A relay with less of the day's mail is in the tables, not among the sentences."""

MESSAGES_TO_NAME = 10
"""Nor has one with fewer messages, however little mail the day had."""

REFUSED_SHARE = 0.3
REFUSED_LEAST = 20
"""Fewer refused recipients are typing errors and old lists."""

VOLUME_CHANGE = 0.5
VOLUME_LEAST = 100
EACH_KIND = 3
"""Sentences of one kind at most: ten minutes are for all of them."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One sentence; `relay` names the relay whose page tells more, `section` the part of the page."""

    level: Level
    text: str
    relay: str | None = None
    section: str | None = None


def notices(report: DayReport) -> list[Notice]:
    """Everything worth a sentence, the most urgent first."""
    found = [*_broken(report), *_traffic(report), *_relays(report), *_drafts(report)]
    order: tuple[Level, ...] = ("broken", "look", "act")
    return sorted(found, key=lambda notice: order.index(notice.level))


def _broken(report: DayReport) -> Iterator[Notice]:
    for step in report.failed_steps:
        yield Notice("broken", f"The nightly step “{step.name}” failed: {shown(step.detail, 300)}", section="night")
    unscored = {why: n for why, n in report.totals.unscored if why not in EXPECTED_UNSCORED}
    if unscored:
        why = ", ".join(f"{reason} {count:,}" for reason, count in unscored.items())
        yield Notice(
            "broken", f"{counted(sum(unscored.values()), 'message')} could not be scored: {why}.", section="scores"
        )
    for zone in report.zones:
        if zone.failed * 5 > zone.asked:
            yield Notice(
                "broken",
                f"The list {shown(zone.zone)} gave no proper answer to {zone.failed:,} of "
                f"{counted(zone.asked, 'question')}.",
                section="lists",
            )


def _traffic(report: DayReport) -> Iterator[Notice]:
    totals = report.totals
    if not totals.messages:
        yield Notice("broken", "No message was recorded on this day.")
        return
    week = report.week_before
    if week and week["messages"] >= VOLUME_LEAST:
        change = totals.messages / week["messages"] - 1
        if abs(change) >= VOLUME_CHANGE:
            more = "more" if change > 0 else "less"
            yield Notice("look", f"{percent(abs(change))} {more} mail than on the same day a week before.")
    share = report.refused_share
    said = _is_found(report, "refused share", "all recipients")
    if share is not None and share >= REFUSED_SHARE and totals.refusals >= REFUSED_LEAST and not said:
        yield Notice(
            "look",
            f"{percent(share)} of all recipients named were refused, by clients of "
            f"{counted(totals.refusing_networks, 'network')}.",
            section="refused",
        )


def _relays(report: DayReport) -> Iterator[Notice]:
    relays = report.relays
    yield from _gone_and_slow(report)
    busy = [
        name
        for name in report.new_relays
        if _is_busy(relays.relays[name].messages, relays.messages) and not _is_found(report, "new relay", name)
    ]
    for name in busy[:EACH_KIND] if report.new_since else ():
        messages = relays.relays[name].messages
        brought = f"{counted(messages, 'message')}, {percent(relays.share(messages))} of all"
        yield Notice("look", f"{shown(name)} is new and brought {brought}.", relay=name)


def _gone_and_slow(report: DayReport) -> Iterator[Notice]:
    if report.changes is None:
        return
    total = report.day_before["map"]["messages"] if report.day_before else 0
    silent = {finding.relay for finding in report.findings if finding.kind == "silence"}
    gone = [(name, share) for name, share in report.gone.items() if name not in silent]
    busy = [(name, share) for name, share in gone if _is_busy(round(share * total), total)]
    for name, share in busy[:EACH_KIND]:
        yield Notice(
            "look", f"{shown(name)} carried {percent(share)} of the mail the day before, and none on this day."
        )
    shifts = [one for one in report.changes.delays if not _is_found(report, "delay", " -> ".join(one.link))]
    for shift in shifts[:EACH_KIND]:
        source, target = shift.link
        slower = "slower" if shift.after_s > shift.before_s else "faster"
        yield Notice(
            "look",
            f"{shown(source)} → {shown(target)} became {slower}: median {duration(shift.before_s)} the day before, "
            f"now {duration(shift.after_s)}.",
            relay=target,
        )


def _is_found(report: DayReport, kind: str, subject: str) -> bool:
    """Whether a detector says it already, under “What is wrong”."""
    return any((finding.kind, finding.subject) == (kind, subject) for finding in report.findings)


def _is_busy(messages: int, total: int) -> bool:
    return messages >= max(MESSAGES_TO_NAME, total * SHARE_TO_NAME)


def _drafts(report: DayReport) -> Iterator[Notice]:
    if report.drafts:
        waiting = counted(len(report.drafts), "abuse draft waits", "abuse drafts wait")
        yield Notice("act", f"{waiting} for your word: hoptrail abuse list.", section="drafts")
