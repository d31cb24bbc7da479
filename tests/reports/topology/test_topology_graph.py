import math
from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hoptrail_reports.topology.colours import Colour, Thresholds, colour
from hoptrail_reports.topology.graph import Standing, relay_map
from hoptrail_reports.topology.grouping import group, magnitude, owner
from hoptrail_reports.topology.rows import PRUNED
from hoptrail_reports.topology.rows import prune_and_lower as prune_and_lower_columns
from hoptrail_reports.topology.traffic import traffic
from hoptrail_tracer.handover import looped_steps
from reports.topology.relay_samples import way, ways

nodes = st.integers(0, 14)
graphs = st.dictionaries(nodes, st.frozensets(nodes, max_size=4), max_size=15).map(
    lambda edges: {str(v): {str(w) for w in edges.get(v, ())} for v in range(15)}
)


def prune_and_lower(first_rows, followers, roots):
    """Rows by relay, out of rows and followers by relay."""
    relays = list(first_rows)
    links = [(relays.index(near), relays.index(far)) for near, found in followers.items() for far in found]
    near, far = np.array(links, np.int64).reshape(-1, 2).T
    rows = prune_and_lower_columns(
        np.array([*first_rows.values()]), near, far, np.array([relays.index(root) for root in roots])
    )
    return {relay: row for relay, row in zip(relays, rows.tolist(), strict=True) if row != PRUNED}


def distances(followers, roots):
    """Multi-source breadth-first search, the plain way."""
    found = dict.fromkeys(roots, 0)
    front = list(roots)
    while front:
        reached = {w for v in front for w in followers[v] if w not in found}
        found |= dict.fromkeys(reached, found[front[0]] + 1)
        front = sorted(reached)
    return found


@given(graphs, st.sets(nodes, min_size=1, max_size=3), st.data())
def test_rows_are_the_distance_to_the_roots_where_first_rows_are_no_higher(followers, roots, data):
    roots = {str(root) for root in roots}
    distance = distances(followers, roots)
    first = {v: 0 if v in roots else distance.get(v, 0) + data.draw(st.integers(0, 5)) for v in followers}
    assert prune_and_lower(first, followers, roots) == distance


@given(graphs, st.sets(nodes, min_size=1, max_size=3), st.lists(st.integers(0, 9), min_size=15, max_size=15))
def test_rows_are_at_a_fixed_point_and_none_is_empty(followers, roots, first):
    roots = {str(root) for root in roots}
    first = {v: first[int(v)] for v in followers}
    rows = prune_and_lower(first, followers, roots)
    assert set(rows) == set(distances(followers, roots))
    assert all(rows[w] <= rows[v] + 1 for v in rows for w in followers[v])
    assert set(rows.values()) == set(range(len(set(rows.values()))))


def test_a_cycle_that_feeds_itself_is_pruned():
    rows = prune_and_lower({"root": 0, "a": 1, "b": 1, "c": 2}, {"root": {"a"}, "b": {"c"}, "c": {"b"}}, ["root"])
    assert rows == {"root": 0, "a": 1}


@given(st.integers(0, 1_000), st.integers(1, 1_000), st.booleans())
def test_every_link_has_exactly_one_colour(messages, total, looped):
    share = messages / total
    paint = colour(messages, total, looped=looped, thresholds=Thresholds())
    expected = (
        Colour.GREEN if looped else Colour.BLUE if share >= 0.99 else Colour.RED if share < 0.05 else Colour.PURPLE
    )
    assert paint is expected


def test_colours_change_exactly_at_their_thresholds():
    shades = [colour(n, 100, looped=False, thresholds=Thresholds()) for n in (4, 5, 98, 99)]
    assert shades == [Colour.RED, Colour.PURPLE, Colour.PURPLE, Colour.BLUE]


@given(st.lists(st.sampled_from("abcd"), max_size=9))
def test_a_handover_is_looped_if_some_relay_was_left_before_it_and_met_again_after_it(relays):
    expected = {
        step
        for step in range(len(relays) - 1)
        if relays[step] != relays[step + 1]
        and any(
            relays[i] == relays[j] and len(set(relays[i : j + 1])) > 1
            for i in range(step + 1)
            for j in range(step + 1, len(relays))
        )
    }
    assert looped_steps(relays) == expected


def test_a_cycle_of_the_aggregate_is_no_loop():
    drawn = relay_map(
        traffic([way("a.example", "b.example", "mx.example"), way("b.example", "a.example", "mx.example")])
    )
    assert Colour.GREEN not in {edge.colour for edge in drawn.edges.values()}


def test_groups_hold_every_relay_once_and_only_what_is_alike():
    drawn = relay_map(traffic(ways(200, 3_000)))
    messages = {relay: stats.messages for relay, stats in drawn.relays.items()}
    followers = {relay: len(drawn.into.get(relay, ())) for relay in drawn.relays}
    groups = group(drawn.relays, messages, followers, drawn.rows)
    assert Counter(relay for members in groups.values() for relay in members) == Counter(list(drawn.relays))
    for key, members in groups.items():
        for relay in members:
            assert (owner(relay), magnitude(messages[relay]), followers[relay], drawn.rows[relay]) == key
    assert len(groups) < len(drawn.relays)


@given(st.integers(1, 10**12))
def test_magnitude_is_the_order_of_ten(count):
    assert 10 ** magnitude(count) <= count < 10 ** (magnitude(count) + 1)
    assert abs(magnitude(count) - math.log10(count)) <= 1


def test_owner_is_the_registrable_domain_or_the_network():
    assert owner("mail-ej1-f49.google.com") == "google.com"
    assert owner("mx.shop.co.uk") == "shop.co.uk"
    assert owner("co.uk") == "co.uk"
    assert owner("exchange") == "exchange"
    assert owner("[192.0.2.77]") == "192.0.2.0/24"
    assert owner("[2001:db8:1:2::3]") == "2001:db8:1::/48"


def test_standing_tells_what_we_know_of_a_relay():
    drawn = relay_map(traffic([way("a.example", "b.example", "mx.example", observed=1)]))
    assert drawn.standing == {"a.example": Standing.CLAIMED, "b.example": Standing.SEEN, "mx.example": Standing.OURS}


def test_links_inside_one_host_are_its_filter_and_not_drawn():
    drawn = relay_map(traffic([way("a.example", "mx.example", "mx.example", observed=2)]))
    assert list(drawn.edges) == [("a.example", "mx.example")]
    assert drawn.filters["mx.example"].traversals == 1


def test_rows_of_a_map_are_the_distance_from_our_hosts():
    drawn = relay_map(
        traffic([way("a.example", "b.example", "c.example", "mx.example"), way("a.example", "mx.example")])
    )
    assert drawn.rows == {"mx.example": 0, "c.example": 1, "a.example": 1, "b.example": 2}


def test_a_chosen_root_prunes_what_it_does_not_lead_to():
    mail = [way("a.example", "mx1.example"), way("b.example", "mx2.example")]
    drawn = relay_map(traffic(mail), roots=["mx1.example"])
    assert set(drawn.rows) == {"mx1.example", "a.example"}
    assert drawn.pruned == 2
