"""Hops of closed days move to the archive once, whatever happens on the way."""

import signal
import subprocess
from dataclasses import replace
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from hoptrail_reports.topology.engine import Selection, selected_traffic, whole_days
from hoptrail_reports.topology.traffic import Traffic
from hoptrail_store.archive.ledger import recorded_parts
from hoptrail_store.archive.moving import expire_days, move_days
from hoptrail_store.archive.parts import archived_parts
from hoptrail_store.errors import ArchiveError, BusyStoreError, FullArchiveError
from hoptrail_store.lock import FileLock
from hoptrail_store.reader import day_span
from hoptrail_store.reparse import reparse
from hoptrail_store.store import Store
from hoptrail_tracer.settings import SiteSettings
from store.archive_kills import AFTER, PHASES, move_and_die
from store.samples import DAY, a_trace

DATE = DAY.date()
MESSAGES = 9
HOPS = 3 * MESSAGES


@pytest.fixture
def settings(settings, tmp_path):
    return replace(settings, archive=str(tmp_path / "archive"))


@pytest.fixture
def filled(settings, make_record):
    put(settings, [make_record(number) for number in range(MESSAGES)])
    return settings


def put(settings, records):
    with Store.open(settings) as store:
        store.put(records)


def move(settings, host="mx1", before=AFTER):
    with Store.open(settings) as store:
        return move_days(store, host, before=before)


def seen(settings, first=DATE, last=DATE):
    return selected_traffic(settings, whole_days(first, last))


def stored_hops(settings):
    with Store.open(settings) as store:
        return store.db.execute("SELECT count(*) FROM hop").fetchone()[0]


def archived_hops(settings):
    parts = archived_parts(Path(settings.archive), DATE, DATE)
    return sum(pq.read_metadata(part.file("hops")).num_rows for part in parts)


def test_a_moved_day_is_in_the_archive_and_no_longer_in_the_store(filled):
    before = seen(filled)
    moved = move(filled)
    assert (moved.days, moved.hops) == (1, HOPS)
    assert (stored_hops(filled), archived_hops(filled)) == (0, HOPS)
    assert (Path(filled.archive) / "date=2026-03-14" / "host=mx1" / "part=1" / "hops.parquet").exists()
    assert seen(filled) == before
    assert before.messages == MESSAGES


def test_a_day_is_moved_once(filled):
    move(filled)
    assert move(filled).hops == 0
    assert archived_hops(filled) == HOPS


def test_a_day_that_is_not_old_enough_stays(filled):
    assert move(filled, before=DATE).hops == 0
    assert stored_hops(filled) == HOPS


def test_mail_imported_into_a_moved_day_follows_as_a_part_of_its_own(filled, make_record):
    before = seen(filled)
    move(filled)
    later = make_record(99, at=DAY + timedelta(days=1))
    put(filled, [make_record(number) for number in range(MESSAGES)])
    put(filled, [replace(later, trace=a_trace(later.received_at))])
    assert seen(filled) == before + before
    move(filled, before=AFTER + timedelta(days=1))
    assert [part.number for part in archived_parts(Path(filled.archive), DATE, DATE)] == [1, 2]
    assert stored_hops(filled) == 0
    assert seen(filled) == before + before


def test_a_host_writes_to_its_own_partitions_only(filled, tmp_path, make_record):
    other = replace(filled, path=str(tmp_path / "other.sqlite"))
    put(other, [make_record(number) for number in range(100, 104)])
    both = seen(filled) + seen(other)
    move(filled, host="mx1")
    theirs = {path: path.stat().st_mtime_ns for path in Path(filled.archive).rglob("*.parquet")}
    move(other, host="mx/2")
    assert {path: path.stat().st_mtime_ns for path in theirs} == theirs
    assert seen(filled) == seen(other) == both
    only = Selection(*day_span(DATE), hosts=("mx/2",))
    assert selected_traffic(filled, only).messages == 4


@pytest.mark.parametrize("phase", PHASES)
def test_a_run_killed_when(filled, phase):
    before = seen(filled)
    child = get_context("spawn").Process(target=move_and_die, args=(filled, phase))
    child.start()
    child.join(60)
    assert child.exitcode == -signal.SIGKILL
    assert seen(filled) == before, "between the two runs nothing is lost or doubled"
    move(filled)
    assert seen(filled) == before
    assert (stored_hops(filled), archived_hops(filled)) == (0, HOPS)
    assert not list(Path(filled.archive).glob(".writing-*"))
    with Store.open(filled) as store:
        assert {record.state for record in recorded_parts(store.db.conn)} == {"moved"}


@pytest.mark.mta
def test_a_full_disk_leaves_the_day_in_the_store_and_says_so(filled):
    before = seen(filled)
    mount = Path(filled.archive)
    mount.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", mount], check=True)
    try:
        with pytest.raises(FullArchiveError, match=f"{mount}.*No space left"):
            move(filled)
        assert not list(mount.glob(".writing-*"))
    finally:
        subprocess.run(["umount", mount], check=True)
    assert (seen(filled), stored_hops(filled)) == (before, HOPS)
    assert move(filled).hops == HOPS


@pytest.mark.parametrize("table", ["hops", "messages", "names"])
def test_a_truncated_file_is_named(filled, table):
    move(filled)
    path = Path(filled.archive) / "date=2026-03-14" / "host=mx1" / "part=1" / f"{table}.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ArchiveError, match=f"{path}: damaged"):
        seen(filled)


def test_a_part_that_went_missing_is_an_error_not_a_day_without_mail(filled):
    move(filled)
    with pytest.raises(ArchiveError, match=r"empty.* has no part 1 of 2026-03-14"):
        seen(replace(filled, archive=""))


def test_reparse_does_not_bring_back_the_hops_of_a_moved_day(filled):
    move(filled)
    with Store.open(filled) as store:
        assert reparse(store, SiteSettings()).changed == MESSAGES
    assert stored_hops(filled) == 0


def test_a_second_run_at_the_same_time_says_so_and_leaves(filled):
    lock = FileLock(Path(f"{filled.path}.archive"))
    with lock.exclusive(0), pytest.raises(BusyStoreError, match="another process is moving days"):
        move(filled)
    lock.close()
    assert stored_hops(filled) == HOPS


def test_days_of_this_host_expire_and_are_not_moved_again(filled, tmp_path, make_record):
    other = replace(filled, path=str(tmp_path / "other.sqlite"))
    put(other, [make_record()])
    move(other, host="mx2")
    move(filled)
    short = replace(filled, archive_keep_days=10)
    with Store.open(short) as store:
        assert expire_days(store, DATE + timedelta(days=10)) == 0
        assert expire_days(store, DATE + timedelta(days=11)) == 1
        assert move_days(store, "mx1", before=AFTER).hops == 0
    assert [part.host for part in archived_parts(Path(filled.archive), DATE, DATE)] == ["mx2"]
    assert seen(filled, DATE - timedelta(days=1), DATE - timedelta(days=1)) == Traffic()
    assert seen(filled).messages == 1
