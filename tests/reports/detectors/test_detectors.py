import os
import time
from datetime import date, timedelta
from importlib.metadata import EntryPoint

import numpy as np
import pytest

from hoptrail_reports.detectors import bypass, chokepoints, clocks, greylisting, loops, newcomers, silence, slowness
from hoptrail_reports.detectors.finding import Course, Finding, Observations
from hoptrail_reports.detectors.run import GROUP, installed, run_all
from hoptrail_reports.topology.delays import BUCKETS, DelayStats, bucket
from hoptrail_reports.topology.traffic import Traffic
from hoptrail_reports.topology.usage import Link, LinkStats, RelayStats
from reports.detectors.faults import FAULTS, ONE_FAULT_A_DAY, judge_fault
from reports.detectors.simulator import Shape, judge_silence, judge_slowness, site

DAY = date(2026, 11, 20)
MX = "mx.example.org"


def seen(links, ends=None, **more):
    relays = {relay: RelayStats(count, {0: count}) for relay, count in (ends or {}).items()}
    total = sum((ends or {"": 100}).values())
    found = {Link(*pair, observed=True): stats for pair, stats in links.items()}
    return Observations((DAY,), np.ones(1, bool), traffic=Traffic.of(total, found, relays), **more)


def used(count, **more):
    return LinkStats(count, count, **more)


def histogram(*delays, skewed=0):
    counts = [0] * BUCKETS
    for delay in delays:
        counts[bucket(delay)] += 1
    return DelayStats(len(delays), sum(delays), counts=tuple(counts), skewed=skewed)


@pytest.mark.parametrize(
    ("seed", "shape"),
    [
        (11, Shape()),
        (12, Shape(night=0.9, weekend=1.0)),
        (13, Shape(night=0.05, weekend=0.1, peak_hour=3)),
        (14, Shape(office=0.5)),
        (15, Shape(office=0.2, batch=0.2, weekly=0.2, growth=3.0)),
    ],
)
def test_silences_are_found_and_few_others_named(seed, shape):
    found = judge_silence(site(300, seed, shape), silence.detect)
    assert found.precision >= 0.95
    assert found.recall >= 0.95


@pytest.mark.parametrize("seed", [21, 22])
def test_slowdowns_are_found_and_few_others_named(seed):
    found = judge_slowness(site(300, seed), slowness.detect)
    assert found.precision >= 0.95
    assert found.recall >= 0.85


@pytest.mark.parametrize("name", FAULTS)
def test_faults_of_a_day_are_found_and_nothing_else_is_named(name):
    found = judge_fault(name, range(31, 131 if name in ONE_FAULT_A_DAY else 33))
    assert found.precision >= 0.95
    assert found.recall >= 0.8


def test_a_site_that_is_down_itself_accuses_no_link():
    made = site(100, 3, Shape(silent=0))
    courses = tuple(one._replace(hours=one.hours.copy()) for one in made.courses)
    for one in courses:
        one.hours[-1, 6:18] = 0
    whole = made.seen(55)
    assert not list(silence.detect(Observations(whole.days, whole.mapped, courses)))


def test_a_domain_is_named_where_its_links_are_too_quiet_and_not_where_one_of_them_is():
    days = tuple(DAY - timedelta(days=n) for n in range(42, -1, -1))
    hours = np.full((43, 24), 4)
    hours[-1, 8:] = 0
    link, domain, alone = (
        Course(source, target, hours, np.zeros(43, int), np.full(43, np.nan))
        for source, target in (("mail.a.example", MX), ("a.example", ""), ("b.example", ""))
    )
    others = Course("other.example", MX, np.full((43, 24), 40), np.zeros(43, int), np.full(43, np.nan))
    found = silence.detect(Observations(days, np.ones(43, bool), (domain, alone, link, others)))
    assert {one.subject for one in found} == {link.subject, "b.example"}


def test_a_relay_that_is_new_is_named_with_its_volume_and_domain():
    today = seen(
        {("a.new.example", MX): used(40), ("b.old.example", MX): used(40), ("tiny.example", MX): used(2)},
        known_relays=frozenset({"mail.old.example"}),
        looked_back_to=DAY - timedelta(days=28),
    )
    found = {one.subject: one for one in newcomers.detect(today)}
    assert set(found) == {"a.new.example", "b.old.example"}
    assert found["a.new.example"].score > found["b.old.example"].score


def test_a_link_between_known_relays_is_new_and_one_of_a_new_relay_is_part_of_its_relay():
    link, of_stranger = Link("mail.old.example", MX, observed=True), Link("a.new.example", MX, observed=True)
    today = seen(
        {("mail.old.example", MX): used(40), ("a.new.example", MX): used(40)},
        known_relays=frozenset({"mail.old.example"}),
        looked_back_to=DAY - timedelta(days=28),
        new_links=frozenset({link, of_stranger}),
    )
    found = {one.kind: one for one in newcomers.detect(today)}
    assert {kind: one.subject for kind, one in found.items()} == {
        "new relay": "a.new.example",
        "new link": f"mail.old.example -> {MX}",
    }
    assert found["new link"].evidence["new_domains"] == 1


def test_nothing_is_new_where_there_was_no_map_before():
    assert not list(newcomers.detect(seen({("a.example", MX): used(40)})))


def test_a_circle_is_said_once():
    links = {("a", "b"): used(9, looped=3), ("b", "a"): used(9, looped=3), ("c", "a"): used(9)}
    (found,) = loops.detect(seen(links))
    assert found.subject == "a b"
    assert found.evidence["times"] == 3


def test_retries_after_a_fixed_time_are_greylisting_and_a_long_tail_is_not():
    pick = np.random.default_rng(5)
    tail = [int(delay) for delay in pick.exponential(600, 2000)]
    held = [int(delay) for delay in pick.exponential(30, 300)] + [300] * 60
    links = {("tail", MX): used(2000, delays=histogram(*tail)), ("held", MX): used(360, delays=histogram(*held))}
    assert [one.subject for one in greylisting.detect(seen(links))] == [f"held -> {MX}"]


def test_the_server_with_the_wrong_clock_is_named_and_its_neighbours_are_not():
    right = histogram(*[1] * 50)
    links = {("ahead", f"mx{n}"): used(50, delays=histogram(skewed=50)) for n in range(3)}
    links |= {("other", f"mx{n}"): used(50, delays=right) for n in range(3)}
    (found,) = clocks.detect(seen(links))
    assert found.subject == "ahead"


def test_a_host_that_all_ways_lead_over_is_a_single_point_and_one_of_two_is_not():
    links = {("x", "mx1"): used(50), ("y", "mx2"): used(50), ("mx1", "filter"): used(50), ("mx2", "filter"): used(50)}
    links |= {("filter", "store"): used(100)}
    (found,) = chokepoints.detect(seen(links, {"store": 100}))
    assert (found.subject, found.evidence["share"]) == ("filter", 1.0)


def test_the_one_server_of_a_small_site_is_no_news():
    assert not list(chokepoints.detect(seen({("x", MX): used(50), ("y", MX): used(50)}, {MX: 100})))


def test_a_handful_of_mail_makes_no_single_point():
    links = {("x", "filter"): used(9), ("filter", "store"): used(9)}
    assert not list(chokepoints.detect(seen(links, {"store": 9})))


def test_mail_around_the_filter_is_counted():
    days = tuple(DAY - timedelta(days=n) for n in range(29, -1, -1))
    hours = np.full((30, 24), 10)
    usual = Course("filter", "store", hours, np.zeros(30, int), np.full(30, np.nan))
    links = {Link("filter", "store", observed=True): used(240), Link("stranger", "store", observed=True): used(30)}
    today = Observations(days, np.ones(30, bool), (usual,), Traffic.of(270, links))
    (found,) = bypass.detect(today)
    assert found.evidence["around"] == 30


def plugin_that_works(observations):
    yield Finding("mine", "subject", 1.0, f"looked at {observations.day}")


def plugin_that_raises(_):
    raise ValueError("broken")


def plugin_that_hangs(_):
    time.sleep(60)


def plugin_that_dies(_):
    os._exit(9)


def plugin_that_errs(_):
    return ["no finding"]


def point(name):
    return EntryPoint(name, f"{__name__}:plugin_that_{name}", GROUP)


def test_a_broken_slow_or_dying_plug_in_is_reported_and_stops_no_other():
    names = ("raises", "hangs", "dies", "errs", "works")
    outcome = run_all(seen({}), [point(name) for name in names], limit_s=2)
    assert [one.sentence for one in outcome.findings] == [f"looked at {DAY}"]
    assert outcome.failures == {
        "raises": "ValueError: broken",
        "hangs": "did not finish in 2 s",
        "dies": "its process died (exit code 9)",
        "errs": "gave a str, not a Finding",
    }


def test_a_finding_of_the_day_before_is_said_with_its_first_day():
    before = [Finding("mine", "subject", 1.0, "", since=DAY - timedelta(days=3))]
    (found,) = run_all(seen({}), [point("works")], before=before, before_day=DAY - timedelta(days=1)).findings
    assert found.since == DAY - timedelta(days=3)


def test_a_package_of_somebody_else_is_found_by_its_entry_point(tmp_path, monkeypatch):
    (tmp_path / "theirs.py").write_text(
        "from hoptrail_reports.detectors.finding import Finding\n"
        "def detect(seen):\n    yield Finding('theirs', 'all', 0.5, 'A sentence.')\n"
    )
    info = tmp_path / "theirs-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[{GROUP}]\ntheirs = theirs:detect\n")
    monkeypatch.syspath_prepend(tmp_path)
    points = [one for one in installed() if one.name == "theirs"]
    assert [one.kind for one in run_all(seen({}), points).findings] == ["theirs"]
