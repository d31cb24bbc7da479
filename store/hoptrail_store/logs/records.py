"""A message of a log as records of the store: the way from the client over this host to the relays that got it.

A message that went to several relays is several copies, and each of them has its record, as each would if its header
were read where it arrived. What the client did stands in the first; the others begin at this host.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from hoptrail_store.fields import subject_text
from hoptrail_store.ids import Ids
from hoptrail_store.logs.deliveries import Delivery
from hoptrail_store.logs.events import Client
from hoptrail_store.logs.tracking import LogMessage, Outgoing, is_own_host
from hoptrail_store.records import MessageRecord
from hoptrail_store.rows import milliseconds
from hoptrail_tracer.chain import trace
from hoptrail_tracer.model import Connection, Hop, Kind, Received, Trace, Trust
from hoptrail_tracer.printable import printable
from hoptrail_tracer.settings import SiteSettings
from hoptrail_tracer.sitematch import compile_site

SOURCE: Final = "log"
_DIGEST_BYTES = 16
_TEXT_MAX = 998
_RELAYS_MAX = 200  # of one message: as many domains as a busy mailing list's


@dataclass(frozen=True, slots=True)
class Copy:
    """A record with the digest by which a second import of the same log knows it, and what became of it.

    `record` is None where the store has the message already and no relay got it: then only the attempts are news.
    """

    record: MessageRecord | None
    digest: bytes
    deliveries: tuple[Delivery, ...]


def copies_of(message: LogMessage, *, ids: Ids, site: SiteSettings, known_since: datetime | None) -> Iterator[Copy]:
    """Yield what is to be stored of one message: a record for each relay that got it, at least one.

    `known_since` is when the store's record of this message says it was taken, None where there is none: then the
    first record is the client's hand-over as well.
    """
    taken = known_since or taken_at(message)
    for number, (relay, outgoing) in enumerate(_by_relay(message)):
        first = number == 0 and known_since is None
        deliveries = tuple(_delivery(each, taken) for each in outgoing)
        record = None
        if first or relay is not None:
            record = _record(
                message, taken, deliveries[0] if relay is not None else None, ids=ids, site=site, first=first
            )
        yield Copy(record, _digest(message, taken, relay), deliveries)


def _record(
    message: LogMessage, taken: datetime, handed: Delivery | None, *, ids: Ids, site: SiteSettings, first: bool
) -> MessageRecord:
    connection = _connection(message, taken, client=message.client if first else None)
    at = taken if first or handed is None else handed.at
    return MessageRecord(
        id=ids.new(milliseconds(at)),
        host=message.host,
        source=SOURCE,
        received_at=at,
        connection=connection,
        envelope_from=_text(message.sender),
        recipients=tuple(printable(name[:_TEXT_MAX]) for name in message.attempts) if first else (),
        refused_recipients=message.refused if first else 0,
        message_id=_text(message.message_id),
        size_bytes=(message.size_bytes or 0) if first else 0,
        trace=_way(message, connection, handed, site=site, first=first),
        fields=(),
        subject=subject_text(message.subject),
    )


def taken_at(message: LogMessage) -> datetime:
    """When the host took the message; where that line was not seen, what the first attempt says of its delay."""
    if message.taken is not None:
        return message.taken
    attempts = ((each.at, each.attempt.delay_s or 0.0) for each in message.attempts.values())
    return min([message.at, *(at - timedelta(seconds=delay_s) for at, delay_s in attempts)])


def _by_relay(message: LogMessage) -> list[tuple[str | None, list[Outgoing]]]:
    """The last attempt for each recipient by the relay that took it; others stand with the first relay, or alone."""
    found: dict[str | None, list[Outgoing]] = {}
    others: list[Outgoing] = []
    for outgoing in message.attempts.values():
        attempt = outgoing.attempt
        if attempt.outcome == "sent" and attempt.relay_ip is not None and not is_own_host(attempt.relay_ip):
            found.setdefault(attempt.relay_name or attempt.relay_ip, []).append(outgoing)
        else:
            others.append(outgoing)
    relays = [*found.items()][:_RELAYS_MAX] or [(None, [])]
    relays[0][1].extend(others)
    return relays


def _connection(message: LogMessage, taken: datetime, *, client: Client | None) -> Connection:
    return Connection(
        ip=client.ip if client else None,
        helo=_text(client.helo) if client else None,
        rdns=_text(client.name) if client else None,
        by=message.host,
        auth=_text(client.auth) if client else None,
        id=message.queue_id,
        envelope_from=_text(message.sender),
        date=taken,
    )


def _way(
    message: LogMessage, connection: Connection, handed: Delivery | None, *, site: SiteSettings, first: bool
) -> Trace:
    """The trace of what the host saw, with its filter's steps and the relay that it handed the message to on top."""
    traced = trace([], connection=connection, site=site)
    own, *below = traced.hops
    if connection.ip is None:
        own = replace(own, received=replace(own.received, kind=Kind.LOCAL))
    own = replace(own, received=replace(own.received, software=message.software))
    filtered = [_filter_hop(message, at) for at in reversed(message.filtered)] if first else []
    above = [*([_handed_hop(message, handed, site)] if handed else []), *filtered]
    moved = len(above)
    return replace(
        traced,
        hops=(*above, own, *below),
        origin=replace(traced.origin, hop=None if traced.origin.hop is None else traced.origin.hop + moved),
        anomalies=tuple(replace(one, hop=None if one.hop is None else one.hop + moved) for one in traced.anomalies),
    )


def _filter_hop(message: LogMessage, at: datetime) -> Hop:
    received = Received("parsed", Kind.SCANNER, ip="127.0.0.1", by=message.host, software=message.software, date=at)
    return Hop(received, Trust.OBSERVED, reasons=("a filter on this host gave the message back, its log says",))


def _handed_hop(message: LogMessage, handed: Delivery, site: SiteSettings) -> Hop:
    declared = compile_site(site).trusted.has(handed.relay_ip, handed.relay_name)
    received = Received(
        "parsed",
        Kind.DELIVERY,
        helo=message.host,
        by=handed.relay_name or handed.relay_ip,
        by_ip=handed.relay_ip,
        id=handed.next_id,
        date=handed.at,
    )
    reason = "the log of the host that handed it over says so"
    return Hop(received, Trust.TRUSTED if declared else Trust.VOUCHED, handed.delay_s, (reason,))


def _delivery(outgoing: Outgoing, taken: datetime) -> Delivery:
    attempt = outgoing.attempt
    delay_s = (outgoing.at - taken).total_seconds() if attempt.delay_s is None else attempt.delay_s
    return Delivery(
        recipient=printable(attempt.recipient[:_TEXT_MAX]),
        outcome=attempt.outcome,
        at=outgoing.at,
        delay_s=delay_s,
        relay_name=_text(attempt.relay_name),
        relay_ip=attempt.relay_ip,
        dsn=_text(attempt.dsn),
        reply=printable(attempt.reply[:_TEXT_MAX]),
        next_id=_text(attempt.next_id),
    )


def _digest(message: LogMessage, taken: datetime, relay: str | None) -> bytes:
    named = f"log\0{message.host}\0{message.queue_id}\0{int(taken.timestamp())}\0{relay or ''}"
    return hashlib.sha256(named.encode("utf-8", "replace")).digest()[:_DIGEST_BYTES]


def _text(text: str | None) -> str | None:
    return None if text is None else printable(text[:_TEXT_MAX])
