"""The writer answers each submission once it is safe, and outlives whatever befalls the file."""

import logging
import os
import sqlite3
import subprocess
import threading
import time
from concurrent.futures import wait
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hoptrail_store.errors import (
    BusyStoreError,
    FullStoreError,
    NewerStoreError,
    RecordError,
    StoreError,
    UnavailableStoreError,
)
from hoptrail_store.reader import day_span, open_readonly
from hoptrail_store.records import RefusalCount
from hoptrail_store.settings import StoreSettings
from hoptrail_store.store import Store
from hoptrail_store.writer import GATHER_S, Writer

TIMEOUT_S = 30


@pytest.fixture
def writer(settings):
    with Writer(settings) as writer:
        yield writer


def count(settings) -> int:
    with sqlite3.connect(settings.path) as connection:
        return connection.execute("SELECT count(*) FROM message").fetchone()[0]


def test_a_record_is_stored_when_its_future_is_done(settings, writer, make_record):
    writer.submit(make_record()).result(TIMEOUT_S)
    assert count(settings) == 1


def test_records_of_many_threads_are_all_stored(settings, writer, make_record):
    def work():
        for _ in range(50):
            writer.submit(make_record()).result(TIMEOUT_S)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT_S)
    assert count(settings) == 400


def test_waiting_records_share_a_transaction(settings, writer, make_record):
    writer.submit(make_record()).result(TIMEOUT_S)
    with sqlite3.connect(settings.path) as watcher:
        before = watcher.execute("PRAGMA data_version").fetchone()
        with Store.open(settings) as holder, holder.transaction():
            futures = [writer.submit(make_record()) for _ in range(100)]
        wait(futures, TIMEOUT_S)
        assert watcher.execute("PRAGMA data_version").fetchone() != before
    assert count(settings) == 101


def test_records_of_a_crowd_of_sessions_share_transactions(settings, make_record):
    """However they come, one transaction is written in each GATHER_S."""
    with Writer(settings, sessions=lambda: 20) as writer:
        writer.submit(make_record()).result(TIMEOUT_S)
        with sqlite3.connect(settings.path) as watcher:
            begun, seen = time.monotonic(), set()
            for _ in range(100):
                writer.submit(make_record())
                time.sleep(0.002)
                seen.add(watcher.execute("PRAGMA data_version").fetchone())
            most = (time.monotonic() - begun) / GATHER_S + 2
    assert count(settings) == 101
    assert len(seen) <= most


def test_one_bad_record_does_not_harm_its_group(settings, writer, make_record):
    with Store.open(settings) as holder, holder.transaction():
        good = [writer.submit(make_record()) for _ in range(5)]
        bad = writer.submit(make_record(size_bytes=1 << 80))
        good += [writer.submit(make_record()) for _ in range(5)]
        time.sleep(0.05)
    assert isinstance(bad.exception(TIMEOUT_S), RecordError)
    for future in good:
        future.result(TIMEOUT_S)
    assert count(settings) == 10


def test_the_log_is_copied_into_the_file_while_the_writer_is_open(settings, writer, make_record):
    writer.submit(make_record()).result(TIMEOUT_S)
    before = Path(settings.path).stat().st_size
    for _ in range(20):
        writer.submit(make_record(evidence=os.urandom(9_000))).result(TIMEOUT_S)
    deadline = time.monotonic() + TIMEOUT_S
    while Path(settings.path).stat().st_size == before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert Path(settings.path).stat().st_size > before


def test_closing_stores_what_waits(settings, make_record):
    with Writer(settings) as writer:
        futures = [writer.submit(make_record()) for _ in range(500)]
    assert all(future.done() and not future.exception() for future in futures)
    assert count(settings) == 500


def test_a_closed_writer_says_so(settings, make_record):
    with Writer(settings) as writer:
        pass
    assert "closed" in str(writer.submit(make_record()).exception(TIMEOUT_S))


def test_refusals_are_stored(settings, writer):
    hour = datetime(2026, 3, 14, 9, tzinfo=UTC)
    one = RefusalCount("mx", "192.0.2.0/24", hour, 1, 2, 3)
    writer.count_refusals([one, one]).result(TIMEOUT_S)
    with open_readonly(settings.path) as reader:
        assert reader.refusals(*day_span(hour.date())) == [RefusalCount("mx", "192.0.2.0/24", hour, 2, 4, 6)]


def test_a_locked_store_fails_in_time_and_recovers(tmp_path, make_record):
    settings = StoreSettings(path=str(tmp_path / "store.sqlite"), lock_wait_s=0.3)
    with Writer(settings) as writer, Store.open(settings) as holder:
        writer.submit(make_record()).result(TIMEOUT_S)
        with holder.transaction():
            assert isinstance(writer.submit(make_record()).exception(TIMEOUT_S), BusyStoreError)
        writer.submit(make_record()).result(TIMEOUT_S)
    assert count(settings) == 2


def submit_until_stored(writer, make_record) -> int:
    """Submit until one is stored, and return how many failed before."""
    failed = 0
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        error = writer.submit(make_record()).exception(TIMEOUT_S)
        if not error:
            return failed
        assert isinstance(error, StoreError)
        failed += 1
        time.sleep(0.1)
    raise AssertionError("the writer never recovered")


def test_a_store_that_cannot_be_opened_is_tried_again(tmp_path, make_record, caplog):
    directory = tmp_path / "later"
    with Writer(StoreSettings(path=str(directory / "store.sqlite"))) as writer:
        assert isinstance(writer.submit(make_record()).exception(TIMEOUT_S), UnavailableStoreError)
        directory.mkdir()
        submit_until_stored(writer, make_record)
    said = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(said) == 1, "a repeating fault is logged once"


def test_a_newer_store_is_left_alone(settings, make_record):
    Store.open(settings).close()
    with sqlite3.connect(settings.path) as connection:
        connection.execute("PRAGMA user_version = 999")
    with Writer(settings) as writer:
        assert isinstance(writer.submit(make_record()).exception(TIMEOUT_S), NewerStoreError)
    assert count(settings) == 0


@pytest.mark.parametrize("damage", ["header", "pages", "no database"])
def test_a_damaged_store_is_set_aside_and_a_new_one_begun(settings, make_record, caplog, damage):
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
    with Writer(settings) as writer:
        writer.submit(make_record()).result(TIMEOUT_S)
    assert count(settings) == 1
    [aside] = Path(settings.path).parent.glob("store.sqlite.damaged-*Z")
    assert aside.read_bytes()[4096:] == content[4096:]
    assert any(record.levelno == logging.CRITICAL and str(aside) in record.getMessage() for record in caplog.records)


def test_two_writers_replace_a_damaged_store_once(settings, make_record):
    Path(settings.path).write_bytes(b"nonsense" * 1000)
    with Writer(settings) as one, Writer(settings) as other:
        futures = [writer.submit(make_record()) for writer in (one, other) * 20]
        for future in futures:
            future.result(TIMEOUT_S)
    assert count(settings) == 40
    assert len(list(Path(settings.path).parent.glob("store.sqlite.damaged-*Z"))) == 1


def test_a_store_damaged_under_an_open_writer_is_replaced(settings, make_record):
    with Writer(settings) as writer:
        for _ in range(50):
            writer.submit(make_record()).result(TIMEOUT_S)
        with sqlite3.connect(settings.path) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with Path(settings.path).open("r+b") as file:
            file.seek(4096)
            file.write(os.urandom(Path(settings.path).stat().st_size - 4096))
        with sqlite3.connect(settings.path) as connection:  # makes the open connection look at the file again
            connection.execute("PRAGMA user_version = 1")
        writer.submit(make_record()).result(TIMEOUT_S)
    assert count(settings) == 1


def test_a_store_deleted_under_an_open_writer_is_begun_anew(settings, writer, make_record):
    writer.submit(make_record()).result(TIMEOUT_S)
    for path in Path(settings.path).parent.glob("store.sqlite*"):
        if path.suffix != ".lock":
            path.unlink()
    writer.submit(make_record()).result(TIMEOUT_S)
    assert count(settings) == 1


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 1 MiB, of its own."""
    mount = tmp_path / "small"
    mount.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", mount], check=True)
    yield mount
    subprocess.run(["umount", "--lazy", mount], check=True)


@pytest.mark.mta
def test_a_full_disk_fails_each_record_and_is_survived(small_disk, make_record):
    settings = StoreSettings(path=str(small_disk / "store.sqlite"))
    ballast = small_disk / "ballast"
    with Writer(settings) as writer:
        writer.submit(make_record()).result(TIMEOUT_S)
        ballast.write_bytes(bytes(400_000))
        stored = 1
        for _ in range(2_000):
            error = writer.submit(make_record(evidence=os.urandom(5_000))).exception(TIMEOUT_S)
            if error:
                break
            stored += 1
        assert isinstance(error, FullStoreError)
        ballast.unlink()
        submit_until_stored(writer, make_record)
    assert count(settings) == stored + 1


@pytest.mark.mta
def test_a_disk_remounted_read_only_fails_each_record_and_is_survived(small_disk, make_record):
    settings = StoreSettings(path=str(small_disk / "store.sqlite"))
    with Store.open(settings):
        pass
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with Writer(settings) as writer:
        assert isinstance(writer.submit(make_record()).exception(TIMEOUT_S), StoreError)
        subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True)
        submit_until_stored(writer, make_record)
    assert count(settings) == 1
