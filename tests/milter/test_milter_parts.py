import logging
import os
import sys
from datetime import UTC, date, datetime

import pytest

from hoptrail_milter.breaker import Breaker
from hoptrail_milter.counters import LATENCY_BOUNDS_S, Board
from hoptrail_milter.log import Log, line, open_log
from hoptrail_milter.message import FIELD_BYTES_MAX, Message
from hoptrail_milter.notes import NOTE_BYTES, Notes
from hoptrail_milter.recording import BURST_BYTES, LATEST_S, Pace
from hoptrail_milter.refusals import Refusals
from hoptrail_milter.relay_line import envelope_lines
from hoptrail_milter.relaymemory import RelayMemory
from hoptrail_milter.settings import MilterSettings
from hoptrail_milter.status import document, prometheus
from hoptrail_store.learning import learn
from hoptrail_store.records import RefusalCount
from hoptrail_store.settings import StoreSettings
from hoptrail_store.store import Store
from hoptrail_tracer.history import SeenLink, SeenShape
from hoptrail_tracer.model import Connection

NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_breaker_opens_after_failures_in_a_row_and_lets_one_try_after_the_pause():
    clock = Clock()
    breaker = Breaker(2, 30.0, clock)
    breaker.failed()
    assert breaker.allows()
    breaker.failed()
    assert breaker.is_open
    assert not breaker.allows()
    clock.now = 30.0
    assert [breaker.allows(), breaker.allows()] == [True, False]


def test_breaker_closes_with_the_first_good_answer():
    breaker = Breaker(1, 30.0, Clock())
    breaker.failed()
    breaker.succeeded()
    assert not breaker.is_open
    assert breaker.allows()


def test_breaker_forgets_failures_that_were_not_in_a_row():
    breaker = Breaker(2, 30.0, Clock())
    for _ in range(3):
        breaker.failed()
        breaker.succeeded()
    assert not breaker.is_open


def test_counters_of_all_workers_are_summed():
    board = Board(2)
    first, second = board.worker(0), board.worker(1)
    first.add("messages")
    second.add("messages", 2)
    first.observe(0.002)
    second.observe(1e9)
    totals = board.totals()
    assert totals.values["messages"] == 3
    assert totals.latency[1] == 1
    assert totals.latency[len(LATENCY_BOUNDS_S)] == 1


def test_counters_go_on_where_a_dead_worker_left_them_and_gauges_begin_anew():
    board = Board(1)
    dead = board.worker(0)
    dead.add("messages", 5)
    dead.add("sessions")
    board.worker(0).add("messages")
    assert board.totals().values["messages"] == 6
    assert board.totals().values["sessions"] == 0


def test_prometheus_buckets_are_cumulative():
    board = Board(1)
    worker = board.worker(0)
    for seconds in (0.0001, 0.002, 100.0):
        worker.observe(seconds)
    text = prometheus(board.totals())
    assert 'hoptrail_reply_seconds_bucket{le="0.001"} 1' in text
    assert 'hoptrail_reply_seconds_bucket{le="60.0"} 2' in text
    assert 'hoptrail_reply_seconds_bucket{le="+Inf"} 3' in text
    assert "hoptrail_reply_seconds_count 3" in text


def test_document_names_every_counter():
    assert document(Board(1).totals())["counters"]["lost"] == 0


def test_refusals_are_counted_per_network_and_hour():
    refusals = Refusals("mx.example.org")
    refusals.count("203.0.113.9", NOON.replace(minute=7), accepted=1, refused=2)
    refusals.count("203.0.113.77", NOON.replace(minute=59), accepted=0, refused=3)
    refusals.count("2001:db8:1:2:3::4", NOON, accepted=0, refused=1)
    assert refusals.drain(NOON) == [
        RefusalCount("mx.example.org", "203.0.113.0/24", NOON, 2, 1, 5),
        RefusalCount("mx.example.org", "2001:db8:1:2::/64", NOON, 1, 0, 1),
    ]


def test_refusals_are_handed_over_once():
    refusals = Refusals("mx")
    refusals.count("203.0.113.9", NOON, accepted=0, refused=2)
    refusals.drain(NOON)
    assert refusals.drain(NOON) == []


def test_refusals_bring_the_accepted_recipients_of_the_same_hour_along():
    refusals = Refusals("mx")
    refusals.count("203.0.113.9", NOON, accepted=90, refused=0)
    assert refusals.drain(NOON) == []
    refusals.count("203.0.113.9", NOON, accepted=0, refused=1)
    assert refusals.drain(NOON) == [RefusalCount("mx", "203.0.113.0/24", NOON, 2, 90, 1)]


def test_log_writes_no_line_for_a_sender():
    text = line("lost", {"queue": "4dD1Zx", "error": 'x\r\nfaked="line"', "none": None})
    assert text == r"""lost queue=4dD1Zx error='x\r\nfaked="line"'"""


def test_log_counts_a_fault_that_repeats(caplog):
    clock = Clock()
    logger = logging.getLogger("hoptrail.milter.test")
    log = Log(logger, clock)
    for _ in range(5):
        log.fault("fault", "spamd is gone", queue="a")
    log.fault("fault", "another")
    clock.now = 61.0
    log.fault("fault", "spamd is gone", queue="b")
    assert [record.getMessage() for record in caplog.records] == [
        "fault error='spamd is gone' queue=a",
        "fault error=another",
        "fault error='spamd is gone' queue=b repeated=4",
    ]


def test_message_is_kept_byte_for_byte():
    message = Message("a@example.org", {})
    message.add_field("Subject", b"  folded\n\tin two")
    message.add_field("X-8bit", b" \xff\xfe")
    message.add_body(b"one\r\n.two\r\n", 1_000)
    assert message.whole() == b"Subject:  folded\r\n\tin two\r\nX-8bit: \xff\xfe\r\n\r\none\r\n.two\r\n"
    assert message.size_bytes == len(message.whole())


def test_message_body_beyond_the_limit_is_counted_only():
    message = Message("", {})
    for _ in range(3):
        message.add_body(b"x" * 10, 25)
    assert (message.body, message.body_bytes) == ([], 30)


def test_message_with_a_megabyte_of_header_is_no_longer_kept_whole():
    message = Message("", {})
    for _ in range(20):
        message.add_field("X", b"x" * (FIELD_BYTES_MAX // 10))
    assert not message.is_whole
    assert len(message.fields) < 20


@pytest.mark.parametrize("helo", ["evil) by mx (", "x\r\nSubject: gotcha", "[1.2.3.4]", "", "\udcff"])
def test_received_line_for_spamd_cannot_be_broken(helo):
    lines = envelope_lines(Connection("203.0.113.9", helo=helo, by="mx", date=NOON)).decode("ascii")
    assert lines.startswith("Return-Path: <>\r\nReceived: from ")
    assert lines.count("\r\n") == 4
    assert lines.count("(") == 2


def test_received_line_for_spamd_is_sendmails():
    connection = Connection(
        "203.0.113.9", helo="out.example.net", rdns="out.example.net", by="mx.example.org", tls="TLSv1.3 X", id="4dD",
        envelope_from="a@example.net", date=NOON,
    )  # fmt: skip
    assert envelope_lines(connection) == (
        b"Return-Path: <a@example.net>\r\n"
        b"Received: from out.example.net (out.example.net [203.0.113.9])\r\n"
        b"\tby mx.example.org with ESMTPS id 4dD\r\n"
        b"\t(envelope-from <a@example.net>); Mon, 04 May 2026 12:00:00 +0000\r\n"
    )


def test_relay_memory_without_a_store_knows_nothing(tmp_path):
    memory = RelayMemory(str(tmp_path / "store.sqlite"))
    assert memory.current is None
    assert memory.seen_shape("mx.example.org", "x") == SeenShape()
    memory.close()


def test_relay_memory_of_a_young_store_is_not_asked(tmp_path):
    settings = StoreSettings(path=str(tmp_path / "store.sqlite"))
    Store.open(settings).close()
    memory = RelayMemory(settings.path)
    assert memory.current is None
    memory.close()


def test_relay_memory_that_is_closed_under_a_trace_knows_nothing(tmp_path):
    settings = StoreSettings(path=str(tmp_path / "store.sqlite"))
    with Store.open(settings) as store:
        for day in range(1, 9):
            learn(store, date(2026, 5, day))
    memory = RelayMemory(settings.path)
    history = memory.current
    assert history is not None
    memory._open.close()
    assert history.seen_link("a.example.org", "b.example.org") == SeenLink()
    memory.close()


def test_journal_is_told_the_priority_of_each_line(tmp_path, monkeypatch):
    with (tmp_path / "journal").open("w+") as stream:
        status = os.fstat(stream.fileno())
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
        log = open_log(MilterSettings())
        log.info("message", queue="4dD1Zx")
        log.alert("lost", queue="4dD1Zx")
        log.fault("fault", ValueError("ours"))
        stream.flush()
        lines = (tmp_path / "journal").read_text().splitlines()
        monkeypatch.setenv("JOURNAL_STREAM", "1:2")
        open_log(MilterSettings()).info("message")
        assert "INFO message" in (tmp_path / "journal").read_text().splitlines()[-1]
    assert lines == ["<6>message queue=4dD1Zx", "<3>lost queue=4dD1Zx", "<3>fault error='ValueError: ours'", lines[3]]
    assert lines[3].startswith("<3>ValueError")


def test_note_is_read_as_it_was_written_and_half_a_one_is_none():
    notes = Notes(2)
    notes.worker(0).write([{"zone": "bl.example.net"}])
    notes.worker(1).write("x" * NOTE_BYTES)
    assert notes.read() == [[{"zone": "bl.example.net"}]]
    notes.worker(0)._cells[4:8] = b"\xff" * 4
    assert notes.read() == []


def test_prometheus_names_the_lists_that_are_paused():
    text = prometheus(Board(1).totals(), [{"zone": "bl.example.net", "version": 4}])
    assert 'hoptrail_zone_paused{zone="bl.example.net",version="4"} 1' in text


def test_what_is_seldom_logged_is_logged_once_a_minute_with_its_number(caplog):
    clock = Clock()
    log = Log(logging.getLogger("hoptrail.milter.seldom"), clock)
    for number in range(3):
        log.seldom("harvester", "203.0.113.0/24", refused=number)
    clock.now = 61.0
    log.seldom("harvester", "203.0.113.0/24", refused=9)
    assert [record.getMessage() for record in caplog.records] == [
        "harvester refused=0",
        "harvester refused=9 repeated=2",
    ]


def test_sparse_mail_is_stored_at_once():
    pace = Pace(Clock())
    for _ in range(3):
        assert pace.is_time(BURST_BYTES - 1)
        pace.note(0)


def test_mail_of_a_burst_is_stored_when_the_burst_is_over():
    pace = Pace(Clock())
    assert not pace.is_time(BURST_BYTES)
    assert not pace.is_time(2 * BURST_BYTES)
    assert pace.is_time(2 * BURST_BYTES + 1)


def test_mail_of_a_burst_that_lasts_is_stored_to_its_end_once_it_has_waited_long_enough():
    clock = Clock()
    pace = Pace(clock)
    assert not pace.is_time(BURST_BYTES)
    clock.now = LATEST_S
    assert pace.is_time(20 * BURST_BYTES)
    pace.note(19 * BURST_BYTES)
    assert pace.is_time(21 * BURST_BYTES)
    pace.note(0)
    assert not pace.is_time(BURST_BYTES)


def test_mail_of_a_burst_is_stored_to_its_end_once_somebody_wants_it():
    pace = Pace(Clock())
    assert not pace.is_time(BURST_BYTES)
    assert pace.is_time(2 * BURST_BYTES, is_wanted=True)
    pace.note(2 * BURST_BYTES)
    assert pace.is_time(3 * BURST_BYTES)
    pace.note(0)
    assert not pace.is_time(BURST_BYTES)
