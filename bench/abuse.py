"""A day's spam folded into cases and drafted, with real look-ups on loopback: unbound, rbldnsd and an RDAP server.

    .venv/bin/python bench/abuse.py [--messages 100000] [--origins 20000] [--drafts 2000]

The day is written into a store first, which is not counted. Then two nights: the first looks up as many origins as
`contact_lookups` allows, the second goes on with those that waited. Nothing was looked up before: neither names nor
lists nor contacts. The goal is 180 s for the first. The table is for people; the last line is one JSON object.
"""

import argparse
import json
import random
import resource
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import IPv4Address, ip_network
from pathlib import Path

from hoptrail_reports import drafting
from hoptrail_reports.abuse.cases import fold
from hoptrail_reports.abuse.reportable import judge
from hoptrail_reports.abuse.settings import AbuseSettings
from hoptrail_store.ids import Ids
from hoptrail_store.reader import Reader, day_span
from hoptrail_store.records import MessageRecord, Score
from hoptrail_store.settings import StoreSettings
from hoptrail_store.store import Store
from hoptrail_tracer.chain import trace
from hoptrail_tracer.lookups.settings import LookupSettings
from hoptrail_tracer.model import Connection
from hoptrail_tracer.settings import SiteSettings

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from testbed.dnsservers import Rbldnsd, Unbound
from testbed.places import private_folder
from testbed.registry import RdapServer, Reply

SITE = SiteSettings(hostname="mx.example.org", networks=("198.51.100.0/24",), domains=("example.org",))
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
NIGHT = datetime(2026, 11, 21, 3, tzinfo=UTC)
ZONES = ("zen.spamhaus.org", "list.dnswl.org")
GOAL_S = 180
PORTION = 500
BODY = b"Buy http://shop.example/?u=john%40example.org now, while it is cheap.\r\n" * 40


def address(number: int) -> str:
    """The origin of that number: each /24 holds a few, each /16 many."""
    return str(IPv4Address((12 << 24) + number * 37))


def records(messages: int, origins: int, seed: int = 1) -> Iterator[MessageRecord]:
    """Spam as the milter records it; a few origins send most of it, as in life."""
    chance, ids = random.Random(seed), Ids()
    for n in range(messages):
        origin = n if n < origins else int(origins * chance.random() ** 3)
        ip, at = address(origin), NOON + timedelta(seconds=chance.uniform(-40_000, 40_000))
        connection = Connection(ip, helo="mail.bank.example", port=20_000 + n % 40_000, by=SITE.hostname, date=at)
        lines = (f"from a (b.example [203.0.113.9]) by mail.bank.example with SMTP id {n}; {format_datetime(at)}",)
        subject = f"Cheap pills {n % 97}% off, john" if n % 3 else f"Your invoice {n}"
        header = f"Received: {lines[0]}\r\nTo: <john@example.org>\r\nSubject: {subject}\r\n\r\n".encode()
        yield MessageRecord(
            id=ids.new(int(at.timestamp() * 1000)),
            host="mx.example.org",
            source="milter",
            received_at=at,
            connection=connection,
            envelope_from=f"x{n}@bank.example",
            recipients=("john@example.org",),
            refused_recipients=0,
            message_id=f"<{n}@bank.example>",
            size_bytes=len(header) + len(BODY),
            trace=trace(lines, connection=connection, site=SITE, now=at),
            fields=((b"Received", lines[0].encode()),),
            subject=subject,
            score=Score(12.3, 5.0, ("BAYES_99",)),
            evidence=header + BODY,
        )


def registry(origins: int) -> dict[str, Reply]:
    """An answer for each origin: its /24, and the desk of its /20."""
    found = {}
    for number in range(origins):
        ip = address(number)
        network = ip_network(f"{ip}/24", strict=False)
        desk = ip_network(f"{ip}/20", strict=False).network_address
        card = ["vcard", [["version", {}, "text", "4.0"], ["email", {}, "text", f"abuse@as{int(desk)}.example.net"]]]
        answer = {
            "objectClassName": "ip network",
            "startAddress": str(network.network_address),
            "endAddress": str(network.broadcast_address),
            "entities": [{"objectClassName": "entity", "roles": ["abuse"], "vcardArray": card}],
        }
        headers = {"Content-Type": "application/rdap+json"}
        found[f"/ip/{ip}"] = Reply(200, json.dumps(answer).encode(), headers)
    return found


def fill(settings: StoreSettings, messages: int, origins: int) -> None:
    """Write the day."""
    with Store.open(settings) as store:
        portion: list[MessageRecord] = []
        for record in records(messages, origins):
            portion.append(record)
            if len(portion) == PORTION:
                store.put(portion)
                portion.clear()
        store.put(portion)


def folded_s(settings: StoreSettings) -> tuple[float, int]:
    """How long the folding alone takes, and how many cases there are."""
    begun = time.perf_counter()
    with Store.open(settings) as store:
        spam = Reader(store.db).messages(*day_span(NOON.date()), spam_only=True, evidence=True)
        cases = fold(NOON.date(), spam, judge(SITE, AbuseSettings(), NIGHT))
    return time.perf_counter() - begun, len(cases)


def night(settings: StoreSettings, lookups: LookupSettings, abuse: AbuseSettings, now: datetime) -> dict[str, object]:
    """One night: seconds, new drafts, and the states of the day's cases."""
    begun = time.perf_counter()
    with Store.open(settings) as store:
        summary = drafting.draft(
            NOON.date(), store, site=SITE, lookups=lookups, abuse=abuse, store_settings=settings, now=now
        )
    return {
        "seconds": round(time.perf_counter() - begun, 1),
        "messages": summary.messages,
        "cases": summary.cases,
        "drafted": summary.drafted,
        **dict(summary.states),
    }


def run(messages: int, origins: int, drafts: int, folder: Path) -> dict[str, object]:
    """The figures of both nights."""
    settings = StoreSettings(path=str(folder / "store.sqlite"))
    fill(settings, messages, origins)
    folding_s, cases = folded_s(settings)
    lists = {"zen.spamhaus.org": {"12.0.0.0/12": "127.0.0.4"}, "list.dnswl.org": {"12.0.0.0/21": "127.0.5.3"}}
    with Rbldnsd(lists) as rbldnsd, RdapServer(registry(origins)) as rdap:
        with Unbound(stubs=dict.fromkeys(ZONES, rbldnsd.port)) as unbound:
            lookups = LookupSettings(
                nameservers=(unbound.address,),
                zones=ZONES,
                rdap_test_servers=(rdap.base,),
                abusix=False,
                whois=False,
                registry_per_minute=6_000,
            )
            abuse = AbuseSettings(drafts_per_day=2 * drafts, contact_lookups=drafts)
            nights = [night(settings, lookups, abuse, NIGHT + timedelta(hours=n)) for n in range(2)]
        asked = len(rdap.requests)
    return {
        "messages": messages,
        "cases": cases,
        "folding_s": round(folding_s, 1),
        "first": nights[0],
        "second": nights[1],
        "registry_questions": asked,
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--messages", type=int, default=100_000)
    options.add_argument("--origins", type=int, default=20_000)
    options.add_argument("--drafts", type=int, default=2_000, help="origins looked up in a night")
    given = options.parse_args()
    with private_folder("abuse") as folder:
        found = run(given.messages, given.origins, given.drafts, folder)
    for name in ("first", "second"):
        print(f"{name} night: " + ", ".join(f"{key} {value:,}" for key, value in found[name].items()))
    print(f"of the first, folding alone: {found['folding_s']} s; goal for all: {GOAL_S} s")
    print(json.dumps(found))
    sys.exit(found["first"]["seconds"] > GOAL_S)


if __name__ == "__main__":
    main()
