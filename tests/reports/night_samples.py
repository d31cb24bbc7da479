"""A small site's day in a store, and a nightly job over it that asks nobody."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from hoptrail_reports.nightly import Night, NightlySettings, run
from hoptrail_reports.settings import AbuseSettings, ReportSettings
from hoptrail_store.ids import Ids
from hoptrail_store.records import MessageRecord, RefusalCount, Score
from hoptrail_store.settings import StoreSettings
from hoptrail_store.store import Store
from hoptrail_tracer.lookups.settings import LookupSettings
from hoptrail_tracer.model import AddressFacts, Hop, Origin, Received, Trace, Trust
from hoptrail_tracer.settings import SiteSettings

DAY = date(2026, 11, 20)
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
MORNING_AFTER = datetime(2026, 11, 21, 6, tzinfo=UTC)
_IDS = Ids()


class Silent:
    def begin(self, step):
        pass

    def expect(self, total):
        pass

    def advance(self):
        pass


def settings(folder, **reports):
    return NightlySettings(
        site=SiteSettings(hostname="mx.example.org"),
        lookups=LookupSettings(nameservers=("127.0.0.1@9",), abusix=False, whois=False, rdap=False, cymru=False),
        store=StoreSettings(path=str(folder / "store.sqlite")),
        reports=ReportSettings(directory=str(folder / "reports"), **reports),
        abuse=AbuseSettings(draft=False),
    )


def message(client="gw.example.net", *, at=NOON, points=None, claimed="[198.51.100.7]"):
    """A message that `client` handed to mx.example.org; its own line names the host before it."""
    hops = (
        Hop(
            Received("parsed", ip="192.0.2.9", rdns=client, by="mx.example.org", software="Postfix", date=at),
            Trust.OBSERVED,
            3.0,
        ),
        Hop(
            Received("parsed", ip=claimed.strip("[]"), by=client, date=at - timedelta(seconds=3)),
            Trust.CLAIMED,
        ),
    )
    return MessageRecord(
        id=_IDS.new(int(at.timestamp() * 1000)),
        host="mx.example.org",
        source="milter",
        received_at=at,
        connection=None,
        envelope_from="a@example.net",
        recipients=("b@example.org",),
        refused_recipients=0,
        message_id=None,
        size_bytes=1_000,
        trace=Trace(hops, Origin("192.0.2.9", client, Trust.OBSERVED, 0.9, "connection")),
        fields=(),
        facts=AddressFacts("192.0.2.9", asn=64500, as_name="EXAMPLE-NET", country="NL"),
        score=None if points is None else Score(points, 5.0, ("RULE",)),
    )


def passed_on(record):
    """The same message as store.example.org has it, which took it from mx.example.org."""
    at = record.received_at
    hop = Hop(
        Received("parsed", ip="192.0.2.1", rdns="mx.example.org", by="store.example.org", date=at), Trust.OBSERVED
    )
    return replace(record, trace=replace(record.trace, hops=(hop, *record.trace.hops)))


def fill(night, records, refusals=()):
    with Store.open(night.store) as store:
        store.put(records)
        store.count_refusals(refusals)


def refused(network="203.0.113.0/24", refused=40, at=NOON):
    return RefusalCount("mx.example.org", network, at, 9, 1, refused)


def nightly(night, day=DAY, *, now=MORNING_AFTER, progress=None) -> Night:
    return run(night, day, progress=progress or Silent(), now=now)
