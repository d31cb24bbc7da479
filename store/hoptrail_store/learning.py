"""What a closed day shows of relays, added to what the site has seen of them (`hoptrail_store.history`).

It learns only from lines that somebody believed speaks for (`hoptrail_store.habits`), and from what our own hosts say
of who delivered to them.
"""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date

from hoptrail_store.spans import conditions, day_ms, day_numbers
from hoptrail_store.store import Store
from hoptrail_tracer.names import canonical

_SHAPES_MAX = 50  # learnt of one host a day: honest ones have few, and a host that varies its lines has no habits
_PORTION = 2_000  # rows a transaction: some 20 ms
_PAUSE_S = 0.005

_SHAPES = """
SELECT by_name, shape, count(*), min(received_ms) FROM message JOIN hop ON message = number
WHERE {} AND received_ms >= ? AND received_ms < ? AND shape IS NOT NULL GROUP BY by_name, shape
"""
_LINKS = """
SELECT coalesce(rdns, ip), by_name, count(*), max(max(0, -delay_s)) * 1000 FROM message JOIN hop ON message = number
WHERE {} AND received_ms >= ? AND received_ms < ? AND trust <= 1 AND by_name IS NOT NULL
AND coalesce(rdns, ip) IS NOT NULL GROUP BY 1, 2
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

Row = tuple[str, tuple[str, ...], tuple[int | None, ...]]
"""One INSERT: its text, the names whose ids come first, and the numbers."""


def learn(store: Store, day: date) -> int:
    """Add what a closed UTC day shows of relays and return the number of its messages; 0 if that was done before.

    The day's hops must be in the store still, not in the archive. It is written in portions, so that the milter never
    waits. A run that is killed leaves a part of the day out.
    """
    if is_learnt(store, day):
        return 0
    numbers = day_numbers(store.db.conn, *day_ms(day))
    lesson = _Lesson(store)
    for condition in conditions(numbers):
        lesson.take(condition.format("number"), day_ms(day))
    with store.transaction():
        store.db.execute("INSERT INTO learnt_day VALUES (?)", (str(day),))
    rows = [*lesson.shape_rows(), *lesson.link_rows()]
    for start in range(0, len(rows), _PORTION):
        with store.transaction() as names:
            for sql, texts, figures in rows[start : start + _PORTION]:
                store.db.conn.execute(sql, (*map(names.id, texts), *figures))
        time.sleep(_PAUSE_S)
    return len(numbers)


def is_learnt(store: Store, day: date) -> bool:
    """Whether a day was learnt from."""
    return store.db.execute("SELECT 1 FROM learnt_day WHERE day = ?", (str(day),)).fetchone() is not None


@dataclass(slots=True)
class _Lesson:
    """What one day shows, added up."""

    store: Store
    shapes: Counter[tuple[str, str]] = field(default_factory=Counter)
    since_ms: dict[str, int] = field(default_factory=dict)
    links: Counter[tuple[str, str]] = field(default_factory=Counter)
    back_ms: dict[tuple[str, str], int] = field(default_factory=dict)
    texts: dict[int, str] = field(default_factory=dict)

    def take(self, condition: str, span: tuple[int, int]) -> None:
        connection = self.store.db.conn
        for by_id, shape, lines, since_ms in connection.execute(_SHAPES.format(condition), span):
            if by := canonical(self._text(by_id)):
                self.shapes[by, self._text(shape)] += lines
                self.since_ms[by] = min(since_ms, self.since_ms.get(by, since_ms))
        for sender_id, by_id, count, back_ms in connection.execute(_LINKS.format(condition), span):
            sender, by = self._text(sender_id), canonical(self._text(by_id))
            if by:
                link = canonical(sender) or sender, by
                self.links[link] += count
                if back_ms is not None:
                    self.back_ms[link] = max(back_ms, self.back_ms.get(link, 0))

    def _text(self, number: int) -> str:
        if number not in self.texts:
            sql = "SELECT text FROM name WHERE id = ?"
            [self.texts[number]] = self.store.db.execute(sql, (number,)).fetchone()
        return self.texts[number]

    def shape_rows(self) -> Iterator[Row]:
        of_host: Counter[str] = Counter()
        for (by, look), lines in self.shapes.most_common():
            of_host[by] += 1
            if of_host[by] <= _SHAPES_MAX:
                yield _ADD_SHAPE, (by, look), (lines, self.since_ms[by])

    def link_rows(self) -> Iterator[Row]:
        sent: Counter[str] = Counter()
        received: Counter[str] = Counter()
        for (sender, by), count in self.links.items():
            yield _ADD_LINK, (sender, by), (count, self.back_ms.get((sender, by)))
            sent[sender] += count
            received[by] += count
        for relay in {**sent, **received}:
            yield _ADD_RELAY, (relay,), (sent[relay], received[relay])
