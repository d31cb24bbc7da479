"""The recorder stores each entry of the journal once, and outlives whatever befalls the store's file."""

import logging
import os
import sqlite3
import struct
import subprocess
import time
import zlib
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hoptrail_store import recorder as recorders
from hoptrail_store.errors import StoreError
from hoptrail_store.journal import Journal, folder_of, segments
from hoptrail_store.reader import day_span, open_readonly
from hoptrail_store.recorder import PORTION, Recorder, drain, is_waiting
from hoptrail_store.records import Answer, RefusalCount
from hoptrail_store.settings import StoreSettings
from hoptrail_store.store import Store

TIMEOUT_S = 30


@pytest.fixture
def lost():
    return []


@pytest.fixture
def recorder(settings, lost):
    with Recorder(settings, lambda *loss: lost.append(loss)) as recorder:
        yield recorder


@pytest.fixture
def journal(settings):
    with closing(Journal(settings)) as journal:
        yield journal


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr(recorders, "_REOPEN_PAUSE_S", 0.0)


def count(settings) -> int:
    with closing(sqlite3.connect(settings.path)) as connection:
        return connection.execute("SELECT count(*) FROM message").fetchone()[0]


def step_until_stored(recorder) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not recorder.step():
        assert time.monotonic() < deadline, "the recorder never recovered"
        time.sleep(0.05)


def said(caplog, level):
    return [record.getMessage() for record in caplog.records if record.levelno >= level]


def test_without_a_journal_there_is_nothing_to_do(settings, recorder):
    assert recorder.step() == 0
    assert not Path(settings.path).exists()


def test_records_refusals_and_answers_are_stored(settings, journal, recorder, make_record):
    hour = datetime(2026, 3, 14, 9, tzinfo=UTC)
    one = RefusalCount("mx", "192.0.2.0/24", hour, 1, 2, 3)
    journal.record(make_record())
    journal.count_refusals([one, one])
    journal.count_refusals([one])
    journal.remember([Answer("ptr", "192.0.2.1", "x", 1)])
    assert recorder.step() == 4
    with open_readonly(settings.path) as reader:
        assert reader.refusals(*day_span(hour.date())) == [RefusalCount("mx", "192.0.2.0/24", hour, 3, 6, 9)]
        assert list(reader.db.query("SELECT key, value FROM lookup")) == [{"key": "192.0.2.1", "value": "x"}]
    assert count(settings) == 1


def test_what_comes_later_is_stored_in_the_next_step(settings, journal, recorder, make_record):
    for number in range(1, 4):
        journal.record(make_record())
        assert recorder.step() == 1
        assert count(settings) == number
    assert recorder.step() == 0


def test_a_portion_is_one_transaction(settings, journal, recorder, make_record):
    for _ in range(PORTION + 10):
        journal.record(make_record())
    assert [recorder.step(), recorder.step(), recorder.step()] == [PORTION, 10, 0]
    assert count(settings) == PORTION + 10


def test_journals_of_many_processes_are_emptied_together(settings, recorder, make_record):
    journals = [Journal(settings) for _ in range(5)]
    for journal in journals:
        journal.record(make_record())
    assert recorder.step() == 5


def test_segment_is_deleted_once_its_writer_is_gone_and_it_is_stored(settings, journal, recorder, make_record):
    journal.record(make_record())
    recorder.step()
    recorder.step()
    assert len(segments(settings)) == 1, "its writer may go on"
    journal.close()
    recorder.step()
    assert not segments(settings)
    journal.record(make_record())
    recorder.step()
    with Store.open(settings) as store:
        assert list(store.journal_read()) == [segments(settings)[0].name], "what is gone is forgotten"


def test_recorder_that_was_killed_goes_on_where_it_was(settings, journal, make_record):
    hour = datetime(2026, 3, 14, 9, tzinfo=UTC)
    for _ in range(3):
        journal.record(make_record())
        journal.count_refusals([RefusalCount("mx", "192.0.2.0/24", hour, 1, 0, 1)])
        with Recorder(settings, lambda *_: None) as recorder:
            assert recorder.step() == 2
    with open_readonly(settings.path) as reader:
        assert reader.refusals(*day_span(hour.date()))[0].refused == 3
    assert count(settings) == 3


def test_one_recorder_at_a_time(settings, journal, recorder, make_record):
    journal.record(make_record())
    recorder.step()
    journal.record(make_record())
    with Recorder(settings, lambda *_: None) as other:
        assert other.step() == 0
        recorder.close()
        assert other.step() == 1
    assert count(settings) == 2


def test_backlog_is_what_is_not_stored_yet(journal, recorder, make_record):
    journal.record(make_record())
    assert recorder.waiting_bytes() > 0
    recorder.step()
    assert recorder.waiting_bytes() == 0


def test_draining_stores_all_or_waits_for_who_does(settings, journal, recorder, make_record):
    for _ in range(2 * PORTION):
        journal.record(make_record())
    assert is_waiting(settings)
    drain(settings)
    assert (is_waiting(settings), count(settings)) == (False, 2 * PORTION)
    recorder.step()
    journal.record(make_record())
    drain(settings, wait_s=0.2)
    assert is_waiting(settings), "it is the other one's to store"


def test_draining_asks_who_stores_for_haste_and_waits_for_what_was_there_only(settings, journal, recorder, make_record):
    journal.record(make_record())
    recorder.step()
    journal.record(make_record())
    [segment] = segments(settings)
    before = {segment.name: segment.stat().st_size}
    drain(settings, wait_s=0.2)
    assert [recorder.is_wanted(), recorder.is_wanted()] == [True, False]
    assert is_waiting(settings, before)
    recorder.step()
    journal.record(make_record())
    assert not is_waiting(settings, before)
    assert is_waiting(settings)


def test_draining_alone_asks_nobody(settings, journal, make_record):
    journal.record(make_record())
    drain(settings)
    assert not (folder_of(settings) / "wanted").exists()


def test_one_bad_record_does_not_harm_its_group(settings, journal, recorder, lost, make_record):
    bad = make_record(size_bytes=1 << 80)
    for record in (make_record(), bad, make_record()):
        journal.record(record)
    assert recorder.step() == 3
    assert count(settings) == 2
    assert [record.id for record, _ in lost] == [bad.id]


def test_unreadable_entry_does_not_harm_its_group(settings, journal, recorder, lost, make_record):
    journal.record(make_record())
    with segments(settings)[0].open("ab") as segment:
        segment.write(struct.pack("<II", 2, zlib.crc32(b"{{")) + b"{{")
    journal.record(make_record())
    assert recorder.step() == 3
    assert count(settings) == 2
    assert [record for record, _ in lost] == [None]


def test_segment_that_cannot_be_read_holds_up_no_other(  # noqa: PLR0917 - fixtures
    settings, journal, recorder, make_record, monkeypatch, caplog
):
    journal.record(make_record())
    journal.close()
    journal.record(make_record())
    sick = segments(settings)[0]
    real = os.open

    def refuse(path, *args, **kwargs):
        if path == sick:
            raise PermissionError(13, "Permission denied")
        return real(path, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(recorders.os, "open", refuse)
        assert [recorder.step(), recorder.step()] == [1, 0]
    assert len(said(caplog, logging.ERROR)) == 1
    assert recorder.step() == 1
    assert count(settings) == 2


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, Path.touch], ids=["folder", "fifo", "stray file"])
def test_what_is_no_segment_is_left_alone(settings, journal, recorder, make_record, make):
    journal.record(make_record())
    name = "0.log" if make is Path.touch else f"{0:020}-{0:016x}.log"
    other = folder_of(settings) / name
    make(other)
    assert [recorder.step(), recorder.step()] == [1, 0]
    assert other.exists()


@pytest.mark.parametrize("garbage", [bytes(100), b"\xff" * 100, struct.pack("<II", 2, 7) + b"{}more"])
def test_segment_damaged_in_its_midst_is_kept_aside(  # noqa: PLR0917 - fixtures
    settings, journal, recorder, make_record, garbage, caplog
):
    journal.record(make_record())
    with segments(settings)[0].open("ab") as segment:
        segment.write(garbage)
    journal.record(make_record())
    journal.close()
    assert [recorder.step(), recorder.step()] == [1, 0]
    assert not segments(settings)
    [aside] = folder_of(settings).glob("*.torn")
    assert garbage in aside.read_bytes()
    assert any(str(aside) in text for text in said(caplog, logging.ERROR))


def test_fault_of_the_machine_costs_no_record(  # noqa: PLR0917 - fixtures
    settings, journal, recorder, lost, make_record, monkeypatch
):
    journal.record(make_record())
    with monkeypatch.context() as patch:
        patch.setattr(Store, "write", lambda *_, **__: (_ for _ in ()).throw(OSError(5, "Input/output error")))
        assert recorder.step() == 0
    step_until_stored(recorder)
    assert (count(settings), lost) == (1, [])


def test_folder_that_was_replaced_has_its_own_lock(settings, journal, recorder, make_record):
    journal.record(make_record())
    recorder.step()
    folder_of(settings).rename(Path(settings.path).with_name("old"))
    journal.close()
    journal.record(make_record())
    with Recorder(settings, lambda *_: None) as other:
        assert other.step() == 1
        journal.record(make_record())
        assert recorder.step() == 0, "the new folder is the other's"


def test_store_that_was_only_begun_is_finished(settings, journal, recorder, make_record):
    with closing(sqlite3.connect(settings.path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    journal.record(make_record())
    assert recorder.step() == 1
    assert count(settings) == 1


def test_the_log_is_copied_into_the_file_while_the_recorder_runs(settings, journal, recorder, make_record):
    journal.record(make_record())
    recorder.step()
    before = Path(settings.path).stat().st_size
    for _ in range(20):
        journal.record(make_record(evidence=os.urandom(9_000)))
    recorder.step()
    deadline = time.monotonic() + TIMEOUT_S
    while Path(settings.path).stat().st_size == before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert Path(settings.path).stat().st_size > before


def test_a_locked_store_is_waited_for(tmp_path, make_record, lost, caplog):
    settings = StoreSettings(path=str(tmp_path / "store.sqlite"), lock_wait_s=0.2)
    journal = Journal(settings)
    with Recorder(settings, lambda *loss: lost.append(loss)) as recorder, Store.open(settings) as holder:
        with holder.transaction():
            journal.record(make_record())
            assert recorder.step() == 0
            journal.record(make_record())
        step_until_stored(recorder)
    assert (count(settings), lost) == (2, [])
    assert len(said(caplog, logging.ERROR)) == 1


def test_a_store_that_cannot_be_opened_is_tried_again(settings, journal, recorder, make_record, caplog):
    Path(settings.path).mkdir()
    journal.record(make_record())
    for _ in range(3):
        assert recorder.step() == 0
    Path(settings.path).rmdir()
    step_until_stored(recorder)
    assert count(settings) == 1
    assert len(said(caplog, logging.ERROR)) == 1, "a repeating fault is logged once"


def test_a_newer_store_is_left_alone_and_its_records_wait(settings, journal, recorder, make_record):
    Store.open(settings).close()
    for version in (999, 1):
        with closing(sqlite3.connect(settings.path)) as connection:
            connection.execute(f"PRAGMA user_version = {version}")
        journal.record(make_record())
        assert recorder.step() == (0 if version == 999 else 2)


@pytest.mark.parametrize("damage", ["header", "pages", "no database"])
def test_a_damaged_store_is_set_aside_and_a_new_one_begun(settings, journal, recorder, make_record, damage):
    with Store.open(settings) as store:
        store.put([make_record() for _ in range(300)])
    content = bytearray(Path(settings.path).read_bytes())
    if damage == "header":
        content[:100] = bytes(100)
    elif damage == "pages":
        content[4096:] = os.urandom(len(content) - 4096)
    else:
        content = bytearray(b"nonsense" * 1000)
    Path(settings.path).write_bytes(content)
    journal.record(make_record())
    assert recorder.step() == 1
    assert count(settings) == 1
    [aside] = Path(settings.path).parent.glob("store.sqlite.damaged-*Z")
    assert aside.read_bytes()[4096:] == content[4096:]


def test_a_store_set_aside_is_told_of_loudly(settings, journal, recorder, make_record, caplog):
    Path(settings.path).write_bytes(b"nonsense" * 1000)
    journal.record(make_record())
    recorder.step()
    [aside] = Path(settings.path).parent.glob("store.sqlite.damaged-*Z")
    assert any(str(aside) in text for text in said(caplog, logging.CRITICAL))


def test_a_store_damaged_under_an_open_recorder_is_replaced(settings, journal, recorder, make_record):
    for _ in range(50):
        journal.record(make_record())
    recorder.step()
    with closing(sqlite3.connect(settings.path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with Path(settings.path).open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(Path(settings.path).stat().st_size - 4096))
    with closing(sqlite3.connect(settings.path)) as connection:  # makes the open connection look at the file again
        connection.execute("PRAGMA user_version = 1")
    journal.record(make_record())
    recorder.step()
    while recorder.step():
        pass
    assert count(settings) == 51, "what the journal still has is stored anew"


def test_a_store_deleted_under_an_open_recorder_is_begun_anew(settings, journal, recorder, make_record):
    journal.record(make_record())
    recorder.step()
    for path in Path(settings.path).parent.glob("store.sqlite*"):
        if path.is_file() and path.suffix != ".lock":
            path.unlink()
    journal.record(make_record())
    while recorder.step():
        pass
    assert count(settings) == 2


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 4 MiB, of its own."""
    mount = tmp_path / "small"
    mount.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", mount], check=True)
    yield mount
    subprocess.run(["umount", "--lazy", mount], check=True)


def test_a_backup_moved_over_the_open_store_is_taken_as_it_is(settings, journal, recorder, make_record):
    """SQLite's log of the file before must not be played onto it, and what the journal still has is stored anew."""
    for _ in range(20):
        journal.record(make_record())
    recorder.step()
    backup = Path(settings.path).with_name("backup")
    with closing(sqlite3.connect(settings.path)) as source, closing(sqlite3.connect(backup)) as target:
        source.backup(target)
    for _ in range(20):
        journal.record(make_record(evidence=os.urandom(3_000)))
    recorder.step()
    backup.rename(settings.path)
    journal.record(make_record())
    while recorder.step():
        pass
    assert count(settings) == 41
    with closing(sqlite3.connect(settings.path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert list(Path(settings.path).parent.glob("store.sqlite-wal.stale-*Z"))


def keep_until_refused(journal, make_record) -> int:
    for kept in range(2_000):
        try:
            journal.record(make_record(evidence=os.urandom(5_000)))
        except StoreError:
            return kept
    raise AssertionError("the disk never got full")


@pytest.mark.mta
def test_a_full_disk_fails_each_record_and_loses_none_that_was_kept(small_disk, make_record, lost):
    settings = StoreSettings(path=str(small_disk / "store.sqlite"))
    ballast = small_disk / "ballast"
    journal = Journal(settings)
    with Recorder(settings, lambda *loss: lost.append(loss)) as recorder:
        journal.record(make_record())
        recorder.step()
        ballast.write_bytes(bytes(3_000_000))
        kept = 1 + keep_until_refused(journal, make_record)
        recorder.step()
        ballast.unlink()
        journal.close()
        deadline = time.monotonic() + TIMEOUT_S
        while is_waiting(settings) and time.monotonic() < deadline:
            recorder.step()
    assert (count(settings), lost) == (kept, [])


@pytest.mark.mta
def test_a_disk_remounted_read_only_fails_each_record_and_is_survived(small_disk, make_record):
    settings = StoreSettings(path=str(small_disk / "store.sqlite"))
    journal = Journal(settings)
    journal.record(make_record())
    journal.close()
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(StoreError, match="Read-only"):
        journal.record(make_record())
    with Recorder(settings, lambda *_: None) as recorder:
        assert recorder.step() == 0
        subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True)
        step_until_stored(recorder)
    assert count(settings) == 1
