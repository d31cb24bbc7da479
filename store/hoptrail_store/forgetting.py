"""Hiding the people in what is stored already, once its days are over: small transactions, as all retention.

A message is taken out and put in again without them, in one transaction. SQLite overwrites what is deleted
(`secure_delete`), and its log is emptied at the end, so that nothing is left in the files.
"""

import time

from hoptrail_store import assembly, rows
from hoptrail_store.anonymise import TRUNCATED, Mask, anonymous, mark_anonymised
from hoptrail_store.store import Store

_PORTION = 100  # messages a transaction: some 50 ms, after which the milter has its turn
_PAUSE_S = 0.01
_DAY_MS = 86_400_000
_DUE = (
    "SELECT number, digest FROM message LEFT JOIN anonymised ON anonymised.message = number"
    " WHERE received_ms < ? AND coalesce(how, 0) & ? != ? AND number > ? ORDER BY number LIMIT ?"
)


def anonymise_old(store: Store, now_ms: int) -> int:
    """Hide what [store] says of messages and refusals that are old enough; return the number of messages.

    `now_ms` is milliseconds since 1970. With foreign keys in force, as `prune` has them. Raises StoreError.
    """
    mask = Mask.later(store.settings)
    if mask is None:
        return 0
    days = store.settings.anonymise_days
    at_once = Mask.at_once(store.settings)
    # What is hidden at once today was not always: the past is brought up to it without waiting.
    done = _hide_messages(store, at_once, now_ms) if at_once else 0
    done += _hide_messages(store, mask, now_ms - days * _DAY_MS)
    if mask.how & TRUNCATED:
        _truncate_refusals(store, mask, now_ms if at_once and at_once.truncates else now_ms - days * _DAY_MS)
    return done


def wipe_log(store: Store) -> None:
    """Copy SQLite's log into the file and empty it, if nobody reads just now: it held what was deleted."""
    store.tune("wal_checkpoint(TRUNCATE)")


def _hide_messages(store: Store, mask: Mask, before_ms: int) -> int:
    done = last = 0
    store.tune("secure_delete = ON")
    highest = store.db.execute("SELECT coalesce(max(number), 0) FROM message").fetchone()[0]
    while True:
        found = store.db.execute(_DUE, (before_ms, mask.how, mask.how, last, _PORTION)).fetchall()
        found = [row for row in found if row[0] <= highest]
        if not found:
            return done
        last = found[-1][0]
        _replace(store, mask, dict(found))
        done += len(found)
        time.sleep(_PAUSE_S)


def _replace(store: Store, mask: Mask, digests: dict[int, bytes | None]) -> None:
    places = ",".join("?" * len(digests))
    connection = store.db.conn
    with store.transaction() as names:
        found = list(store.db.query(f"{assembly.MESSAGES} WHERE number IN ({places})", list(digests)))
        for row, record in zip(found, assembly.records(store.db, found, evidence=False), strict=True):
            number = row["number"]
            prepared = rows.prepare(anonymous(record, mask), evidence_max_bytes=0, digest=digests[number])
            has_hops = connection.execute("SELECT 1 FROM hop WHERE message = ? LIMIT 1", (number,)).fetchone()
            connection.execute("DELETE FROM message WHERE number = ?", (number,))
            rows.insert(connection, names, prepared, 0)
            if not has_hops:  # they lie in the archive
                connection.execute(
                    "DELETE FROM hop WHERE message = (SELECT number FROM message WHERE id = ?)", (record.id,)
                )
        mark_anonymised(connection, [row["id"] for row in found], mask)


def _truncate_refusals(store: Store, mask: Mask, before_ms: int) -> None:
    """Add the counts of small networks to those of the larger ones."""
    with store.transaction():
        found = store.db.execute(
            "SELECT hour_ms, network, host_name, sessions, accepted, refused FROM refusal"
            " WHERE hour_ms < ? AND network LIKE '%:%' AND network NOT LIKE '%/48'",
            (before_ms,),
        ).fetchall()
        connection = store.db.conn
        for hour_ms, network, host, *counts in found:
            connection.execute(
                "DELETE FROM refusal WHERE (hour_ms, network, host_name) = (?, ?, ?)", (hour_ms, network, host)
            )
            connection.execute(
                "INSERT INTO refusal VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
                " sessions = sessions + excluded.sessions, accepted = accepted + excluded.accepted,"
                " refused = refused + excluded.refused",
                (hour_ms, mask.network(network), host, *counts),
            )
