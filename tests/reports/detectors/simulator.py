"""Eight weeks of a made-up site's links, seeded, with troubles put in; and how well a detector finds them."""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from hoptrail_reports.detectors.finding import Course, Observations

DAYS = 56
JUDGED = 14
"""The last days, on each of which the detector is run, as the nightly job would."""
FIRST = date(2026, 9, 7)
HOLIDAY = 35
"""The first day of two weeks with little mail, if any are wanted."""


@dataclass(frozen=True)
class Shape:
    """How mail is spread over the week, and how it clusters."""

    night: float = 0.3  # of the day's level
    weekend: float = 0.4
    peak_hour: int = 13
    clustering: float = 4.0  # the negative binomial's k: small is bursty
    silent: float = 0.15  # share of links
    slowed: float = 0.15
    office: float = 0.0  # share of links with mail in office hours only
    batch: float = 0.0  # share of links with mail from one to four at night only
    weekly: float = 0.0  # share of links that also send ten days' mail within an hour of the week
    growth: float = 1.0  # how much more, or less, half of the links send in the end: drawn between this and its inverse
    holiday: float = 1.0  # what is left of all mail in two weeks that reach into those that are judged


@dataclass(frozen=True)
class Site:
    """Observations of all days, and the truth: link index to (first hour, hours, messages expected) or (day, factor)."""

    courses: tuple[Course, ...]
    silences: dict[int, tuple[int, int, float]]
    slowdowns: dict[int, int]

    def seen(self, day: int) -> Observations:
        cut = [
            course._replace(
                hours=course.hours[: day + 1], delays=course.delays[: day + 1], median_s=course.median_s[: day + 1]
            )
            for course in self.courses
        ]
        days = tuple(FIRST + timedelta(days=n) for n in range(day + 1))
        return Observations(days, np.ones(day + 1, bool), tuple(cut))


def site(links: int, seed: int, shape: Shape = Shape()) -> Site:
    pick = np.random.default_rng(seed)
    hour_of_all = np.arange(DAYS * 24)
    hour = hour_of_all % 24
    weekday = (hour_of_all // 24 + FIRST.weekday()) % 7
    wave = 0.5 + 0.5 * np.cos((hour - shape.peak_hour) / 24 * 2 * np.pi)
    usual = (shape.night + (1 - shape.night) * wave) * np.where(weekday >= 5, shape.weekend, 1.0)
    office = ((hour >= 8) & (hour < 18) & (weekday < 5)).astype(float)
    batch = ((hour >= 1) & (hour < 4)).astype(float)
    everybody = np.where((hour_of_all >= HOLIDAY * 24) & (hour_of_all < (HOLIDAY + 14) * 24), shape.holiday, 1.0)
    courses, silences, slowdowns = [], {}, {}
    for index in range(links):
        kind = pick.random()
        profile = office if kind < shape.office else batch if kind < shape.office + shape.batch else usual
        rate = float(np.exp(pick.uniform(np.log(0.2), np.log(30)))) * profile / profile.mean() * everybody
        if shape.growth != 1 and pick.random() < 0.5:
            rate *= shape.growth ** (pick.uniform(-1, 1) * hour_of_all / len(hour_of_all))
        if pick.random() < shape.weekly:
            rate += np.where(hour_of_all % 168 == pick.integers(168), rate.mean() * 240, 0)
        noisy = rate * pick.gamma(shape.clustering, 1 / shape.clustering, DAYS * 24)
        counts = pick.poisson(noisy)
        if pick.random() < shape.silent:
            length = int(pick.integers(4, 49))
            first = int(pick.integers((DAYS - JUDGED) * 24, DAYS * 24 - length))
            counts[first : first + length] = 0
            silences[index] = (first, length, float(rate[first : first + length].sum()))
        medians, slow_from = _medians(pick, counts.reshape(DAYS, 24).sum(axis=1), pick.random() < shape.slowed)
        if slow_from is not None:
            slowdowns[index] = slow_from
        delays = counts.reshape(DAYS, 24).sum(axis=1)
        courses.append(Course(f"out{index}.example", "mx.example.org", counts.reshape(DAYS, 24), delays, medians))
    return Site(tuple(courses), silences, slowdowns)


def _medians(pick, messages, slowed):
    level, noise = float(np.exp(pick.uniform(np.log(3), np.log(60)))), float(pick.uniform(0.1, 0.4))
    logs = np.log(level) + pick.normal(0, noise, DAYS) + pick.normal(0, 1, DAYS) / np.sqrt(np.maximum(messages, 1))
    slow_from = None
    if slowed:
        slow_from = int(pick.integers(DAYS - JUDGED, DAYS - 5))
        logs[slow_from:] += np.log(pick.uniform(2.5, 8))
    return np.where(messages > 0, np.exp(logs), np.nan), slow_from


@dataclass(frozen=True)
class Score:
    precision: float
    recall: float
    false_alarms: int  # of links and days


def judge_silence(made: Site, detect, *, expected_least: float = 20) -> Score:
    """A finding is right where its link was silent on that day; a silence is found where one of its days has one."""
    right = false = 0
    found = set()
    for day in range(DAYS - JUDGED, DAYS):
        for finding in detect(made.seen(day)):
            index = int(finding.subject.partition(".")[0].removeprefix("out"))
            first, length, _ = made.silences.get(index, (-1, 0, 0.0))
            if length and first // 24 <= day <= (first + length) // 24:
                right += 1
                found.add(index)
            else:
                false += 1
    loud = {index for index, (_, _, expected) in made.silences.items() if expected >= expected_least}
    return Score(right / max(right + false, 1), len(found & loud) / max(len(loud), 1), false)


def judge_slowness(made: Site, detect) -> Score:
    """Alarms are counted once a link; a slowdown is found where one comes on or after its first day."""
    alarms: dict[int, int] = {}
    for day in range(DAYS - JUDGED, DAYS):
        for finding in detect(made.seen(day)):
            alarms.setdefault(int(finding.subject.partition(".")[0].removeprefix("out")), day)
    right = {index for index, day in alarms.items() if index in made.slowdowns and day >= made.slowdowns[index]}
    return Score(len(right) / max(len(alarms), 1), len(right) / max(len(made.slowdowns), 1), len(alarms) - len(right))
