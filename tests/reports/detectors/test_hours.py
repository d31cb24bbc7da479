"""The hours of a day, out of the store's mail, and as they are kept for the weeks after."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from hoptrail_reports.detectors.hours import Hours, day_hours, put_hours, stored_courses, usual_pairs
from hoptrail_reports.detectors.records import observations
from hoptrail_reports.topology import tables
from hoptrail_reports.topology.delays import DelayStats
from hoptrail_reports.topology.engine import open_parts, whole_days
from hoptrail_reports.topology.traffic import Traffic
from hoptrail_reports.topology.usage import Link, LinkStats
from hoptrail_store.archive.moving import move_days
from hoptrail_store.store import Store
from reports.night_samples import DAY, NOON, fill, message, settings

MX = "mx.example.org"
LINK = ("busy.example.net", MX)
ONE_DAY = timedelta(days=1)


@pytest.fixture
def store(tmp_path):
    with Store.open(settings(tmp_path).store) as opened:
        yield opened


def hours(counts):
    return Hours([LINK, ("example.net", "example.net")], np.array([counts, counts], np.uint32))


def test_days_are_kept_with_their_hours_and_delays_and_a_missing_one_is_empty(store):
    counts = [0] * 23 + [70_000]
    delays = DelayStats(4, 8, min_s=2, max_s=2)
    traffic = Traffic.of(9, {Link(*LINK, observed=True): LinkStats(9, 9, delays=delays)})
    put_hours(store, DAY - 2 * ONE_DAY, hours([1] * 24), traffic)
    put_hours(store, DAY, hours(counts), traffic)
    link, domain = stored_courses(store.db.conn, DAY - 2 * ONE_DAY, DAY)
    assert (link.subject, domain.subject) == (f"{LINK[0]} -> {MX}", "example.net")
    assert link.hours.tolist() == [[1] * 24, [0] * 24, counts]
    assert link.delays.tolist() == [4, 0, 4]
    assert np.isnan(link.median_s[1])


def test_a_day_without_links_is_kept_as_one(store):
    put_hours(store, DAY, Hours([], np.zeros((0, 24), np.uint32)), Traffic())
    assert stored_courses(store.db.conn, DAY, DAY) == []


def test_a_link_is_usual_that_was_busy_lately(store):
    put_hours(store, DAY - 2 * ONE_DAY, hours([1] * 24), Traffic())
    put_hours(store, DAY - ONE_DAY, hours([0] * 23 + [1]), Traffic())
    assert LINK in usual_pairs(store.db.conn, DAY)
    assert not usual_pairs(store.db.conn, DAY - 2 * ONE_DAY)


@pytest.mark.parametrize(("usual", "kept"), [((), []), ((LINK, ("example.net",) * 2), [LINK, ("example.net",) * 2])])
def test_a_quiet_day_is_counted_only_for_a_usual_link(tmp_path, usual, kept):
    found = settings(tmp_path)
    fill(found, [message(LINK[0], at=NOON), message(LINK[0], at=NOON)])
    with open_parts(found.store, whole_days(DAY, DAY)) as parts:
        done = day_hours(parts, usual)
    assert done.pairs == kept
    assert done.counts[:, 12].tolist() == [2] * len(kept)


def test_hours_of_a_day_of_which_some_is_archived_are_those_of_all_its_mail(tmp_path):
    found = settings(tmp_path)
    there = replace(found.store, archive=str(tmp_path / "archive"))
    fill(found, [message(LINK[0], at=NOON), message("other.example.net", at=NOON), message(LINK[0], at=NOON)])
    with Store.open(there) as opened:
        move_days(opened, "mx1", before=DAY + ONE_DAY)
    fill(found, [message("late.example.org", at=NOON), message(LINK[0], at=NOON + timedelta(hours=1))])
    with open_parts(there, whole_days(DAY, DAY)) as parts:
        done = day_hours(parts, (LINK,))
        assert (len(parts.archived), len(parts.stored)) == (1, 1)
    assert done.pairs == [LINK, ("example.net",) * 2]
    assert done.counts[:, 12:14].tolist() == [[2, 1], [3, 1]]


def test_a_busy_link_is_new_that_is_on_no_earlier_map(store):
    def day_of(*sources):
        return Traffic.of(20, {Link(name, MX, observed=True): LinkStats(20, 20, first=0, last=9) for name in sources})

    tables.put_day(store, DAY - 3 * ONE_DAY, day_of("old.example"), {})
    seen = observations(store.db.conn, DAY, day_of("old.example", "new.example"), new_after_days=28)
    assert {link.source for link in seen.new_links} == {"new.example"}
    seen = observations(store.db.conn, DAY, day_of("old.example"), new_after_days=2)
    assert {link.source for link in seen.new_links} == {"old.example"}
