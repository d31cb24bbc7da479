"""Links and relays in columns are the mappings they were made of."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoptrail_reports.topology.columns import Links, Listed, Relays, narrowed
from hoptrail_reports.topology.delays import delay_stats
from hoptrail_reports.topology.usage import Link, LinkStats, RelayStats

names = st.sampled_from([f"{letter}.example" for letter in "abcde"])
counts = st.integers(0, 10**12)
moments = st.none() | st.integers(-(10**9), 10**10)
delays = st.lists(st.integers(-50, 900_000), max_size=6).map(delay_stats)
links = st.dictionaries(
    st.builds(Link, names, names, st.booleans()), st.builds(LinkStats, counts, counts, counts, delays, moments, moments)
)
ranks = st.dictionaries(st.integers(0, 63), st.integers(1, 10**9), max_size=4)
relays = st.dictionaries(names, st.builds(RelayStats, counts, ranks, delays, moments, moments))


@given(links)
def test_links_come_back_as_they_were_put_in_and_in_order(found):
    made = Links.of(found)
    assert made == found
    assert list(made) == sorted(found)
    assert all(made[link] == stats for link, stats in found.items())


@given(relays)
def test_relays_come_back_as_they_were_put_in_and_in_order(found):
    made = Relays.of(found)
    assert made == found
    assert list(made) == sorted(found)


@given(links, st.builds(Link, names, names, st.booleans()))
def test_a_link_is_there_only_where_it_was_put_in(found, link):
    made = Links.of(found)
    assert (link in made) == (link in found)
    assert made.get(link) == found.get(link)


def test_a_link_that_is_not_there_is_named():
    with pytest.raises(KeyError, match=r"z\.example"):
        Links.of({})[Link("z.example", "a.example", observed=True)]


@given(relays, st.lists(st.booleans(), min_size=5, max_size=5))
def test_relays_that_are_taken_keep_their_figures(found, which):
    made = Relays.of(found)
    taken = made.taken(np.array(which[: len(made)], bool))
    assert taken == {name: found[name] for name, kept in zip(sorted(found), which, strict=False) if kept}


@given(st.lists(st.integers(-(2**63), 2**63 - 1)))
def test_a_column_made_narrower_holds_the_same(values):
    assert narrowed(np.array(values, np.int64)).tolist() == values


def test_a_column_takes_no_more_bytes_than_its_numbers_need():
    widths = [narrowed(np.array([0, most])).itemsize for most in (127, 128, 32_767, 32_768, 2**31 - 1, 2**31)]
    assert widths == [1, 2, 2, 4, 4, 8]


def test_what_is_listed_makes_only_what_is_asked_for():
    made = []

    def squares(places):
        made.extend(places.tolist())
        return iter((places * places).tolist())

    listed = Listed(np.array([3, 1, 2]), squares)
    assert (len(listed), listed[0], listed[-1], listed[1:]) == (3, 9, 4, (1, 4))
    assert made == [3, 2, 1, 2]
    assert listed == (9, 1, 4)
    with pytest.raises(IndexError):
        listed[3]
