"""Spam as the store holds it, traced for real, and a store to put it into."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count

from hoptrail_store.ids import Ids
from hoptrail_store.records import MessageRecord, Score
from hoptrail_tracer.chain import trace
from hoptrail_tracer.model import AddressFacts, Connection, Contact, ContactAnswer
from hoptrail_tracer.settings import SiteSettings
from reports.abuse.samples import NAME, NOON, SPAM, SPAMMER, VICTIM

SITE = SiteSettings(
    hostname="mx.example.org",
    networks=("198.51.100.0/24", "11.0.0.0/24"),
    hosts=("*.relays.example.net",),
    msas=("11.0.1.25",),
    forwarders=("11.0.2.0/24", "*.forward.example.edu"),
    lists=("lists.example.net",),
    domains=("example.org",),
)
LINES = ("from a (b.example [203.0.113.9]) by mail.bank.example with SMTP id 1; Fri, 20 Nov 2026 11:59:00 +0000",)
_IDS = Ids()
_PORTS = count(20_000)


def spam(
    ip: str | None = SPAMMER,
    *,
    rdns: str | None = NAME,
    helo: str = "mail.bank.example",
    at: datetime = NOON,
    received: Sequence[str] = LINES,
    site: SiteSettings = SITE,
    auth: str | None = None,
    raw: bytes | None = SPAM,
    facts: AddressFacts | None = None,
    **changes: object,
) -> MessageRecord:
    """A message that SpamAssassin called spam, handed to mx.example.org by `ip`."""
    connection = Connection(
        ip, helo=helo, rdns=rdns, port=next(_PORTS), by="mx.example.org", auth=auth, id="4dD1", date=at
    )
    traced = trace(received, connection=connection, site=site, now=at)
    name = traced.origin.name
    record = MessageRecord(
        id=_IDS.new(int(at.timestamp() * 1000)),
        host="mx.example.org",
        source="milter",
        received_at=at,
        connection=connection,
        envelope_from="security@bank.example",
        recipients=(VICTIM,),
        refused_recipients=0,
        message_id="<1@bank.example>",
        size_bytes=len(raw or b""),
        trace=traced,
        fields=tuple((b"Received", line.encode()) for line in received),
        subject="Your account, john.smith@example.org",
        score=Score(12.3, 5.0, ("BAYES_99",)),
        facts=facts or AddressFacts(traced.origin.ip or "", name=name, name_confirmed=name is not None, asn=7922),
        evidence=raw,
    )
    return replace(record, **changes)


async def desk(ip: str) -> ContactAnswer:
    """A registry that knows one desk for everything."""
    return ContactAnswer(ip, "found", (Contact("abuse@isp.example.com", "rdap", 0.9, "67.160.0.0/11", "ISP"),))


LATER = NOON + timedelta(hours=15)
"""The night after: 03:00 UTC."""
