"""Counters of all worker processes in one block of shared memory, which the parent makes before it forks.

A worker adds to its own row only, so there is no lock between processes; a worker that replaces a dead one goes on with
its row, so that no counter ever falls.
"""

import mmap
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Final

COUNTERS: Final[Mapping[str, str]] = {
    "connections": "SMTP connections that the MTA handed over",
    "messages": "messages answered at their end",
    "recipients_accepted": "recipients that the MTA accepted",
    "recipients_refused": "recipients that the MTA refused",
    "recorded": "messages whose record was in the journal before the reply",
    "lost": "messages without a record, because the journal could not be written",
    "scored": "messages that spamd scored",
    "taken_over": "messages that one of our own hosts had scored",
    "spam": "messages at or above spamd's threshold",
    "refused": "messages refused for their score, or for more fields of ours than an MTA can delete",
    "unscored_authenticated": "messages not scored: the sender authenticated",
    "unscored_trusted": "messages not scored: the client is in a skipped network",
    "unscored_size": "messages not scored: too long",
    "unscored_timeout": "messages not scored: spamd was too slow",
    "unscored_unavailable": "messages not scored: spamd could not be reached",
    "unscored_busy": "messages not scored: too many were waiting",
    "unscored_breaker": "messages not scored: spamd was left alone after failures",
    "unscored_error": "messages not scored: spamd answered with an error",
    "fields_removed": "header fields of ours that came from outside and were removed",
    "lookups_late": "messages whose look-ups were not all there in time",
    "faults": "faults of Hoptrail's own that were met while mail was answered",
    "harvest_seen": "SMTP connections of client networks that harvest recipients",
    "harvest_slowed": "SMTP connections made to wait because their network harvests",
    "harvest_refused": "SMTP connections refused because their network harvests",
    "reloads": "times the daemon took up a new configuration",
    "reloads_failed": "new configurations that were refused, or that a worker could not take up",
}
GAUGES: Final[Mapping[str, str]] = {
    "sessions": "SMTP connections now open",
    "waiting_store_bytes": "records and counts that wait in the journal to be stored, in bytes",
    "waiting_score": "messages that wait for their turn at spamd",
    "breaker_open": "worker processes that now leave spamd alone",
}
# Seconds from the end of the message to the reply: from what a lean milter needs to what an MTA stops waiting at.
LATENCY_BOUNDS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

_NAMES: Final = (*COUNTERS, *GAUGES)
_INDEX: Final = {name: index for index, name in enumerate(_NAMES)}
_LATENCY: Final = len(_NAMES)  # the histogram's buckets, the last one without a bound; then their sum in microseconds
_MICROSECONDS: Final = _LATENCY + len(LATENCY_BOUNDS_S) + 1
_ROW: Final = _MICROSECONDS + 1
_CELL_BYTES: Final = 8


@dataclass(frozen=True, slots=True)
class Totals:
    """The sums over all workers; `latency` counts messages in each bucket of LATENCY_BOUNDS_S and beyond the last."""

    values: Mapping[str, int]
    latency: tuple[int, ...]
    latency_sum_s: float


class Counters:
    """One worker's row."""

    def __init__(self, row: memoryview) -> None:
        """Take the row as a view of signed 64-bit integers."""
        self._row = row
        self._lock = Lock()  # libmilter runs callbacks on several threads, and += on a cell is two steps

    def add(self, name: str, count: int = 1) -> None:
        """Add to a counter or a gauge."""
        index = _INDEX[name]
        with self._lock:
            self._row[index] += count

    def set(self, name: str, value: int) -> None:
        """Set a gauge."""
        self._row[_INDEX[name]] = value

    def observe(self, duration_s: float) -> None:
        """Count one message's time from its end to the reply."""
        bucket = _LATENCY + bisect_left(LATENCY_BOUNDS_S, duration_s)
        with self._lock:
            self._row[bucket] += 1
            self._row[_MICROSECONDS] += int(duration_s * 1e6)

    @contextmanager
    def during(self, name: str) -> Iterator[None]:
        """Count a gauge up while the block runs."""
        self.add(name)
        try:
            yield
        finally:
            self.add(name, -1)

    def __getitem__(self, name: str) -> int:
        """Return this worker's value."""
        return self._row[_INDEX[name]]


class Board:
    """The shared block: a row for each worker."""

    def __init__(self, workers: int) -> None:
        """Map anonymous memory that children inherit."""
        self._cells = memoryview(mmap.mmap(-1, workers * _ROW * _CELL_BYTES)).cast("q")
        self._rows = [self._cells[start : start + _ROW] for start in range(0, workers * _ROW, _ROW)]

    def worker(self, number: int) -> Counters:
        """Return the row of worker `number` with its gauges at zero, for a worker that begins."""
        counters = Counters(self._rows[number])
        for name in GAUGES:
            counters.set(name, 0)
        return counters

    def totals(self) -> Totals:
        """Return the sums over all workers."""
        sums = [sum(cells) for cells in zip(*self._rows, strict=True)]
        return Totals(
            values=dict(zip(_NAMES, sums, strict=False)),
            latency=tuple(sums[_LATENCY:_MICROSECONDS]),
            latency_sum_s=sums[_MICROSECONDS] / 1e6,
        )
