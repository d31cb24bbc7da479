import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoptrail_reports.topology.delays import (
    BUCKET_LABELS,
    BUCKETS,
    EDGES_S,
    LONGEST_S,
    NO_DELAYS,
    bucket,
    delay_stats,
)

delays = st.lists(st.integers(-100, LONGEST_S + 100), max_size=50)


@given(delays, delays)
def test_statistics_of_parts_add_up_to_those_of_the_whole(left, right):
    assert delay_stats(left) + delay_stats(right) == delay_stats(left + right)


@given(delays, delays, delays)
def test_adding_is_associative_and_commutative(a, b, c):
    a, b, c = map(delay_stats, (a, b, c))
    assert (a + b) + c == a + (b + c)
    assert a + b == b + a
    assert a + NO_DELAYS == a


@given(st.lists(st.integers(0, LONGEST_S), min_size=2, max_size=50))
def test_moments_are_those_of_the_delays(values):
    stats = delay_stats(values)
    assert stats.mean_s == pytest.approx(statistics.fmean(values))
    assert stats.variance == pytest.approx(statistics.variance(values), rel=1e-6, abs=1e-6)


@given(st.lists(st.integers(0, LONGEST_S), min_size=1, max_size=50))
def test_the_median_lies_in_the_bucket_of_the_true_one(values):
    assert bucket(int(delay_stats(values).median_s)) in {
        bucket(statistics.median_low(values)),
        bucket(statistics.median_low(values)) + 1,
    }


@given(st.integers(0, LONGEST_S), st.integers(1, 50))
def test_equal_delays_have_that_median_and_no_deviation(value, count):
    stats = delay_stats([value] * count)
    assert (stats.median_s, stats.mad_s) == (value, 0)


@given(delays)
def test_every_delay_is_counted_once(values):
    stats = delay_stats(values)
    assert stats.n + stats.skewed == len(values)
    assert sum(stats.counts) == stats.n


def test_negative_and_impossible_delays_are_counted_apart():
    stats = delay_stats([-1, 5, LONGEST_S + 1])
    assert (stats.n, stats.skewed, stats.min_s, stats.max_s) == (1, 2, 5, 5)


def test_a_delay_falls_into_the_bucket_that_begins_at_or_below_it():
    assert [bucket(seconds) for seconds in (0, 1, 4, 5, 299, 14_399, 14_400)] == [0, 1, 1, 2, 5, 12, 13]


def test_retries_of_greylisted_mail_fall_into_buckets_of_their_own():
    windows = [bucket(seconds) for seconds in (300, 600, 900, 1_800)]
    assert windows == [5, 7, 9, 11]
    assert len(EDGES_S) + 1 == len(BUCKET_LABELS) == BUCKETS


def test_nothing_is_known_of_no_delays():
    assert (NO_DELAYS.mean_s, NO_DELAYS.variance, NO_DELAYS.median_s, NO_DELAYS.mad_s) == (None, None, None, None)
