"""Throws forged chains at the tracer and at the question whom to report, and counts innocents that would be accused.

    python bench/innocents.py [--chains 100000] [--seed 1] [--show 5]

Each chain has a truth: the one host that handed the spam to our server, to a declared relay or to a declared forwarder,
or nobody at all (own users, bounces, mailing lists, forwarded mail, hosts an allow list vouches for, ...). Below the
honest lines stand forged ones that name banks, our own relays, forwarders and users; names and greetings that a spammer
chooses carry other hosts' addresses. A draft about any address but the true one accuses an innocent. The last line is
JSON: chains, drafts, accused.
"""

import argparse
import json
import random
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import IPv4Address, IPv6Address
from typing import TypeVar

from hoptrail_reports.abuse.reportable import Judge, judge, objection
from hoptrail_reports.abuse.settings import AbuseSettings
from hoptrail_store.records import MessageRecord, Score
from hoptrail_tracer.chain import trace
from hoptrail_tracer.model import AddressFacts, Connection, ZoneResult
from hoptrail_tracer.settings import SiteSettings

T = TypeVar("T")
NOW = datetime(2026, 11, 21, 3, tzinfo=UTC)
SITE = SiteSettings(
    hostname="mx1.example.org",
    networks=("11.0.0.0/24", "10.1.2.0/24"),
    hosts=("*.relays.example.net",),
    msas=("11.0.1.25",),
    forwarders=("11.0.2.0/24", "*.forward.example.edu"),
    lists=("11.0.3.7", "lists.example.net"),
    domains=("example.org",),
)
OWN = (("11.0.0.4", "mx2.example.org"), ("11.0.0.9", "in.relays.example.net"), ("10.1.2.3", "store.example.org"))
FORWARDERS = (("11.0.2.9", "out.forward.example.edu"), ("12.200.0.1", "mx.forward.example.edu"))
INNOCENT = (
    *("mail.bank.example", "smtp.gmail.example", "mx1.example.org", "mx2.example.org", "in.relays.example.net"),
    *("out.forward.example.edu", "lists.example.net", "victim.example.com", "localhost", "www.example.org"),
)


@dataclass
class Mail:
    """One spam: how it reached us, and the address that may be accused of it (None: nobody)."""

    guilty: str | None
    client: tuple[str, str | None]  # who connected to us: address and confirmed name
    lines: list[str] = field(default_factory=list)  # of believed hosts, newest first
    fields: bytes = b""
    envelope_from: str = "x@spam.example"
    auth: str | None = None
    recipients: tuple[str, ...] = ("john@example.org",)
    zones: tuple[ZoneResult, ...] = ()
    greeting: str | None = None  # of a host that does not lie about itself
    silent: bool = False  # whoever connected to us wrote no line


class Forger:
    """Random hosts, greetings and Received lines, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.at = NOW

    def pick(self, *choices: T) -> T:
        return self.random.choice(choices)

    def spammer(self) -> tuple[str, str | None]:
        """Somebody out in the world: an address and the name that resolves back, if any."""
        number = self.random.getrandbits(24)
        if self.random.random() < 0.1:
            return str(IPv6Address((0x2A02 << 112) | self.random.getrandbits(64))), None
        ip = str(IPv4Address((12 << 24) | (number % 0xC70000)))
        name = self.pick(
            None, f"host{number}.isp.example", f"{ip.replace('.', '-')}.pool.isp.example", "mail.bank.test"
        )
        return ip, name

    def innocent(self) -> str:
        """An address that has nothing to do with the spam."""
        other = str(IPv4Address((9 << 24) | self.random.getrandbits(24)))
        return self.pick(other, other, other, "11.0.0.4", "11.0.0.9", "11.0.2.9", "11.0.3.7", "10.1.2.3", "127.0.0.1")

    def greeting(self) -> str:
        """What a spammer calls itself: often somebody else."""
        ip, name = self.innocent(), self.pick(*INNOCENT)
        return self.pick(name, f"[{ip}]", ip, f"{name}?[{ip}]?", f"[IPv6:::ffff:{ip}]", "x", "-", f"{ip}.{name}", "by")

    def line(self, client: tuple[str, str | None], by: str, greeting: str, at: datetime | None = None) -> str:
        """What a host writes about a client, in the manner of some MTA."""
        ip, name = client
        date, number, other = format_datetime(at or self.at), self.random.getrandbits(40), self.innocent()
        literal = f"IPv6:{ip}" if ":" in ip else ip
        looked_up = name or "unknown"
        named, unnamed = f"{looked_up} [{literal}]", f"[{ip}]"
        return self.pick(
            f"from {greeting} ({named}) by {by} (Postfix) with ESMTP id {number:X} for <john@example.org>; {date}",
            f"from {greeting} ({named})\r\n\tby {by} (8.17.1/8.17.1) with ESMTP id 4AL{number}; {date}",
            f"from {greeting} (IDENT:{other}@{named}) by {by} (8.9.3/8.9.3) with SMTP id A{number}; {date}",
            f"from {unnamed} (helo={greeting}) by {by} with esmtp (Exim 4.96)"
            f" (envelope-from <x@[{other}]>) id 1A-{number:x}; {date}",
            f"from {looked_up} ({unnamed} helo={greeting} ident={other}) by {by} with smtp (Exim 4.96) id 1B-{number};"
            f" {date}",
            f"from {looked_up} (HELO {greeting}) ({ip}) by {by} with SMTP; {date}",
            f"from {looked_up} (HELO {greeting}) (x@{other}@{ip}) by {by} with SMTP; {date}",
        )

    def forged(self) -> list[str]:
        """Lines a spammer made up: about innocents, by innocents, some of them broken on purpose."""
        lines, at = [], self.at
        for _ in range(self.random.randint(0, 6)):
            at -= timedelta(seconds=self.random.randint(-600, 4_000))
            by = self.pick(*INNOCENT, self.innocent())
            text = self.line((self.innocent(), self.pick(None, *INNOCENT)), by, self.greeting(), at)
            if self.random.random() < 0.2:
                cut = self.random.randrange(len(text))
                text = self.pick(
                    text[:cut], text[cut:], text.replace(" by ", " "), text + "\x00\xff(", text.replace(";", "")
                )
            lines.append(text.strip())
        return lines


def direct(forger: Forger) -> Mail:
    client = forger.spammer()
    return Mail(client[0], client)


def through_own_relay(forger: Forger) -> Mail:
    relay, client = forger.pick(*OWN), forger.spammer()
    return Mail(client[0], relay, [forger.line(client, relay[1], forger.greeting())], greeting=relay[1])


def through_two_relays(forger: Forger) -> Mail:
    mail = through_own_relay(forger)
    inner = OWN[2]
    passed_on = forger.line(mail.client, inner[1], mail.client[1] or "-")
    return replace(mail, client=inner, lines=[passed_on, *mail.lines], greeting=inner[1])


def through_forwarder(forger: Forger) -> Mail:
    host, client = forger.pick(*FORWARDERS), forger.spammer()
    return Mail(client[0], host, [forger.line(client, host[1], forger.greeting())], greeting=host[1])


def through_silent_forwarder(forger: Forger) -> Mail:
    """A declared forwarder that adds no line of its own: whatever stands on top is the spammer's."""
    host = forger.pick(*FORWARDERS)
    return Mail(None, host, greeting=host[1], silent=True)


def through_list(forger: Forger) -> Mail:
    host = forger.pick(("11.0.3.7", None), ("12.201.0.1", "lists.example.net"), forger.spammer())
    lines = [forger.line(forger.spammer(), host[1] or "lists.example.net", forger.greeting())]
    return Mail(None, host, lines, fields=b"List-Post: <mailto:all@lists.example.net>\r\n")


def through_undeclared_forwarder(forger: Forger) -> Mail:
    client = forger.spammer()
    lines = [forger.line(forger.spammer(), client[1] or "alumni.example", forger.greeting())]
    if forger.random.random() < 0.5:
        return Mail(None, client, lines, envelope_from="SRS0=aa=bb=spam.example=x@alumni.example")
    return Mail(None, client, lines, fields=b"X-Forwarded-To: john@example.org\r\n")


def own_user(forger: Forger) -> Mail:
    return Mail(None, forger.spammer(), auth="LOGIN john")


def bounce(forger: Forger) -> Mail:
    return Mail(None, forger.spammer(), envelope_from="")


def vouched_for(forger: Forger) -> Mail:
    return Mail(None, forger.spammer(), zones=(ZoneResult("list.dnswl.org", "allowed", ("127.0.9.3",)),))


def perhaps_vouched_for(forger: Forger) -> Mail:
    return Mail(None, forger.spammer(), zones=(ZoneResult("list.dnswl.org", forger.pick("error", "late", "paused")),))


def own_domain(forger: Forger) -> Mail:
    ip, _ = forger.spammer()
    if forger.random.random() < 0.5:
        return Mail(None, (ip, "web7.example.org"))
    return Mail(None, (ip, "mail.recipient.example"), recipients=("a@recipient.example",))


def special(forger: Forger) -> Mail:
    ip = forger.pick("10.9.9.9", "192.168.1.7", "127.0.0.1", "100.64.1.1", "169.254.3.3", "192.0.2.4", "::1", "fe80::2")
    return Mail(None, (ip, forger.pick(None, "mail.bank.test")))


WAYS: tuple[Callable[[Forger], Mail], ...] = (
    *(direct, direct, through_own_relay, through_own_relay, through_two_relays, through_forwarder),
    *(through_silent_forwarder, through_list, through_undeclared_forwarder, own_user, bounce, vouched_for),
    *(perhaps_vouched_for, own_domain, special),
)


def record_of(mail: Mail, forger: Forger) -> MessageRecord:
    """The message as the milter would record it."""
    at = forger.at
    ip, name = mail.client
    connection = Connection(
        ip, helo=mail.greeting or forger.greeting(), rdns=name, by="mx1.example.org", auth=mail.auth, id="A1", date=at
    )
    lines = mail.lines + forger.forged()
    if mail.silent:  # one that forges the forwarder's very name is the forwarder's, for all that anybody can know
        lines = [line for line in lines if "forward.example.edu" not in line and "11.0.2.9" not in line]
    fields = [("Received", line) for line in lines]
    fields.insert(forger.random.randint(0, len(fields)), ("X-Originating-IP", f"[{forger.innocent()}]"))
    traced = trace(lines, connection=connection, site=SITE, fields=fields, now=at)
    header = b"".join(f"{name}: {value}\r\n".encode("latin-1") for name, value in fields) + mail.fields
    return MessageRecord(
        id=f"{at:%s}{forger.random.getrandbits(40)}",
        host="mx1.example.org",
        source="milter",
        received_at=at,
        connection=connection,
        envelope_from=mail.envelope_from,
        recipients=mail.recipients,
        refused_recipients=0,
        message_id=None,
        size_bytes=len(header),
        trace=traced,
        fields=(),
        score=Score(12.0, 5.0),
        facts=AddressFacts(traced.origin.ip or "", name=traced.origin.name, zones=mail.zones),
        evidence=header + b"\r\nbuy\r\n",
    )


def run(chains: int, seed: int, show: int = 0) -> dict[str, int]:
    """The counts for so many chains; the first few wrong accusations are written to standard error."""
    forger = Forger(seed)
    court: Judge = judge(SITE, AbuseSettings(), NOW)
    drafts = accused = 0
    for _ in range(chains):
        forger.at = NOW - timedelta(seconds=forger.random.randint(0, 86_400))
        way = forger.pick(*WAYS)
        mail = way(forger)
        record = record_of(mail, forger)
        if objection(record, court, record.facts):
            continue
        drafts += 1
        if record.trace.origin.ip != mail.guilty:
            accused += 1
            if accused <= show:
                print(way.__name__, mail, record.trace, sep="\n  ", file=sys.stderr)
    return {"chains": chains, "drafts": drafts, "accused": accused}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--chains", type=int, default=100_000)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--show", type=int, default=5, metavar="N", help="wrong accusations to print in full")
    given = options.parse_args()
    print(json.dumps(run(given.chains, given.seed, given.show)))


if __name__ == "__main__":
    main()
