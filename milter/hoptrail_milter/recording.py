"""The recorder process: stores what the workers append to the journal, beside the way of the mail and after it."""

import gc
import os
import signal
import time
from collections.abc import Callable, Iterable
from multiprocessing.connection import Connection as Pipe
from typing import Final, Never

from hoptrail_milter.counters import Counters
from hoptrail_milter.log import Log
from hoptrail_milter.settings import DaemonSettings
from hoptrail_store.recorder import Recorder
from hoptrail_store.records import MessageRecord

PAUSE_S: Final = 0.1
BURST_BYTES: Final = 64 << 10
"""Of records in a pause, some 15 messages: while so many come, the processors are left to the answers. To write many
messages in one transaction takes two fifths of what they take one by one."""

LATEST_S: Final = 10.0
"""However long a burst lasts, a record is stored about this much later at the latest."""


def keep_records(settings: DaemonSettings, counters: Counters, log: Log, orders: Pipe) -> None:
    """Be the recorder until the parent says stop or is gone, and what waits is stored; never returns."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # stopping is the parent's order, after the workers have ended
    gc.disable()  # what a record is made of has no cycles, and looking for them takes a tenth of the time

    def note_loss(record: MessageRecord | None, error: Exception) -> None:
        counters.add("lost")
        log.alert("lost", queue=record.connection.id if record and record.connection else None, error=str(error))

    recorders = {settings.store.path: Recorder(settings.store, note_loss)}
    pace = Pace()
    while True:
        order = None
        stored = 0
        if pace.is_time(_waiting_bytes(recorders.values()), is_wanted=_is_any_wanted(recorders.values())):
            stored = max(recorder.step() for recorder in recorders.values())
            pace.note(_waiting_bytes(recorders.values()))
        counters.set("waiting_store_bytes", pace.waiting_bytes)
        try:
            if orders.poll(0 if stored and pace.is_behind else PAUSE_S):
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


class Pace:
    """When to store: as soon as mail is sparse, or has waited for long. `clock` counts seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with nothing waiting."""
        self.waiting_bytes = 0
        self._clock = clock
        self._due_s = clock() + LATEST_S

    def is_time(self, waiting_bytes: int, *, is_wanted: bool = False) -> bool:
        """Return whether to store now, when so much waits; to be asked once a pause. `is_wanted`: somebody asks for it.

        What waited when it was wanted is stored to its end, burst or no burst.
        """
        if is_wanted:
            self._due_s = self._clock()
        came_bytes, self.waiting_bytes = waiting_bytes - self.waiting_bytes, waiting_bytes
        return came_bytes < BURST_BYTES or self._clock() >= self._due_s

    @property
    def is_behind(self) -> bool:
        """Whether more waits than what came during a transaction."""
        return self.waiting_bytes >= BURST_BYTES

    def note(self, waiting_bytes: int) -> None:
        """Note how much still waits after a transaction."""
        self.waiting_bytes = waiting_bytes
        if not self.is_behind:
            self._due_s = self._clock() + LATEST_S


def _is_any_wanted(recorders: Iterable[Recorder]) -> bool:
    """Return whether somebody asks for what waits; False where that cannot be told."""
    try:
        return any(recorder.is_wanted() for recorder in recorders)
    except OSError:
        return False


def _waiting_bytes(recorders: Iterable[Recorder]) -> int:
    """Return how much waits; 0 where that cannot be told."""
    try:
        return sum(recorder.waiting_bytes() for recorder in recorders)
    except OSError:
        return 0


def _finish(recorders: Iterable[Recorder]) -> Never:
    """Store what waits, and end the process."""
    for recorder in recorders:
        while recorder.step():
            pass
        recorder.close()
    os._exit(0)
