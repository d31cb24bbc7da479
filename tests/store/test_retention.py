"""What is old goes, with everything that belongs to it; what is used stays."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from hoptrail_store import retention
from hoptrail_store.reader import day_span, open_readonly
from hoptrail_store.records import Answer, RefusalCount
from hoptrail_store.retention import prune
from hoptrail_store.rows import milliseconds
from hoptrail_store.settings import StoreSettings
from hoptrail_store.store import Store
from store.samples import DAY


@pytest.fixture
def settings(tmp_path):
    return StoreSettings(path=str(tmp_path / "store.sqlite"), keep_days=30, evidence_days=7)


def rows_of(store) -> dict[str, int]:
    return {table.name: table.count for table in store.db.tables}


def test_an_old_message_goes_with_all_its_rows(settings, make_record):
    with Store.open(settings) as store:
        store.put([make_record(number) for number in range(1_100)])
        pruned = prune(store, now_ms=milliseconds(DAY + timedelta(days=31)))
        assert pruned.messages == 1_100
        left = {table: count for table, count in rows_of(store).items() if count}
    assert left.keys() <= {"name", "evidence", "sqlite_stat1", "sqlite_stat4"} - {"evidence"}


def test_a_message_is_kept_until_its_days_are_over(settings, make_record):
    with Store.open(settings) as store:
        store.put([make_record()])
        assert prune(store, now_ms=milliseconds(DAY + timedelta(days=29))).messages == 0
        assert rows_of(store)["hop"] == 3


def test_zero_days_keep_messages_for_ever(tmp_path, make_record):
    with Store.open(StoreSettings(path=str(tmp_path / "store.sqlite"), keep_days=0)) as store:
        store.put([make_record()])
        assert prune(store, now_ms=milliseconds(DAY + timedelta(days=9_999))).messages == 0


def test_evidence_goes_some_days_after_it_was_stored(settings, make_record):
    with Store.open(settings) as store:
        store.put([make_record()])
        now = datetime.now(UTC)
        assert prune(store, now_ms=milliseconds(now + timedelta(days=6))).evidence == 0
        store.put([make_record(1, at=now)])
        assert prune(store, now_ms=milliseconds(now + timedelta(days=8))).evidence == 1
        assert rows_of(store)["message"] == 1


def test_expired_answers_and_old_refusals_go(settings):
    hour = DAY.replace(minute=0, second=0, microsecond=0)
    now_ms = milliseconds(DAY + timedelta(days=31))
    with Store.open(settings) as store:
        answers = [Answer("ptr", "192.0.2.1", "a", now_ms - 1), Answer("ptr", "192.0.2.2", "b", now_ms + 1)]
        store.write((), [RefusalCount("mx", "192.0.2.0/24", hour, 1, 2, 3)], answers)
        pruned = prune(store, now_ms=now_ms)
        assert (pruned.lookups, pruned.refusals) == (1, 1)
        assert [row["key"] for row in store.db.query("SELECT key FROM lookup")] == ["192.0.2.2"]


def test_names_nothing_uses_are_deleted_and_writers_forget_them(settings, make_record, monkeypatch):
    monkeypatch.setattr(retention, "_NAMES_LEAST", 1)
    later = DAY + timedelta(days=31)
    with Store.open(settings) as store, Store.open(settings) as other:
        other.put([make_record(0, host="old.example.org")])
        other.put([make_record(1, host="new.example.org", at=later)])
        pruned = prune(store, now_ms=milliseconds(later))
        assert (pruned.messages, pruned.names) == (1, 1)
        other.put([make_record(2, host="old.example.org", at=later)])
    with open_readonly(settings.path) as reader:
        assert [record.host for record in reader.messages(*day_span(later.date()))] == [
            "new.example.org",
            "old.example.org",
        ]
        assert not list(reader.db.query("SELECT 1 FROM hop WHERE ip NOT IN (SELECT id FROM name)"))


def test_imported_messages_stay_however_old_they_are(settings, make_record):
    with Store.open(settings) as store:
        store.put([replace(make_record(), source="import")])
        assert prune(store, now_ms=milliseconds(DAY + timedelta(days=9_999))).messages == 0
