"""A message's record as rows of the store. What can be worked out before the lock is held stands in `prepare`."""

import json
import sqlite3
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from hoptrail_store import trail
from hoptrail_store.habits import taught_shapes
from hoptrail_store.names import Names
from hoptrail_store.records import Answer, MessageRecord, RefusalCount
from hoptrail_tracer.handover import Handover, handovers
from hoptrail_tracer.model import Hop, Kind, Trace, Trust
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


def insert(connection: sqlite3.Connection, names: Names, prepared: Prepared, now_ms: int) -> bool:
    """Insert one message with all its rows inside the caller's transaction; False where its id is known already."""
    number = _insert_message(connection, names, prepared)
    if number is None:
        return False
    record = prepared.record
    connection.execute("INSERT INTO trail VALUES (?, ?)", (number, prepared.trail))
    connection.executemany(
        "INSERT INTO recipient VALUES (?, ?, ?)",
        [(number, position, clipped(address)) for position, address in enumerate(record.recipients)],
    )
    _insert_client(connection, names, number, record)
    insert_hops(connection, names, number, record.trace, prepared.way)
    insert_anomalies(connection, number, record.trace)
    _insert_facts(connection, names, number, record)
    if prepared.evidence:
        connection.execute(
            "INSERT INTO evidence VALUES (?, ?, ?, ?)", (number, now_ms, prepared.evidence_bytes, prepared.evidence)
        )
    return True


def insert_hops(connection: sqlite3.Connection, names: Names, number: int, trace: Trace, way: Way) -> None:
    """Insert the hops of a message."""
    connection.executemany(
        "INSERT INTO hop VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (number, position, *_hop_values(names.id, hop), *_way_values(names.id, way, position))
            for position, hop in enumerate(trace.hops)
            if hop.received.status == "parsed"
        ],
    )


def insert_anomalies(connection: sqlite3.Connection, number: int, trace: Trace) -> None:
    """Insert what is wrong with a message's chain."""
    if trace.anomalies:
        connection.executemany(
            "INSERT INTO anomaly VALUES (?, ?, ?, ?, ?)",
            [
                (number, position, anomaly.code, anomaly.hop, anomaly.weight)
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
    found = connection.execute(
        "INSERT INTO message VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT DO NOTHING RETURNING number",
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
    ).fetchone()
    return int(found[0]) if found else None


def _insert_client(connection: sqlite3.Connection, names: Names, number: int, record: MessageRecord) -> None:
    client = record.connection
    if client is None:
        return
    connection.execute(
        "INSERT INTO client VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            number,
            names.id(client.ip),
            names.id(clipped(client.helo)),
            names.id(clipped(client.rdns)),
            client.port,
            names.id(clipped(client.by)),
            clipped(client.auth),
            names.id(clipped(client.tls)),
            clipped(client.id),
            milliseconds(client.date) if client.date else None,
        ),
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


def _insert_facts(connection: sqlite3.Connection, names: Names, number: int, record: MessageRecord) -> None:
    facts = record.facts
    if facts is None:
        return
    connection.execute(
        "INSERT INTO facts VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            number,
            names.id(facts.ip),
            names.id(clipped(facts.name)),
            facts.name_confirmed,
            facts.asn,
            names.id(clipped(facts.as_name)),
            clipped(facts.country),
            json.dumps(facts.missing) if facts.missing else None,
        ),
    )
    connection.executemany(
        "INSERT INTO listing VALUES (?, ?, ?, ?, ?, ?)",
        [
            (number, position, names.id(zone.zone), zone.verdict, ",".join(zone.codes) or None, clipped(zone.text))
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
    return None if text is None else trail.storable(text.rstrip(".").lower())


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
