"""Mail that skipped the filter: it reached a host of ours without the hop that nearly all of its mail comes by."""

from collections.abc import Iterator
from math import log
from typing import Final

import numpy as np

from hoptrail_reports.detectors.finding import Course, Finding, Observations
from hoptrail_reports.shown import counted, percent

LEAST_DAYS: Final = 14
USUAL: Final = 0.95
"""The share of a host's mail that came by one hop on a median day: then that hop is its filter."""
DAILY: Final = 20
LEAST: Final = 10
LOG_P: Final = log(1e-6)


def detect(seen: Observations) -> Iterator[Finding]:
    """The hosts of ours that got mail around their filter on the last day."""
    into: dict[str, list[Course]] = {}
    for course in seen.courses:
        if course.target:
            into.setdefault(course.target, []).append(course)
    links = seen.traffic.links
    came = links.per_relay(links.target, "traversals", links.observed & links.between_two)
    for (target, courses), place in zip(into.items(), links.names.places(into), strict=True):
        if place >= 0 and came[place]:
            yield from _skipped(seen, target, courses, int(came[place]))


def _skipped(seen: Observations, target: str, courses: list[Course], today: int) -> Iterator[Finding]:
    daily = {course.source: course.hours.sum(axis=1) for course in courses if course.source != target}
    if not daily:
        return
    filter_, passed = max(daily.items(), key=lambda item: int(item[1].sum()))
    total = np.sum([*daily.values()], axis=0)
    known = seen.mapped & (total >= DAILY)
    known[-1] = False
    if known.sum() < LEAST_DAYS:
        return
    shares = passed[known] / total[known]
    around = today - int(passed[-1])
    usual = float(1 - shares.mean()) + 1 / float(total[known].sum())
    share = around / max(today, 1)
    if float(np.median(shares)) < USUAL or around < LEAST or share <= 2 * usual:
        return
    bound = -today * (share * log(share / usual) + ((1 - share) * log((1 - share) / (1 - usual)) if share < 1 else 0.0))
    if bound < LOG_P:
        yield Finding(
            kind="filter skipped",
            subject=target,
            score=round(min(1.0, 0.6 + share), 3),
            sentence=(
                f"{counted(around, 'message')} reached {target} without passing {filter_}: {percent(share)} of its "
                f"mail, usually {percent(usual)}."
            ),
            evidence={"around": around, "messages": today, "usual": round(usual, 5), "log10_p": round(bound / log(10))},
            relay=target,
        )
