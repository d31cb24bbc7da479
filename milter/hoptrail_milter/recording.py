"""The recorder process: stores what the workers append to the journal, beside the way of the mail and after it."""

import gc
import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from multiprocessing.connection import Connection as Pipe
from typing import Final, Never

from hoptrail_milter.counters import Counters
from hoptrail_milter.log import Log
from hoptrail_milter.settings import DaemonSettings
from hoptrail_store.recorder import PORTION, Recorder
from hoptrail_store.records import MessageRecord

PAUSE_S: Final = 0.1
DENSE_PAUSE_S: Final = 0.5
"""Between transactions, the longer one where mail is dense: to write two hundred messages in one takes two fifths of
what they take one by one, and nobody waits for them."""
_DENSE = 20  # messages in PAUSE_S

NICENESS: Final = 10
"""Where the processors are busy, answers come first and the journal grows for a while."""


def keep_records(settings: DaemonSettings, counters: Counters, log: Log, orders: Pipe) -> None:
    """Be the recorder until the parent says stop or is gone, and what waits is stored; never returns."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # stopping is the parent's order, after the workers have ended
    with suppress(OSError):  # a sandbox may forbid it, and to be impatient is better than not to be
        os.nice(NICENESS)
    gc.disable()  # what a record is made of has no cycles, and looking for them takes a tenth of the time

    def note_loss(record: MessageRecord | None, error: Exception) -> None:
        counters.add("lost")
        log.alert("lost", queue=record.connection.id if record and record.connection else None, error=str(error))

    recorders = {settings.store.path: Recorder(settings.store, note_loss)}
    while True:
        order = None
        stored = [recorder.step() for recorder in recorders.values()]
        with suppress(OSError):
            counters.set("waiting_store_bytes", sum(recorder.waiting_bytes() for recorder in recorders.values()))
        try:
            if orders.poll(_pause_s(max(stored))):
                order = orders.recv()
        except (EOFError, OSError):
            order = "stop"
        if order == "stop":
            _finish(recorders.values())
        if isinstance(order, DaemonSettings) and order.store != settings.store:
            settings = order
            if before := recorders.pop(settings.store.path, None):
                before.close()
            recorders[settings.store.path] = Recorder(settings.store, note_loss)  # sessions may still fill another's


def _pause_s(stored: int) -> float:
    """How long to wait after a transaction of so many messages."""
    if stored >= PORTION:
        return 0
    return DENSE_PAUSE_S if stored >= _DENSE else PAUSE_S


def _finish(recorders: Iterable[Recorder]) -> Never:
    """Store what waits, and end the process."""
    for recorder in recorders:
        while recorder.step():
            pass
        recorder.close()
    os._exit(0)
