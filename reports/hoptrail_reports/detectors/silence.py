"""Silence: a link or a domain brought no mail for longer than chance and its own habits explain.

A gap is scored by log p = sum over its hours of -k ln(1 + e/k): the negative binomial's chance of nothing where e
messages were expected. e is the mean of that hour of the week over the weeks before, shrunk to the profile of all mail
by how much mail the link has. Two things keep false alarms away: e falls with everybody's mail (holidays, an outage of
our own), and a gap is none where the same link had several like it before (office hours, weekly batches).
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hoptrail_reports.detectors.finding import Course, Finding, Observations

TRAINING_DAYS: Final = 42
LEAST_DAYS: Final = 14
"""Fewer known days say nothing about the hours of a week."""
LOG_P: Final = np.log(1e-6)
PRIOR: Final = 20.0
"""Messages' worth of belief in the profile of all mail."""
HABIT: Final = 3
"""A gap as deep as so many earlier ones is a habit."""
HABIT_FACTOR: Final = 1.3
"""How much deeper than the habit a gap must be."""
LONGEST_DAYS: Final = 7
"""What has been silent for longer has gone for good, and was said so every day before."""
DISPERSION: Final = (0.5, 50.0)

Floats = NDArray[np.float64]


def detect(seen: Observations) -> Iterator[Finding]:
    """The gaps that reach into the last day."""
    if not seen.courses or not seen.mapped[-1]:
        return
    start = max(0, len(seen.days) - 1 - TRAINING_DAYS)
    if seen.mapped[start:-1].sum() < LEAST_DAYS:
        return
    mapped = seen.mapped[start:]
    slots = ((np.arange(len(mapped) * 24) + seen.days[start].weekday() * 24) % 168).astype(np.int64)
    known = np.repeat(mapped, 24)
    hours = np.stack([course.hours[start:].reshape(-1) for course in seen.courses]).astype(float)
    links = np.array([bool(course.target) for course in seen.courses])
    everything = hours[links].sum(axis=0) if links.any() else hours.sum(axis=0)
    shape = _shape(everything, slots, known)
    for course, counts in zip(seen.courses, hours, strict=True):
        gap = _gap(counts, everything, shape, slots, known)
        if gap is not None:
            yield _finding(seen, course, counts, gap, start)


def _shape(everything: Floats, slots: NDArray[np.int64], known: NDArray[np.bool_]) -> Floats:
    """The share of an average hour that each hour of the week has in all mail; 1 on average."""
    trained = known.copy()
    trained[-24:] = False
    total = np.bincount(slots[trained], everything[trained], 168)
    hours = np.bincount(slots[trained], minlength=168)
    mean = np.where(hours > 0, total / np.maximum(hours, 1), everything[trained].mean())
    return np.asarray(mean / max(mean.mean(), 1e-9))


def _gap(
    counts: Floats, everything: Floats, shape: Floats, slots: NDArray[np.int64], known: NDArray[np.bool_]
) -> tuple[int, int, float, float] | None:
    """First hour, hour after the last, log p and messages expected of a gap that is no chance; None without one."""
    trained = known.copy()
    trained[-24:] = False
    seen = np.flatnonzero(counts)
    if not len(seen):
        return None
    trained[: seen[0]] = False  # before it was there it was not silent
    if trained.sum() < LEAST_DAYS * 24:
        return None
    level = counts[trained].mean()
    total = np.bincount(slots[trained], counts[trained], 168)
    weeks = np.bincount(slots[trained], minlength=168)
    weight = weeks * level / (weeks * level + PRIOR)
    own = total / np.maximum(weeks, 1)
    usual = weight * own + (1 - weight) * level * shape
    expected = usual[slots]
    others = np.maximum(everything - counts, 0)
    of_others = np.maximum((everything[trained].mean() - level) * shape[slots], 0)
    expected = expected * np.minimum(1, (others + 10) / (of_others + 10))
    errors = (counts[trained] - expected[trained]) ** 2 - expected[trained]
    k = float(np.clip((expected[trained] ** 2).sum() / max(errors.sum(), 1e-9), *DISPERSION))
    steps = np.where(known, -k * np.log1p(expected / k), 0.0)
    gaps = _runs((counts == 0) & known & (np.arange(len(counts)) >= seen[0]))
    depths = [float(steps[first:end].sum()) for first, end in gaps]
    today = len(counts) - 24
    earlier = sorted(depth for (_, end), depth in zip(gaps, depths, strict=True) if end <= today)
    habit = earlier[HABIT - 1] if len(earlier) >= HABIT else 0.0
    limit = min(LOG_P, HABIT_FACTOR * habit)
    found = [(depth, gap) for gap, depth in zip(gaps, depths, strict=True) if gap[1] > today and depth < limit]
    if not found:
        return None
    depth, (first, end) = min(found)
    if end - first > LONGEST_DAYS * 24:
        return None
    return first, end, depth, float(expected[first:end].sum())


def _runs(empty: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and one past last index of each run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], empty.astype(np.int8), [0]))))
    return [(int(first), int(end)) for first, end in edges.reshape(-1, 2)]


def _finding(
    seen: Observations, course: Course, counts: Floats, gap: tuple[int, int, float, float], start: int
) -> Finding:
    first, end, log_p, expected = gap
    began = seen.days[start] + timedelta(days=first // 24)
    ended = end < len(counts)
    until = f"to {seen.day} {end % 24:02}:00" if ended else "and still at the day's end"
    what = f"Mail from {course.source}" + (f" to {course.target}" if course.target else "")
    return Finding(
        kind="silence",
        subject=course.subject,
        score=round(min(1.0, 0.5 + expected / 400) * (0.8 if ended else 1.0), 3),
        sentence=(
            f"{what} stopped from {began} {first % 24:02}:00 {until} (UTC), {end - first} hours, "
            f"when about {expected:,.0f} messages were to be expected."
        ),
        evidence={
            "hours": end - first,
            "expected": round(expected, 1),
            "log10_p": round(log_p / float(np.log(10)), 1),
            "ended": int(ended),
        },
        relay=course.source if course.target else None,
        since=began if began < seen.day else None,
    )
