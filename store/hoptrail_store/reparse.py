"""Stored messages traced again, by the present parser and what the site declares now."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hoptrail_store import assembly, rows, trail
from hoptrail_store.archive.ledger import archived_up_to, recorded_parts
from hoptrail_store.records import MessageRecord
from hoptrail_store.store import Store
from hoptrail_tracer.chain import trace
from hoptrail_tracer.model import Trace
from hoptrail_tracer.settings import SiteSettings

_PORTION = 100  # messages a transaction: some 20 ms, after which the milter has its turn
_PAUSE_S = 0.01


@dataclass(frozen=True, slots=True)
class Reparsed:
    """How many messages were traced again, of how many the trace differs now, and of how many the origin does."""

    messages: int
    changed: int
    origins: int


def trace_again(record: MessageRecord, site: SiteSettings) -> Trace:
    """Return the trace of a record's raw fields as the present parser sees them, as the store would give it back.

    Where the lines were not kept, for the sake of the people in them, or came out of a log, the trace stays as it is.
    """
    if record.source == "log" or (not record.fields and any(hop.line is not None for hop in record.trace.hops)):
        return record.trace
    fields = [(name.decode("latin-1"), value.decode("utf-8", "surrogateescape")) for name, value in record.fields]
    traced = trace(
        [value for name, value in fields if name.lower() == "received"],
        connection=record.connection,
        site=site,
        fields=fields,
        now=record.received_at if record.source == "milter" else None,
    )
    return trail.unpack(trail.pack((), traced))[1]


def reparse(
    store: Store,
    site: SiteSettings,
    *,
    progress: Callable[[int], None] = lambda _: None,
) -> Reparsed:
    """Trace every stored message again and replace what changed; `progress` is told the messages done so far.

    What a message was stamped with does not change, and neither do the maps of closed days and what the archive holds:
    run it before the nightly job. Raises StoreError; what was done by then stays.
    """
    done = changed = origins = 0
    last = 0
    while True:
        found = list(store.db.query(f"{assembly.MESSAGES} WHERE number > ? ORDER BY number LIMIT ?", (last, _PORTION)))
        if not found:
            return Reparsed(done, changed, origins)
        last = found[-1]["number"]
        records = assembly.records(store.db, found, evidence=False)
        again = [(row["number"], record, trace_again(record, site)) for row, record in zip(found, records, strict=True)]
        differing = [(number, record, new) for number, record, new in again if new != record.trace]
        if differing:
            _replace(store, differing)
            time.sleep(_PAUSE_S)
        done += len(found)
        changed += len(differing)
        origins += sum(new.origin.ip != record.trace.origin.ip for _, record, new in differing)
        progress(done)


def _replace(store: Store, traces: Sequence[tuple[int, MessageRecord, Trace]]) -> None:
    packed = [(trail.pack(record.fields, new), number) for number, record, new in traces]
    connection = store.db.conn
    with store.transaction() as names:
        archived = recorded_parts(connection)
        connection.executemany("UPDATE trail SET data = ? WHERE message = ?", packed)
        for number, record, new in traces:
            way = rows.way_of(new)
            if number > archived_up_to(archived, record.received_at.date()):
                connection.execute("DELETE FROM hop WHERE message = ?", (number,))
                rows.insert_hops(connection, names, [(number, new, way)])
            connection.execute("DELETE FROM anomaly WHERE message = ?", (number,))
            rows.insert_anomalies(connection, [(number, new)])
            connection.execute(
                "UPDATE message SET (origin_ip, origin_name, origin_trust, origin_confidence, origin_basis, hops,"
                " forged_hops, root_name) = (?, ?, ?, ?, ?, ?, ?, ?) WHERE number = ?",
                (*rows.origin_values(names, new, way), number),
            )
