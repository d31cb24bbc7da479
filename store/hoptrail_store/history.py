"""What the site has seen of relays (`hoptrail_tracer.history`): learnt from each closed day, asked for each message.

Only lines that somebody believed speaks for are learnt from: those that our own hosts wrote, and the one that a named
client of ours wrote itself. So nobody can teach a habit to any host but to their own.
"""

import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from itertools import zip_longest
from typing import TypeVar

from hoptrail_store.assembly import moment
from hoptrail_store.names import TEXT_MAX
from hoptrail_store.reader import Reader, day_span
from hoptrail_store.records import MessageRecord
from hoptrail_store.rows import milliseconds
from hoptrail_store.store import Store
from hoptrail_store.trail import storable
from hoptrail_tracer.fingerprint import shape
from hoptrail_tracer.history import SeenLink, SeenShape
from hoptrail_tracer.model import Hop, Received, Trust
from hoptrail_tracer.names import canonical, same_owner

Key = TypeVar("Key")
Value = TypeVar("Value")

_DAYS_LEAST = 7  # a history of fewer days knows too little of relays that write on working days only
_SHAPES_MAX = 50  # learnt of one host a day: honest ones have few, and a host that varies its lines has no habits
_PORTION = 1_000  # rows a transaction: some 20 ms
_PAUSE_S = 0.01
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
_ADD_SHAPE = """
INSERT INTO shape_seen VALUES (?, ?, ?, ?)
ON CONFLICT DO UPDATE SET lines = lines + excluded.lines, since_ms = min(since_ms, excluded.since_ms)
"""
_ADD_LINK = """
INSERT INTO link_seen VALUES (?, ?, ?, ?)
ON CONFLICT DO UPDATE SET messages = messages + excluded.messages,
    back_ms = max(coalesce(back_ms, excluded.back_ms), coalesce(excluded.back_ms, back_ms))
"""
_ADD_RELAY = """
INSERT INTO relay_seen VALUES (?, ?, ?)
ON CONFLICT DO UPDATE SET sent = sent + excluded.sent, received = received + excluded.received
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


def learn(store: Store, day: date) -> int:
    """Add what a closed UTC day shows of relays and return the number of its messages; 0 if that was done before.

    It is written in portions, so that the milter never waits. A run that is killed leaves a part of the day out.
    """
    if store.db.execute("SELECT 1 FROM learnt_day WHERE day = ?", (str(day),)).fetchone():
        return 0
    lesson = _Lesson()
    for record in Reader(store.db).messages(*day_span(day)):
        lesson.take(record)
    with store.transaction():
        store.db.execute("INSERT INTO learnt_day VALUES (?)", (str(day),))
    rows = [*lesson.shape_rows(), *lesson.link_rows()]
    for start in range(0, len(rows), _PORTION):
        with store.transaction() as names:
            for sql, texts, numbers in rows[start : start + _PORTION]:
                store.db.conn.execute(sql, (*map(names.id, texts), *numbers))
        time.sleep(_PAUSE_S)
    return lesson.messages


Row = tuple[str, tuple[str, ...], tuple[int | None, ...]]
"""One INSERT: its text, the names whose ids come first, and the numbers."""


@dataclass(slots=True)
class _Lesson:
    """What one day shows, added up."""

    messages: int = 0
    shapes: Counter[tuple[str, str]] = field(default_factory=Counter)
    since_ms: dict[str, int] = field(default_factory=dict)
    links: Counter[tuple[str, str]] = field(default_factory=Counter)
    back_ms: dict[tuple[str, str], int] = field(default_factory=dict)

    def take(self, record: MessageRecord) -> None:
        self.messages += 1
        at_ms = milliseconds(record.received_at)  # of the line's own date the client could say what it likes
        for received in _corroborated(record.trace.hops):
            if by := canonical(received.by or ""):
                self.shapes[by, _kept(shape(received))] += 1
                self.since_ms.setdefault(by, at_ms)
        for received, older in _believed_links(record.trace.hops):
            by, sender = canonical(received.by or ""), canonical(received.rdns or "") or received.ip
            if by and sender:
                self.links[sender, by] += 1
                if older and older.date and received.date:
                    back_ms = milliseconds(older.date) - milliseconds(received.date)
                    self.back_ms[sender, by] = max(back_ms, self.back_ms.get((sender, by), 0))

    def shape_rows(self) -> Iterator[Row]:
        of_host: Counter[str] = Counter()
        for (by, look), lines in self.shapes.most_common():
            of_host[by] += 1
            if of_host[by] <= _SHAPES_MAX:
                yield _ADD_SHAPE, (_kept(by), look), (lines, self.since_ms[by])

    def link_rows(self) -> Iterator[Row]:
        for (sender, by), count in self.links.items():
            yield _ADD_LINK, (_kept(sender), _kept(by)), (count, self.back_ms.get((sender, by)))
            yield _ADD_RELAY, (_kept(sender),), (count, 0)
            yield _ADD_RELAY, (_kept(by),), (0, count)


def _corroborated(hops: tuple[Hop, ...]) -> Iterator[Received]:
    """Yield the lines of believed hosts, and the next one if the client that delivered it is the host that wrote it."""
    client = None
    for hop in hops:
        received = hop.received
        if received.status != "parsed":
            continue
        if hop.trust in {Trust.OBSERVED, Trust.TRUSTED}:
            client = received.rdns
            if hop.line is not None:
                yield received
            continue
        if received.by and same_owner(received.by, client):
            yield received
        return


def _believed_links(hops: tuple[Hop, ...]) -> Iterator[tuple[Received, Received | None]]:
    """Yield what believed hosts say of who delivered to them, each with the next older line."""
    parsed = [hop for hop in hops if hop.received.status == "parsed"]
    for hop, older in zip_longest(parsed, parsed[1:]):
        if hop.trust in {Trust.OBSERVED, Trust.TRUSTED}:
            yield hop.received, older.received if older else None


def _kept(text: str) -> str:
    return storable(text[:TEXT_MAX])


def _remember(memory: dict[Key, Value], key: Key, value: Value) -> None:
    if len(memory) >= _REMEMBERED_MAX:
        memory.clear()
    memory[key] = value
