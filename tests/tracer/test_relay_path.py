from datetime import UTC, datetime, timedelta

from hoptrail_tracer.model import Hop, Received, Trust
from hoptrail_tracer.path import MAX_STEPS, relay_path

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def hop(by, *, ip=None, rdns=None, helo=None, trust=Trust.OBSERVED, at=0, status="parsed"):
    date = None if at is None else NOON + timedelta(seconds=at)
    return Hop(Received(status, ip=ip, rdns=rdns, helo=helo, by=by, date=date), trust)


def names(*newest_first):
    return [step.relay for step in relay_path(newest_first)]


def test_path_runs_oldest_first_and_its_delays_are_between_neighbours():
    way = relay_path(
        [
            hop("mx.example.org", ip="192.0.2.7", rdns="Out.Example.NET.", at=90),
            hop("out.example.net", ip="198.51.100.1", trust=Trust.CLAIMED, at=30),
        ]
    )
    assert [step.relay for step in way] == ["[198.51.100.1]", "out.example.net", "mx.example.org"]
    assert way[2].seconds_since(way[1]) == 60
    assert way[1].seconds_since(way[0]) is None
    assert [step.observed for step in way] == [False, False, True]


def test_delays_are_between_the_seconds_that_clocks_showed_as_lines_have_no_finer_date():
    way = relay_path([hop("mx.example.org", ip="192.0.2.7", rdns="a.example", at=2.9), hop("a.example", at=1)])
    assert way[1].seconds_since(way[0]) == 1


def test_a_stranger_is_named_by_what_our_host_saw_not_by_what_it_calls_itself():
    assert names(
        hop("mx.example.org", ip="203.0.113.9", helo="mail.bank.example"),
        hop("mail.bank.example", ip="198.51.100.1", trust=Trust.CLAIMED),
    ) == ["[198.51.100.1]", "[203.0.113.9]", "mx.example.org"]


def test_a_host_of_ours_is_named_by_its_own_line():
    assert names(
        hop("store.example.org", ip="10.0.0.5", rdns="internal-5.example.org"),
        hop("mx.example.org", ip="203.0.113.9", trust=Trust.TRUSTED),
    ) == ["[203.0.113.9]", "mx.example.org", "store.example.org"]


def test_a_strangers_private_name_yields_to_what_the_next_relay_saw():
    assert names(
        hop("mx.example.org", ip="192.0.2.7", rdns="out.example.net"),
        hop("out.example.net", ip="192.0.2.8", trust=Trust.CLAIMED),
        hop("exchange.corp.local", ip="10.1.1.1", trust=Trust.CLAIMED),
    ) == ["[10.1.1.1]", "[192.0.2.8]", "out.example.net", "mx.example.org"]


def test_a_hosts_own_filter_is_a_step_on_the_same_host():
    assert names(
        hop("mx.example.org", ip="127.0.0.1", helo="localhost"),
        hop("localhost", ip="127.0.0.1", helo="mx.example.org"),
        hop("mx.example.org", ip="203.0.113.9"),
    ) == ["[203.0.113.9]", "mx.example.org", "mx.example.org", "mx.example.org"]


def test_mail_picked_up_on_a_host_begins_there():
    assert names(hop("mx.example.org", ip="192.0.2.7", rdns="web.example.org"), hop("web.example.org")) == [
        "web.example.org",
        "mx.example.org",
    ]


def test_forged_lines_and_all_below_them_are_left_out():
    assert names(
        hop("mx.example.org", ip="203.0.113.9"),
        hop("mail.bank.example", ip="198.51.100.1", trust=Trust.FORGED),
        hop("deeper.bank.example", ip="198.51.100.2", trust=Trust.CLAIMED),
    ) == ["[203.0.113.9]", "mx.example.org"]


def test_lines_that_cannot_be_read_are_passed_over():
    assert names(
        hop("mx.example.org", ip="203.0.113.9"),
        hop("nonsense", status="unparseable"),
        hop("out.example.net", ip="198.51.100.1", trust=Trust.CLAIMED),
    ) == ["[198.51.100.1]", "[203.0.113.9]", "mx.example.org"]


def test_an_empty_chain_has_no_path():
    assert relay_path([]) == ()


def test_a_path_is_bounded_whatever_the_chain():
    chain = [hop(f"h{i}.example.net", ip=f"198.51.100.{i % 250}", trust=Trust.CLAIMED) for i in range(500)]
    assert len(relay_path(chain)) == MAX_STEPS + 1
