"""What is put comes back, once, from any number of connections."""

import hashlib
import stat
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from hoptrail_store import trail
from hoptrail_store.errors import BusyStoreError, MovedStoreError, RecordError, StoreError, UnavailableStoreError
from hoptrail_store.reader import day_span, open_readonly
from hoptrail_store.records import RefusalCount, Score
from hoptrail_store.rows import KIND_CODES, TRUST_CODES
from hoptrail_store.settings import StoreSettings
from hoptrail_store.store import Store
from hoptrail_tracer.model import Kind, Trust
from store.samples import DAY


def read_all(settings, **options):
    with open_readonly(settings.path) as reader:
        return list(reader.messages(datetime(1970, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC), **options))


def test_a_record_comes_back_as_it_was_put(settings, make_record):
    record = make_record()
    with Store.open(settings) as store:
        assert store.put([record]) == 1
    assert read_all(settings, evidence=True) == [record]


def test_a_record_with_nothing_in_it_comes_back_as_it_was_put(settings, make_record):
    record = make_record(
        connection=None,
        envelope_from=None,
        recipients=(),
        message_id=None,
        subject=None,
        score=None,
        facts=None,
        evidence=None,
        fields=(),
    )
    with Store.open(settings) as store:
        store.put([record])
    assert read_all(settings, evidence=True) == [record]


def test_an_unscored_record_keeps_its_reason(settings, make_record):
    record = make_record(score=Score(unscored="timeout"))
    with Store.open(settings) as store:
        store.put([record])
    assert read_all(settings)[0].score == Score(unscored="timeout")


def test_a_record_is_stored_once(settings, make_record):
    record = make_record()
    with Store.open(settings) as store:
        assert store.put([record]) == 1
        assert store.put([record, make_record(1)]) == 1
    assert len(read_all(settings)) == 2


def test_a_digest_is_stored_once(settings, make_record):
    with Store.open(settings) as store:
        assert store.put([make_record()], digests=[b"d" * 16]) == 1
        assert store.knows(b"d" * 16)
        assert not store.knows(b"e" * 16)
        assert store.put([make_record()], digests=[b"d" * 16]) == 0


def test_text_that_is_no_unicode_is_marked_in_columns_and_exact_in_fields(settings, make_record):
    with Store.open(settings) as store:
        store.put([make_record(subject="caf\udce9", fields=((b"Subject", b" caf\xe9"),))])
    [record] = read_all(settings)
    assert record.subject == "caf\ufffd"
    assert record.fields == ((b"Subject", b" caf\xe9"),)


def test_evidence_is_cut_at_its_limit(tmp_path, make_record):
    settings = StoreSettings(path=str(tmp_path / "store.sqlite"), evidence_max_bytes=5_000)
    with Store.open(settings) as store:
        store.put([make_record(evidence=b"x" * 9_000)])
    assert read_all(settings, evidence=True)[0].evidence == b"x" * 5_000


def test_no_evidence_is_kept_where_none_is_wanted(tmp_path, make_record):
    settings = StoreSettings(path=str(tmp_path / "store.sqlite"), evidence_days=0)
    with Store.open(settings) as store:
        store.put([make_record()])
    assert read_all(settings, evidence=True)[0].evidence is None


def test_one_value_out_of_range_undoes_the_whole_put(settings, make_record):
    with Store.open(settings) as store:
        with pytest.raises(RecordError):
            store.put([make_record(0), make_record(1, size_bytes=1 << 80)])
        store.put([make_record(2)])
    assert [record.message_id for record in read_all(settings)] == ["<2@example.net>"]


def test_messages_of_a_span_come_in_order_and_end_before_it(settings, make_record):
    moments = [DAY + timedelta(minutes=minute) for minute in (5, 1, 3, 9)]
    with Store.open(settings) as store:
        store.put([make_record(number, at=at) for number, at in enumerate(moments)])
    with open_readonly(settings.path) as reader:
        found = reader.messages(DAY + timedelta(minutes=1), DAY + timedelta(minutes=9))
        assert [record.message_id for record in found] == ["<1@example.net>", "<2@example.net>", "<0@example.net>"]


def test_more_messages_of_one_millisecond_than_a_portion_are_all_read(settings, make_record):
    with Store.open(settings) as store:
        store.put([make_record(number) for number in range(1_203)])
    assert len({record.id for record in read_all(settings)}) == 1_203


def test_only_spam_is_read_where_only_spam_is_asked_for(settings, make_record):
    with Store.open(settings) as store:
        store.put([make_record(0), make_record(1, score=Score(1.0, 5.0)), make_record(2, score=None)])
    assert [record.message_id for record in read_all(settings, spam_only=True)] == ["<0@example.net>"]


@pytest.mark.parametrize("form", ["{id}", "{lower}", "queue7", "<7@example.net>", "7@example.net", " queue7\n"])
def test_a_message_is_found_by(settings, make_record, form):
    record = make_record(7)
    with Store.open(settings) as store:
        store.put([make_record(6), record, make_record(8)])
    with open_readonly(settings.path) as reader:
        assert reader.find(form.format(id=record.id, lower=record.id.lower())) == [record]


def test_hops_are_shown_with_their_names(settings, make_record):
    with Store.open(settings) as store:
        store.put([make_record(0), make_record(1)])
    with open_readonly(settings.path) as reader:
        hops = list(reader.db.query("SELECT * FROM hop_named ORDER BY id, position"))
    assert [hop["position"] for hop in hops] == [0, 1, 2, 0, 1, 2]
    first = hops[0]
    assert (first["ip"], first["rdns"], first["by_name"]) == ("203.0.113.1", "relay1.example.net", "relay0.example.net")
    assert (first["sender"], first["delay_s"]) == ("relay1.example.net", 2)
    assert (first["trust"], first["kind"]) == (TRUST_CODES[Trust.OBSERVED], KIND_CODES[Kind.RELAY])


def test_codes_are_those_the_schema_names():
    assert [trust.value for trust in TRUST_CODES] == ["observed", "trusted", "vouched", "claimed", "forged"]
    assert [kind.value for kind in KIND_CODES] == [
        "relay",
        "submission",
        "local",
        "scanner",
        "fetch",
        "mapi",
        "http",
        "internal",
        "unknown",
        "delivery",
    ]


def test_refusals_of_one_hour_are_added_up(settings):
    hour = DAY.replace(minute=0, second=0, microsecond=0)
    with Store.open(settings) as store:
        store.count_refusals([RefusalCount("mx", "192.0.2.0/24", hour, 1, 2, 3)])
        store.count_refusals([RefusalCount("mx", "192.0.2.0/24", hour, 10, 20, 30)])
        store.count_refusals([RefusalCount("mx", "198.51.100.0/24", hour, 1, 0, 99)])
    with open_readonly(settings.path) as reader:
        assert reader.refusals(*day_span(DAY.date())) == [
            RefusalCount("mx", "198.51.100.0/24", hour, 1, 0, 99),
            RefusalCount("mx", "192.0.2.0/24", hour, 11, 22, 33),
        ]


def test_a_day_is_summed_up(settings, make_record):
    hour = DAY.replace(minute=0, second=0, microsecond=0)
    with Store.open(settings) as store:
        store.put(
            [make_record(0), make_record(1, score=Score(-0.5, 5.0)), make_record(2, score=Score(unscored="size"))]
        )
        store.put([make_record(3, at=DAY + timedelta(days=1))])
        store.count_refusals([RefusalCount("mx", "192.0.2.0/24", hour, 1, 2, 3)])
    with open_readonly(settings.path) as reader:
        assert reader.days() == [DAY.date(), DAY.date() + timedelta(days=1)]
        day = reader.day(DAY.date())
    assert (day.messages, day.size_bytes, day.recipients, day.refused_recipients) == (3, 12_600, 6, 3)
    assert (day.hops, day.forged, day.spam) == (12, 0, 1)
    assert day.scores == ((-1, 1), (7, 1))
    assert day.unscored == (("size", 1),)
    assert day.anomalies == (("loop", 3),)
    assert (day.refusals, day.refusing_networks) == (3, 1)


def test_a_day_without_mail_sums_up_to_nothing(settings):
    Store.open(settings).close()
    with open_readonly(settings.path) as reader:
        assert reader.day(date(2026, 1, 1)).messages == 0
        assert reader.days() == []


def test_two_connections_share_the_dictionary(settings, make_record):
    with Store.open(settings) as one, Store.open(settings) as other:
        for number in range(6):
            (one, other)[number % 2].put([make_record(number, host=f"mx{number // 2}.example.org")])
    assert [record.host for record in read_all(settings)] == [f"mx{number // 2}.example.org" for number in range(6)]


def test_a_rolled_back_name_is_not_remembered(settings, make_record):
    with Store.open(settings) as store:
        with pytest.raises(RecordError):
            store.put([make_record(0, host="new.example.org", size_bytes=1 << 80)])
        store.put([make_record(1, host="other.example.org"), make_record(2, host="new.example.org")])
    assert [record.host for record in read_all(settings)] == ["other.example.org", "new.example.org"]


def test_a_locked_store_is_given_up_in_time(tmp_path, make_record):
    settings = StoreSettings(path=str(tmp_path / "store.sqlite"), lock_wait_s=0.2)
    with Store.open(settings) as store, Store.open(settings) as holder:
        holder.db.conn.execute("BEGIN IMMEDIATE")
        with pytest.raises(BusyStoreError, match="another process holds its lock"):
            store.put([make_record()])
        holder.db.conn.execute("ROLLBACK")
        assert store.put([make_record()]) == 1


def test_a_store_moved_away_while_open_is_noticed(settings, make_record):
    with Store.open(settings) as store:
        Path(settings.path).rename(f"{settings.path}.elsewhere")
        with pytest.raises(MovedStoreError):
            store.put([make_record()])


def test_a_missing_directory_is_named(tmp_path):
    with pytest.raises(UnavailableStoreError, match="absent"):
        Store.open(StoreSettings(path=str(tmp_path / "absent" / "store.sqlite")))


def test_reading_a_store_that_is_absent_makes_none(settings):
    with pytest.raises(StoreError), open_readonly(settings.path):
        pass
    assert not Path(settings.path).exists()


def test_others_may_not_read_the_store(settings, make_record):
    with Store.open(settings) as store:
        store.put([make_record()])
        for suffix in ("", "-wal", "-shm"):
            assert not stat.S_IMODE(Path(settings.path + suffix).stat().st_mode) & stat.S_IRWXO


@given(
    fields=st.lists(st.tuples(st.binary(), st.binary())).map(tuple),
    texts=st.lists(st.text(st.characters(exclude_categories=()))).map(tuple),
)
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
def test_any_fields_survive_and_any_text_is_taken(make_record, fields, texts):
    trace = make_record().trace
    odd = type(trace)(trace.hops, type(trace.origin)(None, None, Trust.CLAIMED, 0.0, "none", texts))
    kept_fields, kept = trail.unpack(trail.pack(fields, odd))
    assert kept_fields == fields
    assert kept.origin.reasons == tuple(map(trail.storable, texts))


def test_the_dictionary_is_the_one_that_old_blobs_need():
    assert (
        hashlib.sha256(trail._DICTIONARY).hexdigest()
        == "0d5f4039b7e0c05487dc31805e4d116a56702f5f0919001edfc1c525e03066f6"
    )


@pytest.mark.parametrize("data", [b"", b"nonsense", trail.zlib.compress(b"{}"), trail.zlib.compress(b"[1")])
def test_a_damaged_trail_is_a_value_error(data):
    with pytest.raises(ValueError, match=r"\S"):
        trail.unpack(data)


def test_a_trail_that_unpacks_without_end_is_refused():
    with pytest.raises(ValueError, match="longer than"):
        trail.inflate(trail.zlib.compress(b"x" * 10_000), 100)
