"""Messages that a person called spam, whatever their score: the next night makes cases of them."""

from collections.abc import Iterable
from datetime import date, datetime

from sqlite_utils import Database

from hoptrail_reports.shown import shown
from hoptrail_store.reader import day_span
from hoptrail_store.rows import milliseconds
from hoptrail_store.store import Store


def mark(store: Store, message_id: str, *, by: str, now: datetime) -> bool:
    """Call a stored message spam; False where somebody did already. `message_id` is the store's id of it."""
    with store.transaction():
        put = store.db.conn.execute(
            "INSERT OR IGNORE INTO abuse_mark VALUES (?, ?, ?, 0)", (message_id, milliseconds(now), shown(by, 200))
        )
    return put.rowcount == 1


def unmark(store: Store, message_id: str) -> bool:
    """Take the mark away; False where there was none. A draft that was made of it stays for a person to dismiss."""
    with store.transaction():
        gone = store.db.conn.execute("DELETE FROM abuse_mark WHERE message = ?", (message_id,))
    return gone.rowcount == 1


def marked(db: Database, day: date) -> frozenset[str]:
    """The ids of the marked messages that came on a UTC day."""
    since, until = map(milliseconds, day_span(day))
    rows = db.execute(
        "SELECT id FROM abuse_mark JOIN message ON message.id = abuse_mark.message"
        " WHERE received_ms >= ? AND received_ms < ?",
        (since, until),
    )
    return frozenset(message_id for (message_id,) in rows)


def days_to_fold(db: Database) -> list[date]:
    """The UTC days of the messages that were marked since their day was folded, oldest first."""
    rows = db.execute(
        "SELECT DISTINCT date(received_ms / 1000, 'unixepoch') FROM abuse_mark"
        " JOIN message ON message.id = abuse_mark.message WHERE NOT folded ORDER BY 1"
    )
    return [date.fromisoformat(text) for (text,) in rows]


def set_folded(store: Store, message_ids: Iterable[str]) -> None:
    """Remember that cases were made of them."""
    with store.transaction():
        store.db.conn.executemany(
            "UPDATE abuse_mark SET folded = 1 WHERE message = ?", [(message_id,) for message_id in message_ids]
        )
