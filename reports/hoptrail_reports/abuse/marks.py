"""Messages that a person called spam, whatever their score: the next night makes cases of them."""

import zlib
from collections.abc import Iterable
from datetime import date, datetime

from sqlite_utils import Database

from hoptrail_reports.shown import shown
from hoptrail_store.reader import day_span
from hoptrail_store.rows import milliseconds
from hoptrail_store.store import Store


def mark(store: Store, message_id: str, *, by: str, now: datetime, copy: bytes | None = None) -> bool:
    """Call a stored message spam; False where somebody did already. `message_id` is the store's id of it.

    A `copy` that was handed in becomes its evidence where there is none: only spam is kept whole when it comes.
    """
    wanted = store.settings.evidence_days and not store.settings.anonymises_at_once
    kept = copy[: store.settings.evidence_max_bytes] if copy and wanted else b""
    with store.transaction():
        put = store.db.conn.execute(
            "INSERT OR IGNORE INTO abuse_mark VALUES (?, ?, ?, 0, 0)", (message_id, milliseconds(now), shown(by, 200))
        )
        if kept:
            copied = store.db.conn.execute(
                "INSERT OR IGNORE INTO evidence SELECT number, ?, ?, ? FROM message WHERE id = ?",
                (milliseconds(now), len(kept), zlib.compress(kept), message_id),
            )
            if copied.rowcount:
                store.db.conn.execute("UPDATE abuse_mark SET copied = 1, folded = 0 WHERE message = ?", (message_id,))
    return put.rowcount == 1


def unmark(store: Store, message_id: str) -> bool:
    """Take the mark away, and a copy that came with it; False where there was none.

    A draft that was made of it stays for a person to dismiss.
    """
    with store.transaction():
        store.db.conn.execute(
            "DELETE FROM evidence WHERE message = (SELECT number FROM message"
            " JOIN abuse_mark ON abuse_mark.message = message.id WHERE message.id = ? AND copied)",
            (message_id,),
        )
        gone = store.db.conn.execute("DELETE FROM abuse_mark WHERE message = ?", (message_id,))
    return gone.rowcount == 1


def is_copy(db: Database, message_id: str) -> bool:
    """Whether a message's evidence is a copy that was handed in."""
    return db.execute("SELECT 1 FROM abuse_mark WHERE message = ? AND copied", (message_id,)).fetchone() is not None


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
