"""What the site has seen of relays (`hoptrail_tracer.history`): learnt from each closed day, asked for each message."""

import sqlite3
import threading
from typing import TypeVar

from hoptrail_store.assembly import moment
from hoptrail_store.names import TEXT_MAX
from hoptrail_store.reader import Reader
from hoptrail_store.trail import storable
from hoptrail_tracer.history import SeenLink, SeenShape

Key = TypeVar("Key")
Value = TypeVar("Value")

_DAYS_LEAST = 7  # a history of fewer days knows too little of relays that write on working days only
_REMEMBERED_MAX = 20_000  # hosts and links, some 5 MB

_SHAPES = """
SELECT shape.text, lines, since_ms FROM shape_seen
JOIN name AS host ON host.id = by_name JOIN name AS shape ON shape.id = shape_seen.shape WHERE host.text = ?
"""
_LINK = """
SELECT
    (SELECT sent FROM relay_seen WHERE relay_name = sender.id),
    (SELECT received FROM relay_seen WHERE relay_name = host.id),
    link_seen.messages, back_ms
FROM (SELECT (SELECT id FROM name WHERE text = ?) AS id) AS sender
JOIN (SELECT (SELECT id FROM name WHERE text = ?) AS id) AS host
LEFT JOIN link_seen ON sender_name = sender.id AND by_name = host.id
"""


class StoreHistory:
    """A `hoptrail_tracer.history.History` out of a store, for all threads of a process.

    What it was asked once it remembers, so a process that runs for long makes a new one each day.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Ask through `connection`, which may belong to another thread."""
        self._connection = connection
        self._lock = threading.Lock()
        self._shapes: dict[str, dict[str, tuple[int, int]]] = {}
        self._links: dict[tuple[str, str], SeenLink] = {}

    def seen_shape(self, by: str, shape: str) -> SeenShape:
        """Return how a host's lines looked so far."""
        with self._lock:
            found = self._shapes.get(by)
            if found is None:
                rows = self._connection.execute(_SHAPES, (_kept(by),))
                found = {text: (lines, since_ms) for text, lines, since_ms in rows}
                _remember(self._shapes, by, found)
        if not found:
            return SeenShape()
        return SeenShape(
            count=found.get(_kept(shape), (0, 0))[0],
            lines=sum(lines for lines, _ in found.values()),
            since=moment(min(since_ms for _, since_ms in found.values())),
        )

    def seen_link(self, sender: str, by: str) -> SeenLink:
        """Return how often one relay handed mail to another."""
        with self._lock:
            found = self._links.get((sender, by))
            if found is None:
                sent, received, count, back_ms = self._connection.execute(_LINK, (_kept(sender), _kept(by))).fetchone()
                found = SeenLink(count or 0, sent or 0, received or 0, None if back_ms is None else back_ms / 1000)
                _remember(self._links, (sender, by), found)
        return found


def open_history(reader: Reader) -> StoreHistory | None:
    """Return the history of the reader's store, None while it knows too few days to judge by."""
    [days] = reader.db.execute("SELECT count(*) FROM learnt_day").fetchone()
    return StoreHistory(reader.db.conn) if days >= _DAYS_LEAST else None


def _kept(text: str) -> str:
    return storable(text[:TEXT_MAX])


def _remember(memory: dict[Key, Value], key: Key, value: Value) -> None:
    if len(memory) >= _REMEMBERED_MAX:
        memory.clear()
    memory[key] = value
