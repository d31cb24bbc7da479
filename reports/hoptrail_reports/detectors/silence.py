"""Silence: a link or a domain brought no mail for longer than chance and its own habits explain.

A gap is scored by log p = sum over its hours of -k ln(1 + e/k): the negative binomial's chance of nothing where e
messages were expected. How a link's mail is spread over the week is learnt in steps, each a Gamma-Poisson
posterior: from all mail to the link's own hours on working days and at weekends, from these to each hour of its week.
How far a step may leave the one before is itself read from the link: one that keeps hours of its own is judged by them.

Three things keep false alarms away: e falls with everybody's mail (holidays, an outage of our own), and with the link's
own over the last weeks (it fades); and a gap is none where the same link had several like it before (batches).
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hoptrail_reports.detectors.finding import Course, Finding, Observations
from hoptrail_reports.topology.grouping import owner

WEEKS: Final = 6
"""Of training; more would be of another season."""
LEAST_DAYS: Final = 14
"""Fewer known days say nothing about the hours of a week."""
LOG_P: Final = float(np.log(2e-6))
TODAY_LOG_P: Final = -1.0
"""What the day itself must add: a gap of yesterday that ended in its first minutes was said yesterday."""
SHAPE: Final = (0.3, 100.0)
"""Bounds of the Gamma prior's shape: how firmly a link is held to what was known before its own hours were."""
CERTAIN: Final = 0.3
"""Variance by chance below which one group of hours says as much as the next about that shape."""
HABIT: Final = 3
"""A gap as deep as so many earlier ones is a habit."""
HABIT_FACTOR: Final = 1.3
"""How much deeper than the habit a gap must be."""
FADING_DAYS: Final = 14
FADED: Final = 1.2
"""How many times what it brought lately its weeks must let expect for a link to have faded: less is chance."""
LONGEST_DAYS: Final = 7
"""What has been silent for longer has gone for good, and was said so every day before."""
DISPERSION: Final = (0.5, 50.0)
SLACK: Final = 10.0
"""Messages by which everybody's mail of an hour, or a link's of some weeks, may differ before it counts."""
AT_ONCE: Final = 2_000
"""Courses judged together: enough for numpy, and some 100 MB."""

DAY: Final = 24
WEEK: Final = 7 * DAY
TRAINED: Final = WEEKS * WEEK
SATURDAY: Final = 5

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]


class _Gap(NamedTuple):
    """Hours since the training began; the logarithm of its chance; messages expected in it."""

    first: int
    end: int
    log_p: float
    expected: float


class _Site(NamedTuple):
    """What all mail says of an hour."""

    known: Flags  # of the training's hours and the day's
    mail: Floats  # all messages, an hour
    shape: Floats  # of the 168 hours of the training's weeks; 1 on average
    stages: tuple[Floats, ...]  # 168 x groups of hours: 1 where an hour belongs to a group; coarse ones first


def detect(seen: Observations) -> Iterator[Finding]:
    """The gaps that reach into the last day."""
    known = _last_hours(np.repeat(seen.mapped[:, None], DAY, axis=1))
    if not seen.courses or not seen.mapped[-1] or known[:TRAINED].sum() < LEAST_DAYS * DAY:
        return
    courses = sorted(seen.courses, key=lambda course: not course.target)
    links = [course for course in courses if course.target] or courses
    site = _site(seen, known, links)
    told: set[str] = set()  # domains of which a link was named: that is the same silence
    for start in range(0, len(courses), AT_ONCE):
        some = courses[start : start + AT_ONCE]
        for at, gap in _gaps(_counts(some), site):
            domain = owner(some[at].source)
            if some[at].target:
                told.add(domain)
            elif domain in told:
                continue
            yield _finding(seen, some[at], gap)


def _last_hours(daily: NDArray[Any]) -> NDArray[Any]:
    """The hours of the training and of the day, out of an array that ends with days x 24; nothing before its first."""
    *lead, days, _ = daily.shape
    wanted = WEEKS * 7 + 1
    kept = daily[..., max(0, days - wanted) :, :].reshape(*lead, -1)
    missing = wanted * DAY - kept.shape[-1]
    return np.pad(kept, [(0, 0)] * len(lead) + [(missing, 0)]) if missing else kept


def _counts(courses: Sequence[Course]) -> Floats:
    return np.stack([_last_hours(course.hours) for course in courses]).astype(np.float32)


def _site(seen: Observations, known: Flags, links: Sequence[Course]) -> _Site:
    mail = np.zeros(TRAINED + DAY, np.float32)
    for start in range(0, len(links), AT_ONCE):
        mail += _counts(links[start : start + AT_ONCE]).sum(axis=0)
    stages = _stages(seen.day.weekday())  # the training began on the same weekday
    weeks = known[:TRAINED].reshape(WEEKS, WEEK)
    hours = weeks.sum(axis=0).astype(np.float32)[None]
    total = (mail[:TRAINED].reshape(WEEKS, WEEK) * weeks).sum(axis=0)[None]
    shape = np.full((1, WEEK), total.sum() / hours.sum(), np.float32)
    for stage in stages:
        shape = _posterior(shape, total, hours, np.zeros((1, 1), np.float32), stage)
    return _Site(known, mail, shape[0] / max(float(shape.mean()), 1e-9), stages)


def _stages(weekday: int) -> tuple[Floats, ...]:
    """Working days and weekends; four hours of these; one hour of these; each hour of the week."""
    hour = np.arange(WEEK)
    weekend = ((weekday + hour // DAY) % 7 >= SATURDAY).astype(int)
    groups = (weekend, weekend * 6 + hour % DAY // 4, weekend * DAY + hour % DAY, hour)
    return tuple(np.eye(int(group.max()) + 1, dtype=np.float32)[group] for group in groups)


def _gaps(counts: Floats, site: _Site) -> Iterator[tuple[int, _Gap]]:
    """The gaps of some courses (by their place) that are neither chance nor habit."""
    there = np.maximum.accumulate(counts > 0, axis=1)  # before it was there it was not silent
    known = there & site.known
    trained = known[:, :TRAINED] & np.maximum.accumulate(counts[:, TRAINED - 1 :: -1] > 0, axis=1)[:, ::-1]
    expected = _expected(counts, trained, site)
    steps = np.where(known, _steps(counts, expected, trained), 0)
    empty = (counts == 0) & known
    depths = _depths(steps, empty)
    suspects = (depths[:, TRAINED:].min(axis=1) < LOG_P) & (trained.sum(axis=1) >= LEAST_DAYS * DAY)
    for at in np.flatnonzero(suspects):
        gap = _deepest(empty[at], steps[at], expected[at])
        if gap is not None:
            yield int(at), gap


def _expected(counts: Floats, trained: Flags, site: _Site) -> Floats:
    """Messages to be expected in each hour of the training and of the day."""
    own = np.where(trained, counts[:, :TRAINED], 0)
    weeks = trained.reshape(-1, WEEKS, WEEK).sum(axis=1).astype(np.float32)
    total = own.reshape(-1, WEEKS, WEEK).sum(axis=1)
    level = (total.sum(axis=1) / np.maximum(weeks.sum(axis=1), 1))[:, None]
    noise = _scatter(own, trained, total / np.maximum(weeks, 1))
    usual = level * site.shape
    for stage in site.stages:
        usual = _posterior(usual, total, weeks, noise, stage)
    expected = np.concatenate([np.tile(usual, (1, WEEKS)), usual[:, :DAY]], axis=1)
    others = np.maximum(site.mail - counts, 0)
    mean = float(site.mail[:TRAINED][site.known[:TRAINED]].mean())
    of_others = np.tile(np.maximum(mean - level, 0) * site.shape, (1, WEEKS + 1))[:, : TRAINED + DAY]
    expected *= np.minimum(1, (others + SLACK) / (of_others + SLACK))
    late = trained.copy()
    late[:, : TRAINED - FADING_DAYS * DAY] = False
    came, due = (own * late).sum(axis=1), (expected[:, :TRAINED] * late).sum(axis=1)
    return np.asarray(expected * np.minimum(1, FADED * (came + SLACK) / (due + SLACK))[:, None])


def _scatter(own: Floats, trained: Flags, mean: Floats) -> Floats:
    """1/k of the negative binomial, a course: how the same hours of the week differ from week to week."""
    usual = np.tile(mean, (1, WEEKS))
    beyond = np.where(trained, (own - usual) ** 2 * (WEEKS / (WEEKS - 1)) - usual, 0).sum(axis=1)
    squares = np.where(trained, usual**2, 0).sum(axis=1)
    return np.asarray(np.clip(beyond / np.maximum(squares, 1e-9), 0, 2)[:, None])


def _posterior(prior: Floats, total: Floats, hours: Floats, noise: Floats, groups: Floats) -> Floats:
    """What is expected of each hour of the week once each group of hours has been held against the prior.

    Each group's part is the mean of a Gamma-Poisson posterior. The prior's shape is one over the variance between
    groups, in the prior's own units, that chance does not explain.
    """
    came, known = total @ groups, hours @ groups
    due = np.maximum((prior * hours) @ groups, 1e-6)
    chance = 1 / due + noise / np.maximum(known, 1)
    weight = np.where(known > 0, 1 / (CERTAIN + chance) ** 2, 0)
    apart = (weight * ((came / due - 1) ** 2 - chance)).sum(axis=1) / np.maximum(weight.sum(axis=1), 1e-9)
    shape = (1 / np.clip(apart, 1 / SHAPE[1], 1 / SHAPE[0]))[:, None]
    return np.asarray(prior * (((shape + came) / (shape + due)) @ groups.T), np.float32)


def _steps(counts: Floats, expected: Floats, trained: Flags) -> Floats:
    """The logarithm of each hour's chance of nothing."""
    usual = expected[:, :TRAINED]
    errors = np.where(trained, (counts[:, :TRAINED] - usual) ** 2 - usual, 0).sum(axis=1)
    squares = np.where(trained, usual**2, 0).sum(axis=1)
    k = np.clip(squares / np.maximum(errors, 1e-9), *DISPERSION)[:, None]
    return np.asarray(-k * np.log1p(expected / k))


def _depths(steps: Floats, empty: Flags) -> Floats:
    """At each empty hour the sum of the steps since the gap began; 0 at others."""
    total = np.cumsum(np.where(empty, steps, 0), axis=1, dtype=np.float64)
    before = np.minimum.accumulate(np.where(empty, 0, total), axis=1)
    return np.asarray(np.where(empty, total - before, 0), np.float32)


def _deepest(empty: Flags, steps: Floats, expected: Floats) -> _Gap | None:
    gaps = [_Gap(first, end, float(steps[first:end].sum()), 0) for first, end in _runs(empty)]
    earlier = sorted(gap.log_p for gap in gaps if gap.end <= TRAINED)
    habit = earlier[HABIT - 1] if len(earlier) >= HABIT else 0.0
    limit = min(LOG_P, HABIT_FACTOR * habit)
    found = [gap for gap in gaps if gap.end > TRAINED and gap.log_p < limit]
    found = [gap for gap in found if steps[max(gap.first, TRAINED) : gap.end].sum() < TODAY_LOG_P]
    if not found:
        return None
    gap = min(found, key=lambda one: one.log_p)
    if gap.end - gap.first > LONGEST_DAYS * DAY:
        return None
    return gap._replace(expected=float(expected[gap.first : gap.end].sum()))


def _runs(empty: Flags) -> list[tuple[int, int]]:
    """First and one past last index of each run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], empty.astype(np.int8), [0]))))
    return [(int(first), int(end)) for first, end in edges.reshape(-1, 2)]


def _finding(seen: Observations, course: Course, gap: _Gap) -> Finding:
    began = seen.day + timedelta(days=gap.first // DAY - WEEKS * 7)
    ended = gap.end < TRAINED + DAY
    until = f"to {seen.day} {gap.end % DAY:02}:00" if ended else "and still at the day's end"
    what = f"Mail from {course.source}" + (f" to {course.target}" if course.target else "")
    hours = gap.end - gap.first
    return Finding(
        kind="silence",
        subject=course.subject,
        score=round(min(1.0, 0.5 + gap.expected / 400) * (0.8 if ended else 1.0), 3),
        sentence=(
            f"{what} stopped from {began} {gap.first % DAY:02}:00 {until} (UTC), {hours} hours, "
            f"when about {gap.expected:,.0f} messages were to be expected."
        ),
        evidence={
            "hours": hours,
            "expected": round(gap.expected, 1),
            "log10_p": round(gap.log_p / float(np.log(10)), 1),
            "ended": int(ended),
        },
        relay=course.source if course.target else None,
        since=began if began < seen.day else None,
    )
