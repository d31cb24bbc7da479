"""What the store has seen of relays, for the traces of one worker process: read-only, opened anew each hour.

A store that cannot be read makes nothing known of any relay; no message waits for it or fails by it.
"""

import sqlite3
import time
from contextlib import ExitStack
from typing import Final

from hoptrail_store.errors import StoreError
from hoptrail_store.history import StoreHistory, open_history
from hoptrail_store.reader import open_readonly
from hoptrail_tracer.history import History, SeenLink, SeenShape

RENEW_S: Final = 3_600.0  # the nightly job learns once a day; a store that was set aside is left after an hour


class RelayMemory:
    """A `hoptrail_tracer.history.History` that never raises."""

    def __init__(self, path: str) -> None:
        """Open the store at `path` if it is there and knows enough."""
        self._path = path
        self._open = ExitStack()
        self._history: StoreHistory | None = None
        self._due_s = 0.0
        self.renew()

    @property
    def current(self) -> History | None:
        """What to give to a trace: None while too little is known to judge by."""
        return self if self._history else None

    def renew(self) -> None:
        """Open the store anew if that is due; called on one thread, while others ask."""
        if time.monotonic() < self._due_s:
            return
        self._due_s = time.monotonic() + RENEW_S
        previous, self._open = self._open, ExitStack()
        try:
            self._history = open_history(self._open.enter_context(open_readonly(self._path)))
        except (StoreError, sqlite3.Error):
            self._history = None
        previous.close()

    def seen_shape(self, by: str, shape: str) -> SeenShape:
        """Return how a host's lines looked so far."""
        history = self._history
        try:
            return history.seen_shape(by, shape) if history else SeenShape()
        except sqlite3.Error:
            return SeenShape()

    def seen_link(self, sender: str, by: str) -> SeenLink:
        """Return how often one relay handed mail to another."""
        history = self._history
        try:
            return history.seen_link(sender, by) if history else SeenLink()
        except sqlite3.Error:
            return SeenLink()

    def close(self) -> None:
        """Close the store."""
        self._history = None
        self._open.close()
