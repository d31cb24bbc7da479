"""Deleting what was kept long enough: small transactions, so that the milter never waits."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from hoptrail_store.forgetting import anonymise_old, wipe_log
from hoptrail_store.store import Store

_PORTION = 500  # rows a transaction: some 20 ms, after which others have their turn
_PAUSE_S = 0.01  # SQLite's lock is not fair: without a pause the next transaction would have it again
_DAY_MS = 86_400_000
_NAMES_LEAST = 100_000  # some 10 MB; fewer are not worth the search
_NAMES_KEPT = "SELECT value FROM meta WHERE key = 'names_kept'"


@dataclass(frozen=True, slots=True)
class Pruned:
    """How many rows were deleted."""

    messages: int
    evidence: int
    refusals: int
    lookups: int
    names: int
    anonymised: int  # messages that stay, without the people in them


def prune(store: Store, *, now_ms: int | None = None) -> Pruned:
    """Delete what is older than [store] says, and what nothing refers to any more; for the nightly run."""
    now_ms = time.time_ns() // 1_000_000 if now_ms is None else now_ms
    settings = store.settings
    store.db.execute("PRAGMA foreign_keys = ON")  # a message's rows go with it
    store.db.execute("PRAGMA secure_delete = ON")  # what goes is overwritten
    try:
        messages = refusals = 0
        if settings.keep_days:
            oldest_ms = now_ms - settings.keep_days * _DAY_MS
            # Imported mail is as old as it is: whoever imports last year's mailbox wants to look at it tomorrow too.
            messages = _delete(store, "message", "number", "received_ms < ? AND source = 'milter'", oldest_ms)
            refusals = _delete(store, "refusal", "hour_ms, network, host_name", "hour_ms < ?", oldest_ms)
            _delete(store, "log_session", "digest", "hour_ms < ?", oldest_ms)
        anonymised = anonymise_old(store, now_ms)
        evidence_ms = now_ms - settings.evidence_days * _DAY_MS
        return Pruned(
            messages=messages,
            evidence=_delete(store, "evidence", "message", "stored_ms < ?", evidence_ms),
            refusals=refusals,
            lookups=_delete(store, "lookup", "kind, key", "expires_ms < ?", now_ms),
            names=_delete_names(store, at_once=anonymised > 0) if messages or refusals or anonymised else 0,
            anonymised=anonymised,
        )
    finally:
        wipe_log(store)
        store.db.execute("PRAGMA foreign_keys = OFF")
        store.db.execute("PRAGMA optimize")


def _delete(store: Store, table: str, key: str, condition: str, bound_ms: int) -> int:
    sql = f"DELETE FROM {table} WHERE ({key}) IN (SELECT {key} FROM {table} WHERE {condition} LIMIT {_PORTION})"  # noqa: S608 - all ours
    deleted = 0
    while True:
        with store.transaction():
            count = store.db.execute(sql, (bound_ms,)).rowcount
        deleted += count
        if count < _PORTION:
            return deleted
        time.sleep(_PAUSE_S)


def _delete_names(store: Store, *, at_once: bool) -> int:
    """Delete the names nothing refers to, `at_once` or when their number has doubled: reading every hop takes a while.

    Which names are used is read without a lock. A message that came meanwhile may use one that was free, so each
    transaction looks at those first; and it raises the epoch, so that no writer goes on using an id it remembers.
    """
    total, kept = _count(store, "SELECT count(*) FROM name"), _count(store, _NAMES_KEPT)
    if not at_once and total < max(2 * kept, _NAMES_LEAST):
        return 0
    newest = _count(store, "SELECT max(number) FROM message")
    references = _references(store)
    used = {number for table, column, _ in references for number in _ids(store, table, column, "1")}
    unused = [number for (number,) in store.db.execute("SELECT id FROM name") if number not in used]
    deleted = 0
    for start in range(0, len(unused), _PORTION):
        with store.transaction():
            fresh = {
                number
                for table, column, key in references
                if key
                for number in _ids(store, table, column, f"{key} > {newest}")
            }
            free = [(number,) for number in unused[start : start + _PORTION] if number not in fresh]
            store.db.conn.executemany("DELETE FROM name WHERE id = ?", free)
            store.db.execute(
                "INSERT INTO meta VALUES ('name_epoch', 1) ON CONFLICT DO UPDATE SET value = value + 1",
            )
            deleted += len(free)
        time.sleep(_PAUSE_S)
    with store.transaction():
        store.db.execute("INSERT OR REPLACE INTO meta VALUES ('names_kept', ?)", (total - deleted,))
    return deleted


def _references(store: Store) -> list[tuple[str, str, str]]:
    """Return each column that holds ids of names: table, column, and the column that grows with messages or ""."""
    found = []
    for table in store.db.tables:
        key = "number" if table.name == "message" else "message" if "message" in table.columns_dict else ""
        found += [(table.name, str(each.column), key) for each in table.foreign_keys if each.other_table == "name"]
    return found


def _ids(store: Store, table: str, column: str, condition: str) -> Iterator[int]:
    sql = f"SELECT DISTINCT {column} FROM {table} WHERE {condition} AND {column} IS NOT NULL"  # noqa: S608 - ours
    return (number for (number,) in store.db.execute(sql))


def _count(store: Store, sql: str) -> int:
    row = store.db.execute(sql).fetchone()
    return (row and row[0]) or 0
