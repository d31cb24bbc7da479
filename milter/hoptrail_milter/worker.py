"""One worker process: libmilter on the shared socket, and a thread that takes the parent's orders."""

import os
import signal
import time
from dataclasses import asdict
from multiprocessing.connection import Connection as Pipe
from threading import Lock, Thread
from typing import Final, Literal

from hoptrail_milter import callbacks
from hoptrail_milter.log import Log, open_log
from hoptrail_milter.services import Services
from hoptrail_milter.settings import DaemonSettings
from hoptrail_milter.shared import Seat

FLUSH_S: Final = 5.0  # how long refusals may wait in memory: what kill -9 can lose of them
TICK_S: Final = 1.0
DRAIN_TICK_S: Final = 0.05

Order = DaemonSettings | Literal["stop"]


class Worker:
    """Which configuration is in force, and which are on their way out."""

    def __init__(self, settings: DaemonSettings, seat: Seat, log: Log, orders: Pipe) -> None:
        """Open the services; raises what Services raises."""
        self._seat = seat
        self._counters = seat.counters
        self._log = log
        self._orders = orders
        self._lock = Lock()
        self._services = Services(settings, seat.counters, log, seat.clients)
        self._retired: list[Services] = []

    def open_session(self) -> Services:
        """Return the services in force for a session that begins; it releases them when it ends."""
        with self._lock:
            self._services.acquire()
            return self._services

    def take_orders(self) -> None:
        """Follow the parent until it says stop or is gone, then end the process."""
        flushed_at = time.monotonic()
        while True:
            try:
                order = self._orders.recv() if self._orders.poll(TICK_S) else None
            except (EOFError, OSError):  # the parent is dead; whoever starts a new one wants the socket
                order = "stop"
            if order == "stop":
                self._stop()
            elif order is not None:
                self._change(order)
            self._show()
            for services in (*self._retired, self._services):
                services.tick()
            self._close_retired()
            if time.monotonic() - flushed_at >= FLUSH_S:
                flushed_at = time.monotonic()
                self._services.flush_refusals()

    def _change(self, settings: DaemonSettings) -> None:
        """Put a new configuration in force for sessions to come; those that run keep theirs."""
        self._log = open_log(settings.milter)
        try:
            services = Services(settings, self._counters, self._log, self._seat.clients)
        except (OSError, ValueError) as error:
            self._log.alert("reload-failed", error=str(error), kept="the configuration before")
            self._counters.add("reloads_failed")
            return
        with self._lock:
            self._retired.append(self._services)
            self._services = services
        self._log.info("in-force", pid=os.getpid())

    def _show(self) -> None:
        """Say how things stand to whoever asks the parent."""
        scorer = self._services.scorer
        self._counters.set("breaker_open", int(scorer is not None and scorer.is_open))
        self._counters.set("waiting_score", scorer.waiting if scorer else 0)
        self._seat.note.write([asdict(zone) for zone in self._services.paused_zones])

    def _close_retired(self) -> None:
        for services in [services for services in self._retired if services.is_idle]:
            self._retired.remove(services)
            services.close()

    def _stop(self) -> None:
        """Give open sessions time to end, write what is left, and end the process.

        Not by libmilter's own stop, which takes seconds and breaks off sessions that wait for the next command.
        """
        deadline = time.monotonic() + self._services.settings.milter.stop_grace_s
        while self._counters["sessions"] > 0 and time.monotonic() < deadline:
            time.sleep(DRAIN_TICK_S)
        for services in [*self._retired, self._services]:
            services.close()
        os._exit(0)


def work(settings: DaemonSettings, seat: Seat, log: Log, orders: Pipe) -> None:
    """Be a worker; never returns. Exit code 1 says that the services could not be opened."""
    # Ctrl-C and systemd signal the whole group, but stopping is the parent's order; libmilter would stop at once.
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    try:
        worker = Worker(settings, seat, log, orders)
    except (OSError, ValueError) as error:
        log.alert("worker-failed", error=str(error))
        os._exit(1)
    Thread(target=worker.take_orders, name="orders", daemon=True).start()
    callbacks.serve(worker.open_session)
    os._exit(0)
