"""A made-up site of any size with some nights of reports: mail whose senders follow Zipf's law, spam, refused recipients."""

import random
import zlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import chain, pairwise
from pathlib import Path

from hoptrail_reports.nightly import Night
from hoptrail_reports.topology.traffic import Way
from hoptrail_store.records import MessageRecord, RefusalCount
from hoptrail_tracer.lookups.settings import LookupSettings
from hoptrail_tracer.model import Hop, Origin, Received, Trace, Trust
from hoptrail_tracer.path import Step
from reports.night_samples import DAY, NOON, fill, message, nightly, refused, settings
from reports.topology.relay_samples import OURS, STORE, way, ways
from testbed.mmdb import write_mmdb

ONE_DAY = timedelta(days=1)
# fmt: off
COUNTRIES = (
    "US", "DE", "NL", "FR", "GB", "PL", "ES", "IT",
    "SE", "CH", "JP", "IN", "BR", "ZA", "AU", "SG",
    "CA", "CN", "RU", "TR", "CZ", "AT", "DK", "MT",
)
# fmt: on
HOSTILE = "<img src=http://evil.example/ onerror=alert(1)>" + "w" * 180
"""What a sender calls itself who wants to break a page, or to spoil its look."""


def build(folder: Path, relays: int, messages: int, nights: tuple[int, ...] = (7, 1, 0), **reports: int) -> Night:
    """A report for each of the nights, so many days back, and what the last one came to; no draft looks anything up."""
    databases = address_databases(folder)
    found = replace(settings(folder, **reports), lookups=LookupSettings(mmdb=databases))
    for back in nights:
        day = DAY - back * ONE_DAY
        fill(found, list(records(relays, messages - 40 * back, back=back)), [_refused(n, back) for n in range(6)])
        done = nightly(found, day, now=datetime.combine(day + ONE_DAY, NOON.time(), NOON.tzinfo))
        assert not done.report.failed_steps
    return done


def records(relays: int, messages: int, *, back: int = 0) -> Iterator[MessageRecord]:
    """The messages of a day, so many days back; who may send is the same every day."""
    pick = random.Random(back)
    hostile = [way(HOSTILE, OURS[0], OURS[0], STORE, observed=3, at=n) for n in range(30)]
    for each in chain(ways(relays, messages - len(hostile)), hostile):
        yield _record(pick, each, back * ONE_DAY)


def address_databases(folder: Path) -> tuple[str, str]:
    """Two MMDB files for the addresses of `address_of`: countries, and autonomous systems."""
    countries = {f"11.{n}.0.0/16": {"country": {"iso_code": code}} for n, code in enumerate(COUNTRIES)}
    systems = {
        f"11.{n}.0.0/16": {
            "autonomous_system_number": 64_500 + n // 2,
            "autonomous_system_organization": f"NET-{n // 2}",
        }
        for n in range(len(COUNTRIES))
    }
    write_mmdb(folder / "country.mmdb", {**countries, "203.0.0.0/16": {"country": {"iso_code": "BR"}}})
    write_mmdb(folder / "asn.mmdb", {**systems, "203.0.0.0/16": {"autonomous_system_number": 64_666}})
    return str(folder / "country.mmdb"), str(folder / "asn.mmdb")


def address_of(relay: str) -> str:
    """An address for a relay: its own where its name is one, else one out of 11.0.0.0/8."""
    number = zlib.crc32(relay.encode())
    return (
        relay.strip("[]")
        if relay.startswith("[")
        else f"11.{number % len(COUNTRIES)}.{number // 256 % 256}.{number % 253 + 1}"
    )


def _record(pick: random.Random, way: Way, back: timedelta) -> MessageRecord:
    hops = tuple(
        Hop(_line(before.relay, step, back), Trust.OBSERVED if step.observed else Trust.CLAIMED)
        for before, step in reversed(list(pairwise(way.steps)))
    )
    client = next(before.relay for before, step in pairwise(way.steps) if step.observed)
    taken = datetime.fromtimestamp(way.recorded, UTC) - back
    points = pick.gauss(12, 5) if client.startswith("[") and pick.random() < 0.7 else pick.gauss(0, 1.5)
    origin = Origin(address_of(client), client, Trust.OBSERVED, 0.9, "connection")
    return replace(message(at=taken, points=points), trace=Trace(hops, origin), facts=None)


def _line(sender: str, step: Step, back: timedelta) -> Received:
    ip, name = address_of(sender), None if sender.startswith("[") else sender
    if sender == step.relay:
        ip, name = "127.0.0.1", "localhost"
    date = None if step.at_s is None else datetime.fromtimestamp(step.at_s, UTC) - back
    return Received("parsed", ip=ip, rdns=name, by=step.relay, software="Postfix", date=date)


def _refused(number: int, back: int) -> RefusalCount:
    at = NOON - back * ONE_DAY + timedelta(hours=number)
    return refused(f"203.0.{113 + number // 3}.0/24", refused=60 // (1 + number) + 5 * back, at=at)
