"""What became of a message for each of its recipients, as the log of the host that had it says."""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from hoptrail_store.anonymise import Mask
from hoptrail_store.assembly import moment
from hoptrail_store.names import Names
from hoptrail_store.rows import clipped, milliseconds


@dataclass(frozen=True, slots=True)
class Delivery:
    """The last attempt for one recipient. Without a relay it was delivered on the host, or not at all."""

    recipient: str
    outcome: str  # 'sent', 'deferred', 'bounced', 'expired' or 'held'
    at: datetime  # aware, UTC
    delay_s: float | None  # since the host took the message
    relay_name: str | None = None
    relay_ip: str | None = None
    dsn: str | None = None
    reply: str = ""
    next_id: str | None = None  # the queue id that the relay gave it


def anonymous_delivery(delivery: Delivery, mask: Mask) -> Delivery:
    """Return the delivery with what `mask` hides hidden, and without what the relay said."""
    ip = mask.words(delivery.relay_ip) if delivery.relay_ip else None
    return replace(delivery, recipient=mask.person(delivery.recipient) or "", relay_ip=ip, reply="")


def put_deliveries(connection: sqlite3.Connection, names: Names, number: int, deliveries: Iterable[Delivery]) -> None:
    """Keep what became of a message, inside the caller's transaction; a later attempt takes an earlier one's place."""
    connection.executemany(
        "INSERT INTO delivery VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
        " outcome = excluded.outcome, at_ms = excluded.at_ms, delay_ms = excluded.delay_ms,"
        " relay_name = excluded.relay_name, relay_ip = excluded.relay_ip, dsn = excluded.dsn, reply = excluded.reply,"
        " next_id = excluded.next_id WHERE excluded.at_ms > delivery.at_ms",
        [
            (
                number,
                clipped(each.recipient),
                each.outcome,
                milliseconds(each.at),
                None if each.delay_s is None else round(each.delay_s * 1000),
                names.id(clipped(each.relay_name)),
                names.id(each.relay_ip),
                clipped(each.dsn),
                clipped(each.reply),
                clipped(each.next_id),
            )
            for each in deliveries
        ],
    )


def deliveries_of(connection: sqlite3.Connection, message_id: str) -> list[Delivery]:
    """What became of the message with this id of ours, by recipient; nothing where no log was imported."""
    found = connection.execute(
        "SELECT recipient, outcome, delivery.at_ms, delay_ms, relay.text, ip.text, dsn, reply, next_id FROM delivery"
        " JOIN message ON message.number = delivery.message LEFT JOIN name AS relay ON relay.id = relay_name"
        " LEFT JOIN name AS ip ON ip.id = relay_ip WHERE message.id = ? ORDER BY recipient",
        (message_id,),
    )
    return [
        Delivery(recipient, outcome, moment(at_ms), None if delay_ms is None else delay_ms / 1000, *others)
        for recipient, outcome, at_ms, delay_ms, *others in found
    ]
