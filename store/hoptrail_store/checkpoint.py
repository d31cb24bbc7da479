"""Copies SQLite's log into the store's file, beside the writer rather than in the middle of a message's way.

SQLite would do it within the commit that makes the log 1,000 pages long: every sixtieth message waited 15 ms for it.
"""

import logging
import sqlite3
import threading
from pathlib import Path

from hoptrail_store.database import open_database
from hoptrail_store.errors import StoreError

AUTOMATIC_PAGES = 16_000
"""64 MB of log: a writer copies it itself then, in case nobody else did."""

_INTERVAL_S = 1.0

_log = logging.getLogger("hoptrail.store")


class Checkpointer:
    """A thread that copies what was written every second. Several processes may have one; they take turns."""

    def __init__(self, path: Path) -> None:
        """Start."""
        self._path = path
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="store-checkpoint", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End; the last connection to be closed copies the rest."""
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            database = open_database(self._path, wait_s=0)
        except StoreError as error:
            _log.warning("store: no checkpoints beside the writer: %s", error)
            return
        try:
            while not self._end.wait(_INTERVAL_S):
                database.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except sqlite3.Error as error:  # a full disk, say; the writer meets and reports it
            _log.warning("store: no more checkpoints beside the writer: %s", error)
        finally:
            database.close()
