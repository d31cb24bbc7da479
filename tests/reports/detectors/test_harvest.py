"""Networks that harvest, and days on which much is refused: out of plain figures, and out of a store."""

from datetime import timedelta

import numpy as np
import pytest

from hoptrail_reports.detectors.finding import Observations
from hoptrail_reports.detectors.harvest import detect
from hoptrail_reports.detectors.records import observations
from hoptrail_reports.refusals import Harvest
from hoptrail_reports.topology import tables
from hoptrail_reports.topology.traffic import Traffic
from hoptrail_store.store import Store
from reports.night_samples import DAY, NOON, fill, refused, settings

ONE_DAY = timedelta(days=1)


def of_networks(*networks):
    return list(detect(Observations((DAY,), np.ones(1, bool), harvests=networks)))


def of_days(*refused_of_1000):
    days = tuple(DAY - timedelta(days=n) for n in range(len(refused_of_1000) - 1, -1, -1))
    counts = np.array(refused_of_1000)
    return list(detect(Observations(days, np.ones(len(days), bool), refused=counts, named=np.full(len(days), 1000))))


@pytest.mark.parametrize(
    ("accepted", "refusals", "named"),
    [(0, 20, True), (0, 19, False), (300, 310, False), (100, 300, True), (5000, 60, False), (3, 4, False)],
)
def test_a_network_harvests_where_it_is_surely_refused_most_of_what_it_names(accepted, refusals, named):
    assert bool(of_networks(Harvest("203.0.113.0/24", 5, accepted, refusals, 2))) is named


def test_sentence_and_evidence_tell_count_share_and_breadth():
    [found] = of_networks(Harvest("203.0.113.0/24", 30, 10, 190, 6))
    assert found.sentence == (
        "203.0.113.0/24 seems to harvest: 190 recipients refused, 95% of those it named, "
        "in 30 sessions over 6 hours; 10 were accepted."
    )
    assert found.evidence == {"refused": 190, "accepted": 10, "share": 0.95, "sessions": 30, "hours": 6}


def test_who_tries_more_and_longer_is_ranked_first():
    networks = [Harvest("a", 9, 0, 4000, 20), Harvest("b", 9, 0, 400, 20), Harvest("c", 9, 0, 400, 1)]
    scores = {one.subject: one.score for one in of_networks(*networks)}
    assert scores["a"] > scores["b"] > scores["c"]


def test_a_day_is_held_against_its_own_past():
    usual = [20, 25, 22, 30, 18, 24, 21] * 3
    [found] = of_days(*usual, 300)
    assert (found.kind, found.evidence["share"], found.evidence["refused"]) == ("refused share", 0.3, 300)
    assert found.sentence == "30% of all recipients named were refused, 300 of 1,000; 2.2% is usual."
    assert not of_days(*usual, 32)
    assert not of_days(*(400, 380, 420) * 7, 410)


def test_a_day_is_not_judged_by_less_than_two_weeks():
    assert not of_days(*[20] * 13, 300)
    assert of_days(*[20] * 14, 300)


def test_refusals_of_the_store_reach_the_detector_with_the_shares_of_earlier_nights(tmp_path):
    found = settings(tmp_path)
    hours = [refused(refused=15, at=NOON - timedelta(hours=n)) for n in range(3)]
    fill(found, [], [*hours, refused("198.51.100.0/24", 2), refused(refused=999, at=NOON - ONE_DAY)])
    with Store.open(found.store) as store:
        for back, figures in ((2, {"refusals": 3, "recipients": 7}), (0, {"refusals": 47, "recipients": 4})):
            tables.put_day(store, DAY - back * ONE_DAY, Traffic(), figures)
        seen = observations(store.db.conn, DAY, Traffic(), new_after_days=28)
    assert seen.harvests == (Harvest("203.0.113.0/24", 27, 3, 45, 3), Harvest("198.51.100.0/24", 9, 1, 2, 1))
    assert list(zip(seen.refused[-3:], seen.named[-3:], strict=True)) == [(3, 10), (0, 0), (47, 51)]
    assert [one.subject for one in detect(seen)] == ["203.0.113.0/24"]
