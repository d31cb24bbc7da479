"""Records to store: each different from the others, with something in every column."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from hoptrail_store.ids import Ids
from hoptrail_store.records import MessageRecord, Score
from hoptrail_tracer.model import (
    AddressFacts,
    Anomaly,
    Connection,
    Hop,
    Kind,
    Origin,
    Received,
    Trace,
    Trust,
    ZoneResult,
)

DAY = datetime(2026, 3, 14, 9, 26, 53, 589000, tzinfo=UTC)


def a_received(step: int, at: datetime) -> Received:
    return Received(
        status="parsed",
        kind=Kind.RELAY,
        ip=f"203.0.113.{step}",
        rdns=f"relay{step}.example.net",
        helo=f"Relay{step}.example.net",
        by=f"relay{step - 1}.example.net",
        software="Postfix",
        protocol="ESMTPS",
        id=f"4dD1Zx0YqGz9v{step}",
        date=at.replace(microsecond=0) - timedelta(seconds=2 * step),
    )


def a_trace(at: datetime, hops: int = 3) -> Trace:
    steps = tuple(
        Hop(a_received(step, at), Trust.OBSERVED if step == 1 else Trust.CLAIMED, 2.0, ("it says so",), step - 1)
        for step in range(1, hops + 1)
    )
    skipped = Hop(Received("skipped", reason="qmail-invoked"), Trust.CLAIMED)
    origin = Origin("203.0.113.1", "relay1.example.net", Trust.OBSERVED, 0.95, "connection", ("we saw it",), 0)
    return Trace((*steps, skipped), origin, (Anomaly("loop", "It came by twice.", 1, 0.5),))


def record_maker() -> Callable[..., MessageRecord]:
    """A function that makes records; keyword arguments replace values."""
    ids = Ids()

    def make(number: int = 0, *, at: datetime = DAY, **changes: object) -> MessageRecord:
        values = {
            "id": ids.new(),
            "host": "mx.example.org",
            "source": "milter",
            "received_at": at,
            "connection": Connection(
                ip="203.0.113.1",
                helo="relay1.example.net",
                rdns="relay1.example.net",
                port=51234,
                by="mx.example.org",
                auth=None,
                tls="TLSv1.3",
                id=f"queue{number}",
                envelope_from="sender@example.net",
                date=at,
            ),
            "envelope_from": "sender@example.net",
            "recipients": ("one@example.org", "two@example.org"),
            "refused_recipients": 1,
            "message_id": f"<{number}@example.net>",
            "size_bytes": 4200,
            "trace": a_trace(at),
            "fields": ((b"Received", b" from relay1\r\n\tby mx\xff; today"), (b"X-Originating-IP", b" [203.0.113.9]")),
            "subject": "Nothing new",
            "score": Score(7.5, 5.0, ("BAYES_99", "HTML_MESSAGE")),
            "facts": AddressFacts(
                ip="203.0.113.1",
                name="relay1.example.net",
                name_confirmed=True,
                asn=64500,
                as_name="EXAMPLE-NET",
                country="NL",
                zones=(ZoneResult("bl.example.net", "listed", ("127.0.0.2",), "spam source"),),
                missing=(("wl.example.net", "late"),),
            ),
            "evidence": b"Subject: Nothing new\r\n\r\nBuy.\r\n",
        } | changes
        return MessageRecord(**values)

    return make
