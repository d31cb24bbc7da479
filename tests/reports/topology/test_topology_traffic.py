from hypothesis import given
from hypothesis import strategies as st

from hoptrail_reports.topology.traffic import Traffic, traffic
from hoptrail_reports.topology.usage import Link, LinkStats, RelayStats
from reports.topology.relay_samples import way, ways

relays = st.sampled_from([f"{letter}.example" for letter in "abcde"])
some_ways = st.lists(
    st.builds(
        lambda names, at: way(*names, observed=len(names) // 2, at=at),
        st.lists(relays, min_size=1, max_size=6),
        st.integers(0, 86_400),
    ),
    max_size=12,
)


@given(some_ways, some_ways)
def test_traffic_of_two_days_adds_up_to_that_of_both(monday, tuesday):
    assert traffic(monday) + traffic(tuesday) == traffic(monday + tuesday)


@given(some_ways, some_ways, some_ways)
def test_adding_traffic_is_associative_and_commutative(a, b, c):
    a, b, c = map(traffic, (a, b, c))
    assert (a + b) + c == a + (b + c)
    assert a + b == b + a
    assert a + Traffic() == a


@given(some_ways)
def test_hops_are_the_handovers_of_all_messages(messages):
    assert traffic(messages).hops == sum(len(message.steps) - 1 for message in messages)


@given(some_ways)
def test_a_message_counts_once_for_each_relay_and_link_it_used(messages):
    seen = traffic(messages)
    for name, stats in seen.relays.items():
        assert stats.messages == sum(any(s.relay == name for s in message.steps) for message in messages)
    assert all(stats.messages <= stats.traversals for stats in seen.links.values())


def test_a_link_keeps_observed_and_claimed_use_apart():
    seen = traffic([way("a.example", "b.example", "mx.example", observed=1), way("a.example", "b.example", observed=1)])
    assert seen.links[Link("a.example", "b.example", observed=False)].messages == 1
    assert seen.links[Link("a.example", "b.example", observed=True)].messages == 1


def test_delays_and_times_to_the_root_are_those_of_the_way():
    seen = traffic([way("a.example", "b.example", "c.example", "mx.example", delays=(0, 20, 300))])
    assert seen.links[Link("c.example", "mx.example", observed=True)].delays.sum_s == 300
    assert seen.relays["b.example"].reach.sum_s == 320
    assert seen.relays["a.example"].reach.n == 0  # the first relay left no date
    assert seen.relays["mx.example"].reach.sum_s == 0


def test_negative_delays_are_counted_as_skew():
    link = traffic([way("a.example", "b.example", "mx.example", delays=(0, -7))]).links[
        Link("b.example", "mx.example", observed=True)
    ]
    assert (link.delays.n, link.delays.skewed) == (0, 1)


def test_ranks_count_machines_from_the_root_so_a_hosts_own_filter_is_no_step():
    seen = traffic([way("a.example", "mx.example", "mx.example", "mx.example", "store.example")])
    assert {relay: dict(stats.ranks) for relay, stats in seen.relays.items()} == {
        "store.example": {0: 1},
        "mx.example": {1: 1},
        "a.example": {2: 1},
    }
    assert seen.links[Link("mx.example", "mx.example", observed=False)].traversals == 2


def test_a_relay_that_is_passed_twice_has_both_ranks_and_its_loop_is_marked():
    seen = traffic([way("a.example", "mx.example", "filter.example", "mx.example", "store.example", observed=4)])
    assert seen.relays["mx.example"].ranks == {1: 1, 3: 1}
    assert seen.relays["mx.example"].row == 1
    looped = {(link.source, link.target) for link, stats in seen.links.items() if stats.looped}
    assert looped == {("mx.example", "filter.example"), ("filter.example", "mx.example")}


def test_from_a_chosen_root_only_what_lies_behind_it_is_counted():
    mail = [way("a.example", "root.example", "b.example", "c.example"), way("x.example", "y.example")]
    onwards = traffic(mail, root="root.example", direction="from")
    assert onwards.messages == 1
    assert {relay: stats.row for relay, stats in onwards.relays.items()} == {
        "root.example": 0,
        "b.example": 1,
        "c.example": 2,
    }
    assert onwards.relays["c.example"].reach.sum_s == 2
    back = traffic(mail, root="root.example", direction="to")
    assert {relay: stats.row for relay, stats in back.relays.items()} == {"root.example": 0, "a.example": 1}


def test_sums_of_nothing_are_nothing():
    assert LinkStats() + LinkStats() == LinkStats()
    assert RelayStats() + RelayStats() == RelayStats()
    assert traffic([]) == Traffic()


def test_a_days_parts_by_any_seed_add_up():
    mail = list(ways(60, 400, seed=7))
    assert traffic(mail[:150]) + traffic(mail[150:]) == traffic(mail)
