"""Delay regression: a link became slower and stayed so. Page's CUSUM (1954) on the robust z of daily log-medians."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hoptrail_reports.detectors.finding import Course, Finding, Observations
from hoptrail_reports.shown import duration

SLACK: Final = 0.75
ALARM: Final = 6.0
CEILING: Final = 2 * ALARM
"""So that a link that has been mended is forgotten in days, not weeks."""
CLIP: Final = 4.0
"""One day, however slow, is not enough for an alarm."""
LEAST_DELAYS: Final = 5
LEAST_DAYS: Final = 14
FLOOR_S: Final = 5.0
"""A median that grew by less is nobody's trouble."""
AT_ONCE: Final = 5_000
SPREAD_LEAST: Final = 0.1
"""Of log-medians: medians read from a histogram are no finer."""


def detect(seen: Observations) -> Iterator[Finding]:
    """The links that are slower on the last day, and have been for long enough."""
    links = [course for course in seen.courses if course.target]
    for start in range(0, len(links), AT_ONCE):
        some = links[start : start + AT_ONCE]
        for at in np.flatnonzero(_suspects(seen, some)):
            if (found := _regression(seen, some[at])) is not None:
                yield found


def _suspects(seen: Observations, courses: Sequence[Course]) -> NDArray[np.bool_]:
    """The few courses worth a closer look: the same sums as `_regression`'s, for many links at once."""
    medians = np.stack([course.median_s for course in courses])
    dated = (np.stack([course.delays for course in courses]) >= LEAST_DELAYS) & seen.mapped & ~np.isnan(medians)
    logs = np.where(dated, np.log1p(medians), np.nan)
    usual = _medians(logs)
    spread = np.maximum(1.4826 * _medians(np.abs(logs - usual)), SPREAD_LEAST)
    scores = np.where(dated, np.clip((logs - usual) / spread, -CLIP, CLIP) - SLACK, 0)
    total = np.zeros(len(courses))
    for score in scores.T:
        total = np.clip(total + score, 0, CEILING)
    return np.asarray((total > ALARM) & dated[:, -1] & (dated.sum(axis=1) > LEAST_DAYS))


def _medians(rows: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """The median of each row's numbers that are not NaN, as a column; NaN where there is none."""
    ordered, counts = np.sort(rows, axis=1), (~np.isnan(rows)).sum(axis=1, keepdims=True)
    low, high = np.maximum(counts - 1, 0) // 2, np.minimum(counts // 2, rows.shape[1] - 1)
    return np.asarray((np.take_along_axis(ordered, low, 1) + np.take_along_axis(ordered, high, 1)) / 2)


def _regression(seen: Observations, course: Course) -> Finding | None:
    dated = np.flatnonzero((course.delays >= LEAST_DELAYS) & seen.mapped & ~np.isnan(course.median_s))
    if len(dated) <= LEAST_DAYS or dated[-1] != len(seen.days) - 1:
        return None
    logs = np.log1p(course.median_s[dated])
    usual = float(np.median(logs))
    spread = max(1.4826 * float(np.median(np.abs(logs - usual))), SPREAD_LEAST)
    scores = np.clip((logs - usual) / spread, -CLIP, CLIP)
    total, began = 0.0, 0
    for index, score in enumerate(scores):
        total = min(CEILING, max(0.0, total + score - SLACK))
        if total == 0.0:
            began = index + 1
    if total <= ALARM or began < LEAST_DAYS or scores[-1] < SLACK:
        return None
    before_s = float(np.expm1(np.median(logs[:began])))
    after_s = float(np.expm1(np.median(logs[began:])))
    if after_s - before_s < FLOOR_S:
        return None
    since = seen.days[int(dated[began])]
    return Finding(
        kind="delay",
        subject=course.subject,
        score=round(min(1.0, 0.3 + 0.1 * float(np.log2((after_s + 1) / (before_s + 1)))), 3),
        sentence=(
            f"Mail from {course.source} to {course.target} takes {duration(after_s)} since {since}, "
            f"{duration(before_s)} before that (medians)."
        ),
        evidence={"before_s": round(before_s, 1), "after_s": round(after_s, 1), "cusum": round(total, 1)},
        relay=course.target,
        since=since if since < seen.day else None,
    )
