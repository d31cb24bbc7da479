"""The journal keeps what it was given, whole and in order, and never more than it may."""

import os
import threading
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoptrail_store import journal as journals
from hoptrail_store.errors import FullStoreError, RecordError, UnavailableStoreError
from hoptrail_store.journal import Entry, Journal, backlog_bytes, decode, encode, folder_of, read, segments
from hoptrail_store.records import Answer, RefusalCount
from hoptrail_store.settings import StoreSettings
from store.samples import record_maker

HEAD = 8  # bytes before a document
HOUR = datetime(2026, 3, 14, 9, tzinfo=UTC)


@pytest.fixture
def journal(settings):
    with closing(Journal(settings)) as journal:
        yield journal


def entries(path, start=0):
    with path.open("rb") as file:
        return [decode(document) for _, document in read(file.fileno(), start, 1 << 20)]


def everything(settings):
    return [entry for path in segments(settings) for entry in entries(path)]


def test_what_was_appended_can_be_read_at_once(settings, journal, make_record):
    record = make_record()
    journal.record(record)
    assert everything(settings) == [Entry(record)]


def test_records_refusals_and_answers_keep_their_order(settings, journal, make_record):
    record, count, answer = make_record(), RefusalCount("mx", "192.0.2.0/24", HOUR, 1, 2, 3), Answer("ptr", "a", "b", 7)
    journal.count_refusals([count])
    journal.record(record)
    journal.remember([answer])
    assert everything(settings) == [Entry(refusals=(count,)), Entry(record), Entry(answers=(answer,))]


@given(st.binary(max_size=40), st.text(max_size=40), st.binary(max_size=40))
def test_any_bytes_and_any_text_come_back(value, subject, evidence):
    record = replace(record_maker()(), fields=((b"Received", value),), subject=subject, evidence=evidence)
    assert decode(encode(Entry(record))[HEAD:]) == Entry(record)


def test_lone_surrogate_becomes_what_the_store_would_make_of_it(make_record):
    record = make_record()
    assert decode(encode(Entry(replace(record, subject="a\udcffb")))[HEAD:]).record == replace(record, subject="a�b")


@pytest.mark.parametrize("document", [b"", b"{", b"[]", b'{"record": 7}', b'{"record": {"id": "x"}}'])
def test_document_that_is_no_entry_says_so(document):
    with pytest.raises(RecordError, match="journal"):
        decode(document)


def test_nothing_is_made_before_something_is_kept(settings):
    Journal(settings).close()
    assert not folder_of(settings).exists()


def test_missing_folder_is_named_and_its_coming_noticed(tmp_path, make_record):
    settings = StoreSettings(path=str(tmp_path / "later" / "store.sqlite"))
    journal = Journal(settings)
    with pytest.raises(UnavailableStoreError, match="later"):
        journal.record(make_record())
    (tmp_path / "later").mkdir()
    journal.record(make_record())
    assert len(everything(settings)) == 1


def test_threads_share_a_segment_and_tear_nothing(settings, journal, make_record):
    ids = []

    def work():
        for _ in range(50):
            record = make_record()
            journal.record(record)
            ids.append(record.id)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(segments(settings)) == 1
    assert sorted(entry.record.id for entry in everything(settings)) == sorted(ids)


def test_full_segment_is_followed_by_another(settings, journal, make_record, monkeypatch):
    monkeypatch.setattr(journals, "SEGMENT_BYTES", 10_000)
    records = [make_record() for _ in range(20)]
    for record in records:
        journal.record(record)
    assert len(segments(settings)) > 3
    assert everything(settings) == [Entry(record) for record in records]


def test_old_segment_is_ended_by_a_tick(settings, journal, make_record, monkeypatch):
    journal.record(make_record())
    journal.tick()
    journal.record(make_record())
    assert len(segments(settings)) == 1
    monkeypatch.setattr(journals, "SEGMENT_AGE_S", 0.0)
    journal.tick()
    journal.record(make_record())
    assert len(segments(settings)) == 2


def test_torn_entry_ends_what_is_read(settings, journal, make_record):
    for _ in range(3):
        journal.record(make_record())
    [path] = segments(settings)
    whole = path.read_bytes()
    ends = [end for end, _ in read(os.open(path, os.O_RDONLY), 0, 1 << 20)]
    for size in range(ends[1], ends[2]):
        path.write_bytes(whole[:size])
        with path.open("rb") as file:
            assert [end for end, _ in read(file.fileno(), 0, 1 << 20)] == ends[:2]


@given(st.binary(max_size=60))
def test_nonsense_is_no_entry_and_no_fault(data):
    path = os.memfd_create("segment")
    os.write(path, data)
    assert list(read(path, 0, 1 << 20)) == []
    os.close(path)


def test_entry_longer_than_a_portion_is_read_whole(settings, journal, make_record):
    record = make_record(evidence=os.urandom(100_000))
    journal.record(record)
    journal.record(record)
    [path] = segments(settings)
    with path.open("rb") as file:
        assert [decode(document) for _, document in read(file.fileno(), 0, 1_000)] == [Entry(record)]


def test_evidence_is_cut_before_it_is_kept(tmp_path, make_record):
    for days, kept in ((7, b"x" * 4_096), (0, None)):
        settings = StoreSettings(path=str(tmp_path / f"{days}.sqlite"), evidence_days=days, evidence_max_bytes=4_096)
        Journal(settings).record(make_record(evidence=b"x" * 5_000))
        assert everything(settings)[0].record.evidence == kept


def test_more_than_may_wait_is_refused_until_it_is_stored(tmp_path, make_record, monkeypatch):
    monkeypatch.setattr(journals, "SEGMENT_BYTES", 100_000)
    settings = StoreSettings(path=str(tmp_path / "store.sqlite"), journal_max_bytes=1 << 20)
    journal = Journal(settings)
    while backlog_bytes(settings) < (1 << 20):
        journal.record(make_record(evidence=os.urandom(20_000)))
    with pytest.raises(FullStoreError, match="journal_max_bytes"):  # noqa: PT012 - what is begun is filled
        while True:
            journal.record(make_record(evidence=os.urandom(20_000)))
    assert (1 << 20) < backlog_bytes(settings) < (1 << 20) + 200_000
    for path in segments(settings):
        path.unlink()
    journal.record(make_record())
    assert len(everything(settings)) == 1


@pytest.mark.parametrize(("sync", "least"), [("commit", 5), ("checkpoint", 0)])
def test_what_must_be_on_the_disk_is_waited_for(tmp_path, monkeypatch, sync, least):
    waits = []
    real = os.fdatasync
    monkeypatch.setattr(journals.os, "fdatasync", lambda descriptor: waits.append(real(descriptor)))
    journal = Journal(StoreSettings(path=str(tmp_path / "store.sqlite"), sync=sync))
    for number in range(5):
        journal.remember([Answer("ptr", str(number), "x", 1)])
    assert len(waits) == least


def test_files_that_never_became_segments_are_cleared_after_a_while(settings, journal, make_record):
    journal.record(make_record())
    young, old = (folder_of(settings) / name for name in ("1.new", "2.new"))
    for path in (young, old):
        path.touch()
    os.utime(old, (time.time() - 3_600,) * 2)
    journals.clear_unborn(settings)
    assert (young.exists(), old.exists()) == (True, False)
