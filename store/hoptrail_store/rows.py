"""A message's record as rows of the store. What can be worked out before the lock is held stands in `prepare`."""

import json
import sqlite3
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from hoptrail_store import trail
from hoptrail_store.habits import taught_shapes
from hoptrail_store.names import Names
from hoptrail_store.records import Answer, MessageRecord, RefusalCount
from hoptrail_tracer.handover import Handover, handovers
from hoptrail_tracer.memory import remembered
from hoptrail_tracer.model import AddressFacts, Connection, Hop, Kind, Trace, Trust
from hoptrail_tracer.path import relay_path, whole_seconds

TRUST_CODES: Final = {trust: code for code, trust in enumerate(Trust)}
KIND_CODES: Final = {kind: code for code, kind in enumerate(Kind)}

LOOPED: Final = 1
REPEATED: Final = 2
REVISITED: Final = 4
BEGINNING: Final = 8
"""What `hop.marks` adds up."""

_TEXT_MAX = 998  # characters: RFC 5322's longest line; what is longer is of no use to a report


@dataclass(frozen=True, slots=True)
class Way:
    """What the map of relays needs of a trace: where the way ended, and by hop the hand-over and the shape it shows."""

    root: str | None
    begin: int | None  # the hop that the relay at its beginning wrote; None where that one left no line
    handovers: Mapping[int | None, Handover]
    shapes: Mapping[int, str]


def way_of(trace: Trace) -> Way:
    """Return the way of a message, worked out once, when it is recorded."""
    steps = relay_path(trace.hops)[::-1]
    found = {handover.hop: handover for handover in handovers(steps)} if steps else {}
    root, begin = (steps[0].relay, steps[-1].hop) if steps else (None, None)
    return Way(root, begin, found, taught_shapes(trace.hops))


@dataclass(frozen=True, slots=True)
class Prepared:
    """A record with its blobs packed and its way worked out, ready to be inserted."""

    record: MessageRecord
    way: Way
    trail: bytes
    evidence: bytes | None
    evidence_bytes: int
    digest: bytes | None = None


def prepare(record: MessageRecord, *, evidence_max_bytes: int, digest: bytes | None = None) -> Prepared:
    """Return the record packed; at most `evidence_max_bytes` of its evidence are kept, 0 keeps none."""
    evidence = record.evidence[:evidence_max_bytes] if record.evidence else b""
    return Prepared(
        record,
        way_of(record.trace),
        trail.pack(record.fields, record.trace),
        zlib.compress(evidence, level=3) if evidence else None,
        len(evidence),
        digest,
    )


def insert(connection: sqlite3.Connection, names: Names, prepared: Sequence[Prepared], now_ms: int) -> list[int | None]:
    """Insert messages with all their rows inside the caller's transaction; None for each whose id is known already."""
    numbers = [_insert_message(connection, names, each) for each in prepared]
    new = [(number, each) for number, each in zip(numbers, prepared, strict=True) if number is not None]
    records = [(number, each.record) for number, each in new]
    connection.executemany("INSERT INTO trail VALUES (?, ?)", [(number, each.trail) for number, each in new])
    connection.executemany(
        "INSERT INTO recipient VALUES (?, ?, ?)",
        [
            (number, position, clipped(address))
            for number, record in records
            for position, address in enumerate(record.recipients)
        ],
    )
    connection.executemany(
        "INSERT INTO client VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [(number, *_client_values(names, record.connection)) for number, record in records if record.connection],
    )
    insert_hops(connection, names, ((number, each.record.trace, each.way) for number, each in new))
    insert_anomalies(connection, ((number, record.trace) for number, record in records))
    _insert_facts(connection, names, [(number, record.facts) for number, record in records if record.facts])
    connection.executemany(
        "INSERT INTO evidence VALUES (?, ?, ?, ?)",
        [(number, now_ms, each.evidence_bytes, each.evidence) for number, each in new if each.evidence],
    )
    return numbers


def insert_hops(connection: sqlite3.Connection, names: Names, ways: Iterable[tuple[int, Trace, Way]]) -> None:
    """Insert the hops of messages, given by their numbers."""
    connection.executemany(
        "INSERT INTO hop VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (number, position, *_hop_values(names.id, hop), *_way_values(names.id, way, position))
            for number, trace, way in ways
            for position, hop in enumerate(trace.hops)
            if hop.received.status == "parsed"
        ],
    )


def insert_anomalies(connection: sqlite3.Connection, traces: Iterable[tuple[int, Trace]]) -> None:
    """Insert what is wrong with the chains of messages, given by their numbers."""
    connection.executemany(
        "INSERT INTO anomaly VALUES (?, ?, ?, ?, ?)",
        [
            (number, position, anomaly.code, anomaly.hop, anomaly.weight)
            for number, trace in traces
            for position, anomaly in enumerate(trace.anomalies)
        ],
    )


def origin_values(names: Names, trace: Trace, way: Way) -> tuple[object, ...]:
    """Return the values of `message` that a trace decides: origin_ip to origin_basis, hops, forged_hops, root_name."""
    origin = trace.origin
    return (
        names.id(origin.ip),
        names.id(host_name(origin.name)),
        TRUST_CODES[origin.trust],
        origin.confidence,
        origin.basis,
        len(trace.hops),
        sum(hop.trust is Trust.FORGED for hop in trace.hops),
        names.id(way.root and trail.storable(way.root)),
    )


def _insert_message(connection: sqlite3.Connection, names: Names, prepared: Prepared) -> int | None:
    record, score = prepared.record, prepared.record.score
    inserted = connection.execute(
        "INSERT INTO message VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT DO NOTHING",
        (
            record.id,
            prepared.digest,
            names.id(record.host) or names.id("unknown"),
            record.source,
            milliseconds(record.received_at),
            record.size_bytes,
            clipped(record.envelope_from),
            clipped(record.message_id),
            clipped(record.subject),
            record.refused_recipients,
            *origin_values(names, record.trace, prepared.way),
            score.points if score else None,
            score.required if score else None,
            ",".join(score.rules) if score and score.rules else None,
            score.unscored if score else None,
            bool(score and score.is_spam),
        ),
    )
    return inserted.lastrowid if inserted.rowcount else None


def _client_values(names: Names, client: Connection) -> tuple[object, ...]:
    return (
        names.id(client.ip),
        names.id(clipped(client.helo)),
        names.id(clipped(client.rdns)),
        client.port,
        names.id(clipped(client.by)),
        clipped(client.auth),
        names.id(clipped(client.tls)),
        clipped(client.id),
        milliseconds(client.date) if client.date else None,
    )


def _hop_values(name_id: Callable[[str | None], int | None], hop: Hop) -> tuple[int | None, ...]:
    received = hop.received
    return (
        name_id(received.ip),
        name_id(host_name(received.rdns)),
        name_id(host_name(received.helo)),
        name_id(host_name(received.by) or received.by_ip),
        name_id(clipped(received.software)),
        name_id(clipped(received.protocol)),
        whole_seconds(received.date) if received.date else None,
        TRUST_CODES[hop.trust],
        KIND_CODES[received.kind],
    )


def _way_values(name_id: Callable[[str | None], int | None], way: Way, position: int) -> tuple[int | None, ...]:
    shape, handover = name_id(way.shapes.get(position)), way.handovers.get(position)
    if handover is None:
        return None, None, None, BEGINNING * (position == way.begin), shape
    marks = handover.looped * LOOPED + handover.repeated * REPEATED + handover.revisited * REVISITED
    return name_id(trail.storable(handover.far)), handover.delay_s, handover.reach_s, marks, shape


def _insert_facts(connection: sqlite3.Connection, names: Names, known: Sequence[tuple[int, AddressFacts]]) -> None:
    connection.executemany(
        "INSERT INTO facts VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                number,
                names.id(facts.ip),
                names.id(clipped(facts.name)),
                facts.name_confirmed,
                facts.asn,
                names.id(clipped(facts.as_name)),
                clipped(facts.country),
                json.dumps(facts.missing) if facts.missing else None,
            )
            for number, facts in known
        ],
    )
    connection.executemany(
        "INSERT INTO listing VALUES (?, ?, ?, ?, ?, ?)",
        [
            (number, position, names.id(zone.zone), zone.verdict, ",".join(zone.codes) or None, clipped(zone.text))
            for number, facts in known
            for position, zone in enumerate(facts.zones)
        ],
    )


def remember(connection: sqlite3.Connection, answers: Sequence[Answer]) -> None:
    """Keep answers of look-ups, each in place of the one before it."""
    connection.executemany(
        "INSERT OR REPLACE INTO lookup VALUES (?, ?, ?, ?)",
        [
            (answer.kind, trail.storable(answer.key), trail.storable(answer.value), answer.expires_ms)
            for answer in answers
        ],
    )


def journal_read(connection: sqlite3.Connection) -> dict[str, int]:
    """Return up to where each segment of the journal is stored, bytes from its beginning."""
    return dict(connection.execute("SELECT segment, stored FROM journal").fetchall())


def note_journal(connection: sqlite3.Connection, stored: Mapping[str, int], gone: Sequence[str]) -> None:
    """Note up to where segments of the journal are stored, and forget those that are gone."""
    connection.executemany("INSERT OR REPLACE INTO journal VALUES (?, ?)", stored.items())
    connection.executemany("DELETE FROM journal WHERE segment = ?", [(name,) for name in gone])


def clipped(text: str | None) -> str | None:
    """Return `text` fit for a column: bounded, and without surrogates, which SQLite refuses."""
    return None if text is None else trail.storable(text[:_TEXT_MAX])


def host_name(text: str | None) -> str | None:
    """Return a host's name as the dictionary spells it, so that a relay is one row however it was written."""
    return None if text is None else _host_name(text)


@remembered(16384)
def _host_name(text: str) -> str:
    return trail.storable(text.rstrip(".").lower())


def milliseconds(moment: datetime) -> int:
    """Return the time since 1970."""
    return round(moment.timestamp() * 1000)


def add_refusals(connection: sqlite3.Connection, names: Names, counts: Sequence[RefusalCount]) -> None:
    """Add counts to those of the same host, network and hour."""
    connection.executemany(
        "INSERT INTO refusal VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET sessions = sessions + excluded.sessions,"
        " accepted = accepted + excluded.accepted, refused = refused + excluded.refused",
        [
            (
                milliseconds(count.hour),
                clipped(count.network),
                names.id(count.host) or names.id("unknown"),
                count.sessions,
                count.accepted,
                count.refused,
            )
            for count in counts
        ],
    )
