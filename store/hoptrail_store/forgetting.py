"""Hiding the people in what is stored already, once its days are over: small transactions, as all retention.

SQLite overwrites what is replaced (`secure_delete`), and its log is emptied at the end, so that nothing is left in the
files.
"""

import json
import sqlite3
import time
from collections.abc import Callable, Iterator

from hoptrail_store import assembly, trail
from hoptrail_store.anonymise import TRUNCATED, Mask, anonymous, host_hider, mark_anonymised
from hoptrail_store.names import Names
from hoptrail_store.records import MessageRecord
from hoptrail_store.rows import clipped
from hoptrail_store.store import Store

_PORTION = 100  # messages a transaction: some 50 ms, after which the milter has its turn
_PAUSE_S = 0.01
_DAY_MS = 86_400_000
_OF_SOFTWARE = frozenset({"software", "protocol", "tls", "shape"})
_DUE = (
    f"{assembly.MESSAGES} LEFT JOIN anonymised ON anonymised.message = number"
    " WHERE received_ms < ? AND coalesce(how, 0) & ? != ? AND number > ? ORDER BY number LIMIT ?"
)

Columns = list[tuple[str, str, str]]
"""Table, the column that holds a message's number, and one that holds ids of names."""


def anonymise_old(store: Store, now_ms: int) -> int:
    """Hide what [store] says of messages and refusals that are old enough; return the number of messages.

    `now_ms` is milliseconds since 1970. Raises StoreError; what was done by then stays.
    """
    later, at_once = Mask.later(store.settings), Mask.at_once(store.settings)
    if later is None:
        return 0
    store.tune("secure_delete = ON")
    old_ms = now_ms - store.settings.anonymise_days * _DAY_MS
    # What is hidden at once today was not always: the past is brought up to it without waiting.
    done = sum(_hide_messages(store, mask, ms) for mask, ms in ((at_once, now_ms), (later, old_ms)) if mask)
    if later.how & TRUNCATED:
        _truncate_refusals(store, later, now_ms if at_once and at_once.truncates else old_ms)
    return done


def wipe_log(store: Store) -> None:
    """Copy SQLite's log into the file and empty it, if nobody reads just now: it held what was deleted."""
    store.tune("wal_checkpoint(TRUNCATE)")


def _hide_messages(store: Store, mask: Mask, before_ms: int) -> int:
    done = last = 0
    columns = list(_name_columns(store))
    while True:
        found = list(store.db.query(_DUE, (before_ms, mask.how, mask.how, last, _PORTION)))
        if not found:
            return done
        last = found[-1]["number"]
        records = list(assembly.records(store.db, found, evidence=False))
        with store.transaction() as names:
            for row, record in zip(found, records, strict=True):
                _rename(store.db.conn, names, columns, row["number"], _column_hider(mask, record))
                _rewrite(store.db.conn, row["number"], anonymous(record, mask))
                _hide_deliveries(store.db.conn, row["number"], mask)
            mark_anonymised(store.db.conn, [record.id for record in records], mask)
        done += len(found)
        time.sleep(_PAUSE_S)


def _name_columns(store: Store) -> Iterator[tuple[str, str, str]]:
    for table in store.db.tables:
        key = "number" if table.name == "message" else "message" if "message" in table.columns_dict else None
        if key:
            yield from ((table.name, key, str(e.column)) for e in table.foreign_keys if e.other_table == "name")


def _column_hider(mask: Mask, record: MessageRecord) -> Callable[[str, str], str | None]:
    """Return a function that hides what stands in a column: a version of four numbers is no address."""
    hide = host_hider(mask, record)
    return lambda column, text: mask.words(text) if column in _OF_SOFTWARE else hide(text)


def _rename(
    connection: sqlite3.Connection,
    names: Names,
    columns: Columns,
    number: int,
    hide: Callable[[str, str], str | None],
) -> None:
    """Have a message refer to the hidden forms of its names; `hide` takes a column and a text."""
    for table, key, column in columns:
        found = connection.execute(
            f"SELECT DISTINCT name.id, name.text FROM {table} JOIN name ON name.id = {column} WHERE {table}.{key} = ?",  # noqa: S608 - ours
            (number,),
        ).fetchall()
        for old, text in found:
            hidden = hide(column, text)
            if hidden != text:
                connection.execute(
                    f"UPDATE {table} SET {column} = ? WHERE {key} = ? AND {column} = ?",  # noqa: S608 - ours
                    (names.id(hidden), number, old),
                )


def _rewrite(connection: sqlite3.Connection, number: int, record: MessageRecord) -> None:
    """Put a record's hidden texts in place of those that are stored."""
    client, facts = record.connection, record.facts
    connection.execute(
        "UPDATE message SET (envelope_from, message_id, subject) = (?, ?, NULL) WHERE number = ?",
        (clipped(record.envelope_from), clipped(record.message_id), number),
    )
    connection.executemany(
        "UPDATE recipient SET address = ? WHERE (message, position) = (?, ?)",
        [(clipped(address), number, position) for position, address in enumerate(record.recipients)],
    )
    if client:
        connection.execute(
            "UPDATE client SET (port, auth) = (?, ?) WHERE message = ?", (client.port, clipped(client.auth), number)
        )
    if facts and facts.missing:
        connection.execute("UPDATE facts SET missing = ? WHERE message = ?", (json.dumps(facts.missing), number))
    connection.execute("UPDATE listing SET text = NULL WHERE message = ?", (number,))
    connection.execute("UPDATE trail SET data = ? WHERE message = ?", (trail.pack((), record.trace), number))
    connection.execute("DELETE FROM evidence WHERE message = ?", (number,))


def _hide_deliveries(connection: sqlite3.Connection, number: int, mask: Mask) -> None:
    """Hide whom the message went to, and what their relay said, where a log told."""
    found = connection.execute("SELECT recipient FROM delivery WHERE message = ?", (number,)).fetchall()
    connection.executemany(
        "UPDATE delivery SET recipient = ?, reply = '' WHERE (message, recipient) = (?, ?)",
        [(mask.person(recipient), number, recipient) for (recipient,) in found],
    )


def _truncate_refusals(store: Store, mask: Mask, before_ms: int) -> None:
    """Add the counts of small networks to those of the larger ones."""
    with store.transaction():
        connection = store.db.conn
        found = connection.execute(
            "SELECT hour_ms, network, host_name, sessions, accepted, refused FROM refusal"
            " WHERE hour_ms < ? AND network LIKE '%:%' AND network NOT LIKE '%/48'",
            (before_ms,),
        ).fetchall()
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
