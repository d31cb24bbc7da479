"""Rows of the store as message records again, some hundred at a time."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from hoptrail_store import trail
from hoptrail_store.records import MessageRecord, Score
from hoptrail_store.settings import EVIDENCE_MAX_BYTES
from hoptrail_store.sqlite import Database
from hoptrail_tracer.model import AddressFacts, Connection, ZoneResult

Row = Mapping[str, Any]

MESSAGES = """
SELECT
    message.*, host.text AS host, trail.data AS trail,
    client.message AS connected, client.port, client.auth, client.queue_id, client.at_ms,
    client_ip.text AS client_ip, client_helo.text AS client_helo, client_rdns.text AS client_rdns,
    client_by.text AS client_by, client_tls.text AS client_tls,
    facts_ip.text AS facts_ip, facts_name.text AS facts_name, facts_as.text AS as_name,
    facts.name_confirmed, facts.asn, facts.country, facts.missing
FROM message
JOIN name AS host ON host.id = message.host_name
JOIN trail ON trail.message = message.number
LEFT JOIN client ON client.message = message.number
LEFT JOIN name AS client_ip ON client_ip.id = client.ip
LEFT JOIN name AS client_helo ON client_helo.id = client.helo
LEFT JOIN name AS client_rdns ON client_rdns.id = client.rdns
LEFT JOIN name AS client_by ON client_by.id = client.by_name
LEFT JOIN name AS client_tls ON client_tls.id = client.tls
LEFT JOIN facts ON facts.message = message.number
LEFT JOIN name AS facts_ip ON facts_ip.id = facts.ip
LEFT JOIN name AS facts_name ON facts_name.id = facts.name
LEFT JOIN name AS facts_as ON facts_as.id = facts.as_name
"""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(at_ms: int) -> datetime:
    """Return a stored time; exact, where datetime.fromtimestamp rounds."""
    return _EPOCH + timedelta(milliseconds=at_ms)


def records(db: Database, messages: Sequence[Row], *, evidence: bool) -> Iterator[MessageRecord]:
    """Yield the records of rows that `MESSAGES` selected, whole messages too where `evidence` asks for them."""
    numbers = [row["number"] for row in messages]
    recipients = _children(db, "SELECT message, address FROM recipient WHERE message IN {} ORDER BY position", numbers)
    listings = _children(
        db,
        "SELECT message, name.text AS zone, verdict, codes, listing.text AS text FROM listing"
        " JOIN name ON name.id = listing.zone WHERE message IN {} ORDER BY position",
        numbers,
    )
    kept = _children(db, "SELECT message, data FROM evidence WHERE message IN {}", numbers) if evidence else {}
    for row in messages:
        number = row["number"]
        fields, trace = trail.unpack(row["trail"])
        yield MessageRecord(
            id=row["id"],
            host=row["host"],
            source=row["source"],
            received_at=moment(row["received_ms"]),
            connection=_connection(row),
            envelope_from=row["envelope_from"],
            recipients=tuple(child["address"] for child in recipients.get(number, ())),
            refused_recipients=row["refused_recipients"],
            message_id=row["message_id"],
            size_bytes=row["size_bytes"],
            trace=trace,
            fields=fields,
            subject=row["subject"],
            score=_score(row),
            facts=_facts(row, listings.get(number, ())),
            evidence=next((trail.inflate(child["data"], EVIDENCE_MAX_BYTES) for child in kept.get(number, ())), None),
        )


def _children(db: Database, sql: str, numbers: Sequence[int]) -> dict[int, list[Row]]:
    found: defaultdict[int, list[Row]] = defaultdict(list)
    places = f"({','.join('?' * len(numbers))})"
    for row in db.query(sql.format(places), numbers):
        found[row["message"]].append(row)
    return found


def _connection(row: Row) -> Connection | None:
    if row["connected"] is None:
        return None
    return Connection(
        ip=row["client_ip"],
        helo=row["client_helo"],
        rdns=row["client_rdns"],
        port=row["port"],
        by=row["client_by"],
        auth=row["auth"],
        tls=row["client_tls"],
        id=row["queue_id"],
        envelope_from=row["envelope_from"],
        date=None if row["at_ms"] is None else moment(row["at_ms"]),
    )


def _score(row: Row) -> Score | None:
    if row["points"] is None and row["unscored"] is None:
        return None
    rules = tuple(row["rules"].split(",")) if row["rules"] else ()
    return Score(row["points"], row["required"], rules, row["unscored"])


def _facts(row: Row, listings: Iterable[Row]) -> AddressFacts | None:
    if row["facts_ip"] is None:
        return None
    confirmed = row["name_confirmed"]
    return AddressFacts(
        ip=row["facts_ip"],
        name=row["facts_name"],
        name_confirmed=None if confirmed is None else bool(confirmed),
        asn=row["asn"],
        as_name=row["as_name"],
        country=row["country"],
        zones=tuple(
            ZoneResult(
                listing["zone"],
                listing["verdict"],
                tuple(listing["codes"].split(",")) if listing["codes"] else (),
                listing["text"],
            )
            for listing in listings
        ),
        missing=tuple((what, why) for what, why in json.loads(row["missing"] or "[]")),
    )
