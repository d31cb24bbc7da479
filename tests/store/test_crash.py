"""A record that was acknowledged gets into the store, whenever and however often writers and the recorder are killed."""

import os
import random
import signal
import sqlite3
import time
from multiprocessing import get_context

from hoptrail_store.journal import Journal
from hoptrail_store.reader import open_readonly
from hoptrail_store.recorder import Recorder, drain, is_waiting
from store.samples import record_maker

ROUNDS = 25
WRITERS = 2


def record_until_killed(settings, make_record, pipe):
    """Keep records and write the id of each that was acknowledged, as a worker of the milter would reply."""
    journal = Journal(settings)
    while True:
        record = make_record()
        journal.record(record)
        os.write(pipe, record.id.encode() + b"\n")


def store_until_killed(settings):
    with Recorder(settings, lambda *_: None) as recorder:
        while True:
            recorder.step()


def read_lines(descriptor) -> list[str]:
    with os.fdopen(descriptor) as pipe:
        return [line.strip() for line in pipe if line.endswith("\n")]


def test_no_acknowledged_record_is_lost_by_kill_9(settings):
    chance = random.Random(9)
    acknowledged = set()
    context = get_context("fork")
    for _ in range(ROUNDS):
        storing = context.Process(target=store_until_killed, args=(settings,))
        storing.start()
        running = []
        for _ in range(WRITERS):
            ours, theirs = os.pipe()
            process = context.Process(target=record_until_killed, args=(settings, record_maker(), theirs))
            process.start()
            os.close(theirs)
            running.append((process, ours))
        time.sleep(chance.uniform(0.02, 0.1))
        for process in chance.sample([storing, *(process for process, _ in running)], WRITERS + 1):
            os.kill(process.pid, signal.SIGKILL)
            process.join()
        for _, ours in running:
            acknowledged.update(read_lines(ours))
    assert len(acknowledged) > ROUNDS * WRITERS
    drain(settings, wait_s=60)
    assert not is_waiting(settings)
    with open_readonly(settings.path) as reader:
        stored = {row["id"] for row in reader.db.query("SELECT id FROM message")}
        whole = {row["id"] for row in reader.db.query("SELECT DISTINCT id FROM message JOIN hop ON message = number")}
    assert not acknowledged - stored
    assert whole == stored, "a message is stored with all its rows or not at all"
    with sqlite3.connect(settings.path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
