"""A record whose future was done is in the store, whenever and however often the process is killed."""

import os
import random
import signal
import sqlite3
import time
from multiprocessing import get_context

from hoptrail_store.reader import open_readonly
from hoptrail_store.writer import Writer
from store.samples import record_maker

ROUNDS = 25
WRITERS = 2


def store_until_killed(settings, make_record, pipe):
    """Store records and write the id of each that was acknowledged, as a worker of the milter would reply."""
    writer = Writer(settings)
    waiting = [make_record() for _ in range(8)]
    futures = [(record.id, writer.submit(record)) for record in waiting]
    while True:
        identifier, future = futures.pop(0)
        future.result(30)
        os.write(pipe, identifier.encode() + b"\n")
        record = make_record()
        futures.append((record.id, writer.submit(record)))


def read_lines(descriptor) -> list[str]:
    with os.fdopen(descriptor) as pipe:
        return [line.strip() for line in pipe if line.endswith("\n")]


def test_no_acknowledged_record_is_lost_by_kill_9(settings):

    chance = random.Random(9)
    acknowledged = set()
    context = get_context("fork")
    for _ in range(ROUNDS):
        running = []
        for _ in range(WRITERS):
            ours, theirs = os.pipe()
            process = context.Process(target=store_until_killed, args=(settings, record_maker(), theirs))
            process.start()
            os.close(theirs)
            running.append((process, ours))
        time.sleep(chance.uniform(0.02, 0.25))
        for process, ours in running:
            os.kill(process.pid, signal.SIGKILL)
            process.join()
            acknowledged.update(read_lines(ours))
    assert len(acknowledged) > ROUNDS * WRITERS
    with open_readonly(settings.path) as reader:
        stored = {row["id"] for row in reader.db.query("SELECT id FROM message")}
        whole = {row["id"] for row in reader.db.query("SELECT DISTINCT id FROM message JOIN hop ON message = number")}
    assert not acknowledged - stored
    assert whole == stored, "a message is stored with all its rows or not at all"
    with sqlite3.connect(settings.path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
