"""What the site saw of relays is learnt once a day, from lines that can be believed, and told when asked for."""

from datetime import timedelta

import pytest

from hoptrail_store import learning
from hoptrail_store.history import StoreHistory, open_history
from hoptrail_store.learning import learn
from hoptrail_store.reader import open_readonly
from hoptrail_store.store import Store
from hoptrail_tracer.fingerprint import shape
from hoptrail_tracer.history import SeenLink, SeenShape
from hoptrail_tracer.model import Hop, Origin, Received, Trace, Trust
from store.samples import DAY, a_received, a_trace


@pytest.fixture
def store(settings):
    with Store.open(settings) as store:
        yield store


@pytest.fixture
def history(store):
    return StoreHistory(store.db.conn)


OURS = a_received(1, DAY)  # relay1 delivered to relay0, which is ours


def test_nothing_is_known_at_first(history):
    assert history.seen_shape("relay0.example.net", "x") == SeenShape()
    assert history.seen_link("a", "b") == SeenLink()


def test_a_believed_line_and_link_are_learnt(store, history, make_record):
    store.put([make_record(), make_record()])
    assert learn(store, DAY.date()) == 2
    seen = history.seen_shape("relay0.example.net", shape(OURS))
    assert (seen.count, seen.lines, seen.since) == (2, 2, DAY)
    assert history.seen_link("relay1.example.net", "relay0.example.net") == SeenLink(2, 2, 2, 0.0)


def test_a_day_is_learnt_once(store, history, make_record):
    store.put([make_record()])
    assert learn(store, DAY.date()) == 1
    assert learn(store, DAY.date()) == 0
    assert history.seen_link("relay1.example.net", "relay0.example.net").count == 1


def test_a_message_without_a_line_that_can_be_read_teaches_nothing_and_hides_no_other(store, history, make_record):
    store.put([make_record(trace=trace_of()), make_record()])
    assert learn(store, DAY.date()) == 2
    assert history.seen_link("relay1.example.net", "relay0.example.net").count == 1


def test_days_add_up(store, history, make_record):
    for day in range(3):
        at = DAY + timedelta(days=day)
        store.put([make_record(at=at, trace=a_trace(at))])
        learn(store, at.date())
    seen = history.seen_shape("relay0.example.net", shape(OURS))
    assert (seen.lines, seen.since) == (3, DAY)
    assert history.seen_link("relay1.example.net", "elsewhere") == SeenLink(0, 3, 0, None)


def trace_of(*hops: tuple[Trust, Received]) -> Trace:
    origin = Origin(None, None, Trust.CLAIMED, 0.0, "none")
    return Trace(tuple(Hop(received, trust, None, (), line) for line, (trust, received) in enumerate(hops)), origin)


def line(by: str, rdns: str, minute: int = 0) -> Received:
    return Received(
        "parsed", ip="203.0.113.1", rdns=rdns, by=by, software="Postfix", date=DAY + timedelta(minutes=minute)
    )


def test_a_named_clients_own_line_is_learnt_from_and_none_below_it(store, history, make_record):
    trace = trace_of(
        (Trust.OBSERVED, line("mx.example.org", "mail.example.net")),
        (Trust.CLAIMED, line("mail.example.net", "deep.example.com")),
        (Trust.CLAIMED, line("deep.example.com", "deeper.example.com")),
    )
    store.put([make_record(trace=trace)])
    learn(store, DAY.date())
    assert history.seen_shape("mail.example.net", "").lines == 1
    assert history.seen_shape("deep.example.com", "").lines == 0
    assert history.seen_link("deep.example.com", "mail.example.net").count == 0


def test_a_line_in_anothers_name_teaches_nothing(store, history, make_record):
    trace = trace_of(
        (Trust.OBSERVED, line("mx.example.org", "spammer.example.net")),
        (Trust.CLAIMED, line("mail.bank.example", "anything.example.com")),
    )
    store.put([make_record(trace=trace)])
    learn(store, DAY.date())
    assert history.seen_shape("mail.bank.example", "").lines == 0


def test_how_far_dates_run_back_is_learnt(store, history, make_record):
    for minutes in (5, 2):
        trace = trace_of(
            (Trust.OBSERVED, line("mx.example.org", "mail.example.net")),
            (Trust.CLAIMED, line("mail.example.net", "deep.example.com", minute=minutes)),
        )
        store.put([make_record(trace=trace)])
    learn(store, DAY.date())
    assert history.seen_link("mail.example.net", "mx.example.org").skew_s == 300


def test_a_host_that_varies_its_lines_fills_no_table(store, make_record, monkeypatch):
    monkeypatch.setattr(learning, "_SHAPES_MAX", 3)
    for number in range(9):
        ours = Received("parsed", by="mx.example.org", software="ABCDEFGHI"[number], date=DAY)
        store.put([make_record(trace=trace_of((Trust.TRUSTED, ours)))])
    learn(store, DAY.date())
    assert store.db["shape_seen"].count == 3


def test_a_young_history_is_not_asked(store, settings):
    for day in range(7):
        with open_readonly(settings.path) as reader:
            assert open_history(reader) is None
        learn(store, (DAY + timedelta(days=day)).date())
    with open_readonly(settings.path) as reader:
        assert open_history(reader) is not None
