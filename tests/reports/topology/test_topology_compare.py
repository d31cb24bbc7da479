import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoptrail_reports.topology.compare import (
    Comparison,
    adjusted,
    compare,
    jensen_shannon,
    ranks_differ,
    two_proportions,
)
from hoptrail_reports.topology.delays import delay_stats
from hoptrail_reports.topology.graph import relay_map
from hoptrail_reports.topology.traffic import traffic
from reports.topology.relay_samples import way, ways


def drawn(*messages):
    return relay_map(traffic(messages))


def many(count, *relays, delay=1):
    return [way(*relays, delays=(0, *[delay] * (len(relays) - 2)), at=at) for at in range(count)]


def test_a_map_does_not_differ_from_itself():
    one = relay_map(traffic(ways(60, 500)))
    same = compare(one, one)
    assert same == Comparison((), (), (), (), (), (), (), 0.0)


def test_added_and_removed_are_told_busiest_first():
    before = drawn(*many(3, "a.example", "mx.example"), *many(1, "b.example", "mx.example"))
    after = drawn(*many(1, "c.example", "mx.example"), *many(2, "d.example", "mx.example"))
    found = compare(before, after)
    assert found.relays_added == ("d.example", "c.example")
    assert found.relays_removed == ("a.example", "b.example")
    assert found.links_added[0] == ("d.example", "mx.example")
    assert found.links_removed[0] == ("a.example", "mx.example")
    assert found.divergence == 1


def test_a_share_that_moved_beyond_chance_is_told_and_one_within_it_is_not():
    before = drawn(*many(300, "a.example", "mx.example"), *many(700, "b.example", "mx.example"))
    moved = drawn(*many(500, "a.example", "mx.example"), *many(500, "b.example", "mx.example"))
    still = drawn(*many(310, "a.example", "mx.example"), *many(690, "b.example", "mx.example"))
    assert {shift.link for shift in compare(before, moved).shares} == {
        ("a.example", "mx.example"),
        ("b.example", "mx.example"),
    }
    assert not compare(before, still).shares


def test_a_slower_link_is_told_with_its_medians():
    before = drawn(*many(40, "a.example", "b.example", "mx.example", delay=3))
    after = drawn(*many(40, "a.example", "b.example", "mx.example", delay=400))
    [shift] = compare(before, after).delays
    assert (shift.link, shift.before_s, shift.after_s) == (("b.example", "mx.example"), 3, 400)


def test_a_relay_that_came_nearer_is_told_with_its_rows():
    before = drawn(way("a.example", "b.example", "mx.example"))
    after = drawn(way("a.example", "mx.example"), way("a.example", "b.example", "mx.example"))
    assert compare(before, after).rows == (("a.example", 2, 1),)


@given(st.lists(st.floats(0, 1), max_size=30))
def test_adjusted_p_values_are_never_smaller_and_keep_their_order(p_values):
    found = adjusted(np.array(p_values)).tolist()
    assert all(q >= p * (1 - 1e-9) for p, q in zip(p_values, found, strict=True))
    assert sorted(found) == [q for _, q in sorted(zip(p_values, found, strict=True))]


def test_adjustment_gives_the_textbooks_values():
    assert adjusted(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.02, 0.04, 0.04, 0.02])


def test_two_proportions_gives_the_textbooks_value():
    assert two_proportions(np.array([30, 5]), 100, np.array([50, 5]), 100) == pytest.approx([0.003892, 1], abs=1e-5)
    assert two_proportions(np.array([0]), 0, np.array([5]), 10) == 1


shares = st.dictionaries(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz")), st.integers(1, 99), min_size=1)


@given(shares, shares)
def test_divergence_is_a_symmetric_distance_between_zero_and_one(left, right):
    left, right = (
        np.array([counts.get(key, 0) for key in {**left, **right}]) / sum(counts.values()) for counts in (left, right)
    )
    found = jensen_shannon(left, right)
    assert 0 <= found <= 1
    assert found == pytest.approx(jensen_shannon(right, left))
    assert jensen_shannon(left, left) == pytest.approx(0, abs=1e-6)


@given(st.lists(st.integers(0, 20_000), max_size=40), st.lists(st.integers(0, 20_000), max_size=40))
def test_the_rank_test_gives_a_probability_and_does_not_mind_the_order(left, right):
    left, right = (np.array([delay_stats(delays).counts]) for delays in (left, right))
    assert 0 <= ranks_differ(left, right) <= 1
    assert ranks_differ(left, right) == pytest.approx(ranks_differ(right, left))
