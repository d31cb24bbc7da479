"""The thread that stores what a worker process saw: many messages in one transaction, each told when it is safe."""

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from hoptrail_store.checkpoint import AUTOMATIC_PAGES, Checkpointer
from hoptrail_store.errors import (
    BusyStoreError,
    CorruptStoreError,
    MovedStoreError,
    RecordError,
    StoreError,
    UnavailableStoreError,
)
from hoptrail_store.records import Answer, MessageRecord, RefusalCount
from hoptrail_store.settings import StoreSettings
from hoptrail_store.store import Store, file_identity, set_damaged_aside

_GROUP_MAX = 256  # messages a transaction: some 50 ms, which the other processes wait for
_WAITING_MAX = 10_000  # about 100 MB of records; beyond it something is badly wrong with the disk
_REOPEN_PAUSE_S = 1.0
GATHER_S = 0.02
"""Four messages in one transaction cost half of what they do in four. So where a crowd of sessions is open, this long
lies between the end of a transaction and the next, for more of them to come along; who is alone waits for nobody."""
_CROWD = 5
_LEAST_WAIT_S = 0.05

_log = logging.getLogger("hoptrail.store")


@dataclass(slots=True)
class _Job:
    deadline: float
    record: MessageRecord | None = None
    refusals: Sequence[RefusalCount] = ()
    answers: Sequence[Answer] = ()
    done: "Future[None]" = field(default_factory=Future)


class Writer:
    """Stores records from any thread of one process. Make it after forking.

    It never gives up: a store that cannot be opened is tried again, a damaged one set aside and a new one begun; what
    cannot be stored in time fails with a StoreError, and the caller counts the loss.
    """

    def __init__(self, settings: StoreSettings, sessions: Callable[[], int] = lambda: 0) -> None:
        """Start the thread, which opens the store: one that is out of order never keeps a daemon from starting.

        `sessions` tells how many sessions are open that may each bring a record at any moment.
        """
        self._settings = settings
        self._sessions = sessions
        self._jobs: queue.Queue[_Job | None] = queue.Queue(_WAITING_MAX)
        self._store: Store | None = None
        self._checkpointer: Checkpointer | None = None
        self._closed = False
        self._failures = 0
        self._ended_at = 0.0
        self._retry_at = 0.0
        self._last_error: StoreError = UnavailableStoreError(f"{settings.path}: not opened yet")
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def submit(self, record: MessageRecord) -> "Future[None]":
        """Return a future that is done once the record is committed, or fails with a StoreError within `lock_wait_s`.

        The time of one transaction comes on top of it, so a caller who must answer waits with a timeout of its own.
        """
        return self._enqueue(_Job(self._deadline(), record=record))

    def count_refusals(self, counts: Sequence[RefusalCount]) -> "Future[None]":
        """Return a future like `submit`'s for counts that are added to the store's."""
        return self._enqueue(_Job(self._deadline(), refusals=counts))

    def remember(self, answers: Sequence[Answer]) -> "Future[None]":
        """Return a future like `submit`'s for answers of look-ups."""
        return self._enqueue(_Job(self._deadline(), answers=answers))

    @property
    def waiting(self) -> int:
        """How many records and counts wait for their transaction."""
        return self._jobs.qsize()

    def close(self, wait_s: float = 10.0) -> None:
        """Store what waits, then end the thread; return after `wait_s` at the latest."""
        if not self._closed:
            self._closed = True
            self._jobs.put(None)
        self._thread.join(wait_s)

    def __enter__(self) -> Self:
        """Return the writer itself, closed at the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def _deadline(self) -> float:
        return time.monotonic() + self._settings.lock_wait_s

    def _enqueue(self, job: _Job) -> "Future[None]":
        if self._closed:
            job.done.set_exception(BusyStoreError(f"{self._settings.path}: the writer was closed"))
            return job.done
        try:
            self._jobs.put_nowait(job)
        except queue.Full:
            job.done.set_exception(BusyStoreError(f"{self._settings.path}: {_WAITING_MAX} records wait already"))
        return job.done

    def _run(self) -> None:
        ending = False
        while not ending:
            group = [self._jobs.get()]
            self._gather()
            while len(group) < _GROUP_MAX and not self._jobs.empty():
                group.append(self._jobs.get())
            ending = None in group
            jobs = [job for job in group if job is not None and job.done.set_running_or_notify_cancel()]
            if jobs:
                self._store_group(jobs)
            self._ended_at = time.monotonic()
        self._let_go()
        while not self._jobs.empty():  # submitted in the moment of closing
            if late := self._jobs.get():
                _fail([late], BusyStoreError(f"{self._settings.path}: the writer was closed"))

    def _gather(self) -> None:
        left_s = self._ended_at + GATHER_S - time.monotonic()
        if left_s > 0 and self._sessions() >= _CROWD:
            time.sleep(left_s)

    def _store_group(self, jobs: Sequence[_Job]) -> None:
        """Store the jobs and tell each how it went; never raises, since nobody would start the thread again."""
        try:
            self._write(jobs)
        except RecordError as error:
            if len(jobs) == 1:
                _fail(jobs, error)
                return
            for job in jobs:
                self._store_group([job])
        except StoreError as error:
            self._note_failure(error)
            _fail(jobs, error)
        except Exception as error:  # noqa: BLE001 - whatever it is, the callers must hear of it
            _log.exception("store: our own fault")
            _fail(jobs, error)
        else:
            self._note_success()
            for job in jobs:
                job.done.set_result(None)

    def _write(self, jobs: Sequence[_Job]) -> None:
        """Write one transaction; once more where the file had to be opened again or replaced."""
        try:
            self._write_once(jobs)
        except MovedStoreError as error:
            _log.error("store: %s; opening it again", error)
            self._let_go()
            self._write_once(jobs)
        except CorruptStoreError as error:
            self._replace(error)
            self._write_once(jobs)

    def _write_once(self, jobs: Sequence[_Job]) -> None:
        store = self._opened()
        prepared = [store.prepare(job.record) for job in jobs if job.record]
        refusals = [count for job in jobs for count in job.refusals]
        wait_s = max(jobs[0].deadline - time.monotonic(), _LEAST_WAIT_S)
        answers = [answer for job in jobs for answer in job.answers]
        store.write(prepared, refusals, answers, wait_s=wait_s)

    def _opened(self) -> Store:
        if self._store is None:
            if time.monotonic() < self._retry_at:
                raise self._last_error
            self._retry_at = time.monotonic() + _REOPEN_PAUSE_S
            self._store = Store.open(self._settings)
            self._store.tune(f"wal_autocheckpoint = {AUTOMATIC_PAGES}")
            self._checkpointer = Checkpointer(self._store.path)
        return self._store

    def _let_go(self) -> None:
        if self._checkpointer:
            self._checkpointer.close()
        if self._store:
            self._store.close()
        self._checkpointer = self._store = None
        self._retry_at = 0.0

    def _replace(self, error: CorruptStoreError) -> None:
        damaged = self._store.file if self._store else file_identity(Path(self._settings.path))
        self._let_go()
        aside = set_damaged_aside(self._settings, damaged)
        if aside:
            _log.critical("store: %s; it was moved to %s and a new store is begun", error, aside)

    def _note_failure(self, error: StoreError) -> None:
        self._failures += 1
        if self._failures == 1:
            _log.error("store: %s; until it can be written again, messages pass without a record", error)
        self._last_error = error
        if not isinstance(error, BusyStoreError):
            retry_at = self._retry_at
            self._let_go()
            self._retry_at = retry_at

    def _note_success(self) -> None:
        if self._failures:
            _log.warning("store: writing again; %d transactions had failed", self._failures)
            self._failures = 0


def _fail(jobs: Sequence[_Job], error: Exception) -> None:
    for job in jobs:
        job.done.set_exception(error)
