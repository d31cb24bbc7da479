"""A cache of look-ups that outlives the process: memory in front, the store behind.

It is a `hoptrail_tracer.lookups.cache.Cache`.
"""

import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

from hoptrail_store.database import open_database
from hoptrail_store.errors import StoreError
from hoptrail_store.journal import Journal
from hoptrail_store.records import Answer
from hoptrail_store.settings import StoreSettings
from hoptrail_tracer.lookups.cache import MemoryCache

if TYPE_CHECKING:
    from sqlite_utils import Database

_PORTION = 100  # answers written together
_AGE_S = 5.0  # until fewer are; an answer that is lost with the process is only asked for again


class StoreCache:
    """Answers of look-ups, shared by all processes of one store. A store out of order makes it a memory cache."""

    def __init__(
        self, settings: StoreSettings, journal: Journal, *, size: int = 20_000, clock: Callable[[], float] = time.time
    ) -> None:
        """Keep `size` answers in memory; write them through `journal`."""
        self._path = Path(settings.path)
        self._journal = journal
        self._is_private = settings.truncate_addresses == "at-once"  # the questions are addresses
        self._clock = clock
        self._memory = MemoryCache(size, clock)
        self._lock = threading.Lock()
        self._waiting: dict[tuple[str, str], Answer] = {}
        self._written_at = clock()
        self._database: Database | None = None

    def __enter__(self) -> Self:
        """Return the cache itself, whose last answers are written at the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def get(self, kind: str, key: str) -> str | None:
        """Return the text put last by any process, None where there is none or it has expired."""
        value = self._memory.get(kind, key)
        if value is None and (found := self._stored(kind, key)):
            value, expires_ms = found
            left_s = expires_ms / 1000 - self._clock()
            if left_s <= 0:
                return None
            self._memory.put(kind, key, value, left_s)
        return value

    def put(self, kind: str, key: str, value: str, ttl_s: float) -> None:
        """Keep `value` for `ttl_s` seconds."""
        now = self._clock()
        self._memory.put(kind, key, value, ttl_s)
        if self._is_private:
            return
        with self._lock:
            self._waiting[kind, key] = Answer(kind, key, value, round((now + ttl_s) * 1000))
            if len(self._waiting) < _PORTION and now - self._written_at < _AGE_S:
                return
            answers, self._waiting = list(self._waiting.values()), {}
            self._written_at = now
        self._hand_over(answers)

    def close(self) -> None:
        """Hand the last answers over."""
        with self._lock:
            answers, self._waiting = list(self._waiting.values()), {}
        if answers:
            self._hand_over(answers)
        if self._database:
            self._database.close()
            self._database = None

    def _hand_over(self, answers: list[Answer]) -> None:
        with suppress(StoreError):  # they will be asked for again
            self._journal.remember(answers)

    def _stored(self, kind: str, key: str) -> tuple[str, int] | None:
        try:
            if self._database is None:
                self._database = open_database(self._path, wait_s=0, readonly=True)
            row = self._database.conn.execute(
                "SELECT value, expires_ms FROM lookup WHERE kind = ? AND key = ?", (kind, key)
            ).fetchone()
        except (StoreError, sqlite3.Error, UnicodeError):
            return None
        return (row[0], row[1]) if row else None
