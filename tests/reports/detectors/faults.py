"""A made-up site's last day, seeded, with faults that detectors must name, and how well they do."""

from collections.abc import Callable
from datetime import timedelta

import numpy as np

from hoptrail_reports.detectors import bypass, clocks, greylisting, harvest, newcomers
from hoptrail_reports.detectors.finding import Course, Detector, Observations
from hoptrail_reports.refusals import Harvest
from hoptrail_reports.topology.delays import BUCKETS, DelayStats, bucket
from hoptrail_reports.topology.traffic import Traffic
from hoptrail_reports.topology.usage import Link, LinkStats
from reports.detectors.simulator import DAYS, FIRST, Score

DAYS_SEEN = tuple(FIRST + timedelta(days=n) for n in range(DAYS))
MX = "mx.example.org"
FAULTY = 0.1
"""The share of links, servers or hosts with a fault."""

Made = tuple[Observations, set[str]]


def histogram(delays, skewed=0):
    counts = np.bincount([bucket(int(delay)) for delay in delays], minlength=BUCKETS)
    return DelayStats(len(delays), int(sum(delays)), counts=tuple(map(int, counts)), skewed=int(skewed))


def seen(links, **more) -> Observations:
    found = {Link(*pair, observed=True): stats for pair, stats in links.items()}
    total = sum(stats.messages for stats in links.values())
    return Observations(DAYS_SEEN, np.ones(DAYS, bool), traffic=Traffic.of(total, found), **more)


def greylisted(pick: np.random.Generator) -> Made:
    """300 links with log-normal delays; of some, 5% to 60% of the mail waits for a retry."""
    links, truth = {}, set()
    for index in range(300):
        count = int(np.exp(pick.uniform(np.log(50), np.log(2000))))
        delays = np.exp(pick.normal(np.log(pick.uniform(2, 60)), pick.uniform(0.5, 2), count))
        if pick.random() < FAULTY:
            held = pick.random(count) < pick.uniform(0.05, 0.6)
            if held.sum() >= greylisting.LEAST:
                delays[held] = pick.choice([300, 600, 900, 1800]) + np.abs(pick.normal(0, 20, int(held.sum())))
                truth.add(f"out{index}.example -> {MX}")
        links[f"out{index}.example", MX] = LinkStats(count, count, delays=histogram(delays))
    return seen(links), truth


def new_relays(pick: np.random.Generator) -> Made:
    """A thousand known relays and the day's 200 strangers; some of these bring 1% to 5% of the mail."""
    known = {f"out{index}.example": 1 + int(pick.exponential(100)) for index in range(1000)}
    total = sum(known.values())
    strangers = {f"new{index}.example": 1 + int(pick.exponential(5)) for index in range(200)}
    truth = {name for name in strangers if pick.random() < FAULTY / 10}
    strangers |= {name: int(total * pick.uniform(0.01, 0.05)) for name in truth}
    links = {(name, MX): LinkStats(count, count) for name, count in (known | strangers).items()}
    return seen(links, known_relays=frozenset(known), looked_back_to=FIRST), truth


def wrong_clocks(pick: np.random.Generator) -> Made:
    """100 servers, each handing mail to three to eight others; of some the clock is minutes ahead."""
    truth = {f"relay{index}" for index in range(100) if pick.random() < FAULTY}
    links = {}
    for index in range(100):
        for other in pick.choice(100, int(pick.integers(3, 9)), replace=False):
            count = 10 + int(pick.exponential(60))
            offset = 300 * ((f"relay{other}" in truth) - (f"relay{index}" in truth))
            delays = np.round(np.exp(pick.normal(1.5, 1.2, count)) + offset + pick.normal(0, 0.4, count))
            if other != index:
                stats = histogram(delays[delays >= 0], skewed=(delays < 0).sum())
                links[f"relay{index}", f"relay{other}"] = LinkStats(count, count, delays=stats)
    return seen(links), truth


def filters_skipped(pick: np.random.Generator) -> Made:
    """60 hosts behind filters, with some mail around them every day; of some 5% to 30% goes around on the last."""
    courses, links, truth = [], {}, set()
    for index in range(60):
        daily = pick.poisson(np.exp(pick.uniform(np.log(100), np.log(3000))), DAYS)
        around = pick.binomial(daily, pick.uniform(0, 0.02))
        if pick.random() < FAULTY * 2:
            around[-1] = max(bypass.LEAST, int(daily[-1] * pick.uniform(0.05, 0.3)))
            truth.add(f"host{index}")
        for name, counts in ((f"filter{index}", daily - around), (f"stranger{index}", around)):
            hours = pick.multinomial(counts, np.full(24, 1 / 24))
            courses.append(Course(name, f"host{index}", hours, counts, np.full(DAYS, 5.0)))
            links[name, f"host{index}"] = LinkStats(int(counts[-1]), int(counts[-1]))
    return seen(links, courses=tuple(courses)), truth


def _network(pick: np.random.Generator, index: int, named: int, refused_share: float) -> Harvest:
    refused = int(pick.binomial(named, refused_share))
    sessions = int(pick.integers(1, named + 1))
    hours = min(int(pick.integers(1, 25)), refused)
    return Harvest(f"10.{index // 256}.{index % 256}.0/24", sessions, named - refused, refused, hours)


def harvested(pick: np.random.Generator) -> Made:
    """A thousand networks: senders, sellers with old lists, typing errors; and some that try 30 to 5,000 recipients."""
    found, truth = [], set()
    for index in range(1000):
        kind = pick.random()
        if kind < FAULTY:
            one = _network(pick, index, int(np.exp(pick.uniform(np.log(30), np.log(5000)))), pick.uniform(0.75, 1))
            truth.add(one.network)
        elif kind < 2 * FAULTY:
            one = _network(pick, index, int(np.exp(pick.uniform(np.log(20), np.log(2000)))), pick.uniform(0.1, 0.5))
        elif kind < 5 * FAULTY:
            one = _network(pick, index, 1 + int(pick.exponential(4)), pick.uniform(0.5, 1))
        else:
            one = _network(pick, index, 1 + int(pick.exponential(200)), pick.beta(1, 30))
        found.append(one)
    return seen({}, harvests=tuple(sorted(found, key=lambda one: -one.refused))), truth


def refused_much(pick: np.random.Generator) -> Made:
    """A site's refused share over eight weeks, higher on weekends; half of the last days have 2.5 to 6 times as much."""
    weekend = np.array([1.4 if day.weekday() >= 5 else 1.0 for day in DAYS_SEEN])
    usual = pick.uniform(0.03, 0.15) * weekend * np.exp(pick.normal(0, 0.15, DAYS))
    truth = {"all recipients"} if pick.random() < 0.5 else set()
    if truth:
        usual[-1] = min(0.9, max(usual[-1], 0.05) * pick.uniform(2.5, 6))
    named = pick.poisson(np.exp(pick.uniform(np.log(500), np.log(100_000))), DAYS)
    return seen({}, refused=pick.binomial(named, np.minimum(usual, 1)), named=named), truth


FAULTS: dict[str, tuple[Callable[[np.random.Generator], Made], Detector]] = {
    "greylisting": (greylisted, greylisting.detect),
    "new relay": (new_relays, newcomers.detect),
    "clock": (wrong_clocks, clocks.detect),
    "filter skipped": (filters_skipped, bypass.detect),
    "harvest": (harvested, harvest.detect),
    "refused share": (refused_much, harvest.detect),
}


ONE_FAULT_A_DAY = frozenset({"refused share"})
"""Faults of which a day has one or none: more days make a figure."""


def judge_fault(name: str, seeds: range) -> Score:
    """Findings of all seeds' days together against what was put in."""
    make, detect = FAULTS[name]
    right = named = there = 0
    for seed in seeds:
        observations, truth = make(np.random.default_rng(seed))
        found = {finding.subject for finding in detect(observations)}
        right, named, there = right + len(found & truth), named + len(found), there + len(truth)
    return Score(right / max(named, 1), right / max(there, 1), named - right)
