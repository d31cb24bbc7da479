"""What happens to mail when the store breaks, beside a real Postfix and a real Sendmail: it flows, and each loss is
logged with its queue id."""

import os
import signal
import sqlite3
import time
from contextlib import closing, suppress
from dataclasses import replace

import pytest

from hoptrail_milter.recording import PAUSE_S
from hoptrail_store.store import Store
from testbed.daemon import Start, delivered, running_daemon, send, unfolded
from testbed.places import ROOT, private_folder, wait_for
from testbed.postfix import Postfix
from testbed.sendmail import Sendmail

pytestmark = pytest.mark.mta

PRELUDE = """
import hoptrail_store.migrations as migrations
from hoptrail_store.migrations import Step
steps = migrations.steps()
migrations.steps = lambda: (*steps, Step(99, "CREATE TABLE later (a);"))
"""
# libfaketime makes clock_nanosleep fail, which time.sleep is made of, once the clock has jumped.
# What is in the recorder's cache serves it until it opens the store anew.
FRESH = "import hoptrail_store.recorder; hoptrail_store.recorder._FRESH_S = 0.2\n"
UNFAKED = "import threading, time; time.sleep = threading.Event().wait\n"


@pytest.fixture(scope="module")
def socket():
    with private_folder("faults") as folder:
        yield f"unix:{folder}/milter.sock"


@pytest.fixture(scope="module", params=[Postfix, Sendmail], ids=lambda kind: kind.name)
def mta(request, socket):
    """An MTA whose milter is started, at the socket, by each test."""
    with request.param(milters=[socket]) as running:
        yield running


@pytest.fixture(scope="module")
def plain(mta, socket):
    with running_daemon(how=Start(prelude=FRESH), milter={"socket": socket}) as daemon:
        yield daemon, mta


def one(mta, head=b""):
    with mta.smtp() as smtp:
        return send(smtp, head)


def is_recorded(daemon, sent):
    if not daemon.store.exists():
        time.sleep(PAUSE_S + 1)  # the recorder makes it with the first record
    if not daemon.store.exists():
        return False
    if daemon.how.store_mount:
        return f"<{sent.mark}>" in daemon.recorded()
    return bool(daemon.rows("SELECT 1 FROM message WHERE message_id = ?", f"<{sent.mark}>"))


def assert_lost(daemon, mta, sent, before):
    """The mail was taken and stamped, forged fields are gone, the loss is counted and logged with the queue id."""
    assert sent.code == 250
    fields = unfolded(delivered(mta, sent))
    assert len(fields["x-hoptrail-id"]) == 1
    assert "forged" not in fields["x-hoptrail-id"][0]
    queue_id = fields["x-hoptrail-id"][0].rpartition("queue=")[2]
    assert queue_id in sent.text
    assert f"lost queue={queue_id}" in daemon.log()
    assert daemon.counter("lost") == before + 1


def fill(path):
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(b"x" * 4096):
            pass


def recovers(daemon, mta):
    wait_for(lambda: is_recorded(daemon, one(mta)), "the store to be written again", log=daemon.service.log)


def test_full_disk_loses_records_and_no_mail_until_there_is_room(mta, socket):
    with running_daemon(how=Start(store_mount="size=3m"), milter={"socket": socket, "workers": 1}) as daemon:
        assert is_recorded(daemon, one(mta))
        filler = daemon.store.with_name("filler")
        fill(filler)
        sent = one(mta, b"X-Hoptrail-Id: forged\r\n")
        while not daemon.counter("lost"):  # SQLite's log may have some room left
            sent = one(mta, b"X-Hoptrail-Id: forged\r\n" + b"Received: from a by b; x\r\n" * 20)
        assert_lost(daemon, mta, sent, 0)
        assert "no space is left on its disk" in daemon.log()
        filler.unlink()
        recovers(daemon, mta)
        assert not list(daemon.store.parent.glob("*.damaged-*"))


def test_read_only_store_loses_records_and_no_mail_until_it_is_writable(mta, socket):
    with running_daemon(how=Start(store_mount="size=3m,ro"), milter={"socket": socket, "workers": 1}) as daemon:
        assert_lost(daemon, mta, one(mta, b"X-Hoptrail-Id: forged\r\n"), 0)
        daemon.remount_store("rw")
        recovers(daemon, mta)


def test_store_of_a_later_release_is_left_as_it_is_and_records_wait(mta, socket):
    with running_daemon(milter={"socket": socket, "workers": 1}) as daemon:
        Store.open(daemon.settings.store).close()
        with closing(sqlite3.connect(daemon.store)) as database:
            database.execute("PRAGMA user_version = 99")
        before = daemon.store.read_bytes()
        sent = one(mta)
        daemon.wait_for_log("written by a later release")
        assert daemon.store.read_bytes() == before
        assert daemon.counter("waiting_store_bytes") > 0
        daemon.store.rename(daemon.store.with_name("later"))
        wait_for(lambda: is_recorded(daemon, sent), "what waited to be stored", log=daemon.service.log)
        assert daemon.counter("lost") == 0


def test_store_of_an_older_release_is_migrated_with_a_backup(mta, socket):
    with running_daemon(how=Start(prelude=PRELUDE), milter={"socket": socket, "workers": 1}) as daemon:
        Store.open(daemon.settings.store).close()  # as this release makes it; the daemon knows a later schema
        assert is_recorded(daemon, one(mta))
        assert daemon.rows("SELECT * FROM later") == []
        assert daemon.store.with_name("store.sqlite.v1").exists()


def test_clock_that_jumps_costs_no_record(mta, socket, tmp_path):
    offset = tmp_path / "offset"
    [library] = (ROOT / "usr/lib").glob("*/faketime/libfaketimeMT.so.1")
    env = {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(offset),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    offset.write_text("+0\n", encoding="ascii")
    with running_daemon(how=Start(env=env, prelude=UNFAKED), milter={"socket": socket, "workers": 1}) as daemon:
        marks = []
        for jump in ("+0", "+3d", "-3d", "+0", "-20y", "+10y", "+0"):
            offset.write_text(f"{jump}\n", encoding="ascii")
            sent = one(mta)
            assert sent.code == 250
            assert is_recorded(daemon, sent)
            marks.append(sent.mark)
        days = [
            round((daemon.rows("SELECT received_ms FROM message WHERE message_id = ?", f"<{mark}>")[0][0]) / 86_400_000)
            for mark in marks
        ]
        assert [day - days[0] for day in days[:4]] == [0, 3, -3, 0]
        assert (daemon.counter("lost"), daemon.counter("faults")) == (0, 0)


def test_what_waits_is_stored_after_a_reload_that_names_another_store(mta, socket):
    with running_daemon(milter={"socket": socket}) as daemon:
        assert is_recorded(daemon, one(mta))
        with closing(sqlite3.connect(daemon.store, isolation_level=None)) as blocker:
            blocker.execute("BEGIN IMMEDIATE")
            sent = one(mta)
            settings = replace(daemon.settings.store, path=f"{daemon.store}.next")
            daemon.reload(replace(daemon.settings, store=settings))
            daemon.wait_for_log("reloaded")
            blocker.rollback()
        wait_for(lambda: is_recorded(daemon, sent), "the record to be stored", log=daemon.service.log)


def test_locked_store_delays_no_mail_and_loses_no_record(plain):
    daemon, mta = plain
    assert is_recorded(daemon, one(mta))
    before = daemon.counter("lost")
    with closing(sqlite3.connect(daemon.store, isolation_level=None)) as blocker:
        blocker.execute("BEGIN IMMEDIATE")
        sent = one(mta, b"X-Hoptrail-Id: forged\r\n")
        assert len(unfolded(delivered(mta, sent))["x-hoptrail-id"]) == 1
        daemon.wait_for_log("another process holds its lock")
        blocker.rollback()
    wait_for(lambda: is_recorded(daemon, sent), "the record to be stored", log=daemon.service.log)
    assert daemon.counter("lost") == before


def test_damaged_store_is_set_aside_and_a_new_one_begun(plain):
    daemon, mta = plain
    recovers(daemon, mta)
    before = daemon.counter("lost")
    daemon.store.write_bytes(b"this is no database" * 1000)
    wait_for(lambda: one(mta).code == 250 and "a new store is begun" in daemon.log(), "the damage to be noticed")
    assert is_recorded(daemon, one(mta))
    assert daemon.counter("lost") == before
    assert len(list(daemon.store.parent.glob("store.sqlite.damaged-*[0-9]Z"))) == 1


def test_killed_recorder_is_replaced_and_nothing_is_lost(plain):
    daemon, mta = plain
    before = daemon.status()["recorder"]["pid"]
    os.kill(before, signal.SIGKILL)
    sent = one(mta)
    wait_for(lambda: daemon.status()["recorder"]["pid"] not in {0, before}, "another recorder")
    wait_for(lambda: is_recorded(daemon, sent), "the record to be stored", log=daemon.service.log)
