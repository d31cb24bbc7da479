"""Whether an address may be accused of a spam: every reason not to, with a stable code and a sentence.

The worst fault of a report is to accuse an innocent, so each question here is asked again of the trace as it was
stored, and doubt speaks for the address. What is refused is kept and shown to a person with its reason.
"""

import ipaddress
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from hoptrail_reports.abuse.mutes import Mute
from hoptrail_reports.abuse.settings import AbuseSettings
from hoptrail_store.records import MessageRecord
from hoptrail_tracer.addresses import Scope, scope
from hoptrail_tracer.model import AddressFacts, Hop, Trust
from hoptrail_tracer.names import canonical, same_host, same_owner
from hoptrail_tracer.settings import SiteSettings
from hoptrail_tracer.sitematch import HostList, Site, compile_site, host_list

BELIEVED: Final = (Trust.OBSERVED, Trust.TRUSTED)
DNSWL: Final = "dnswl.org"
DNSWL_MEDIUM: Final = 2
"""dnswl.org's levels: 0 none, 1 low, 2 medium ("extremely rare spam, promptly corrected"), 3 high ("never spam")."""

_TRANSLATED = tuple(
    ipaddress.ip_network(text)
    for text in ("2002::/16", "2001::/32", "64:ff9b::/96", "64:ff9b:1::/48", "192.88.99.0/24", "192.0.0.0/24")
)
"""6to4, Teredo, NAT64 and kin: the address names a translator, not the network a host is in."""
_V6_UNICAST = ipaddress.ip_network("2000::/3")  # all that IANA gives out (RFC 4291 section 2.4)

_SRS = re.compile(r"^<?(?:srs[01][=+-]|prvs=.*srs[01])", re.IGNORECASE)
_LIST_FIELDS = re.compile(
    rb"^(?:list-post|mailing-list|x-mailman-version|list-archive)\s*:", re.IGNORECASE | re.MULTILINE
)
_FORWARD_FIELDS = re.compile(
    rb"^(?:x-forwarded-(?:to|for)|resent-(?:from|to|sender))\s*:", re.IGNORECASE | re.MULTILINE
)
_HEADER_END = re.compile(rb"\r?\n\r?\n")


@dataclass(frozen=True, slots=True)
class Objection:
    """Why an address is not reported: a stable code and a sentence for a person."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Judge:
    """The site's declarations, compiled once for a night."""

    site: Site
    never: HostList
    muted: HostList
    settings: AbuseSettings
    now: datetime


def judge(site: SiteSettings, settings: AbuseSettings, now: datetime, mutes: Iterable[Mute] = ()) -> Judge:
    """A judge for one night. Raises SiteError where a declared network is none."""
    muted = host_list(mute.origin for mute in mutes)
    return Judge(compile_site(site), host_list(settings.never_report), muted, settings, now)


def objection(record: MessageRecord, court: Judge, facts: AddressFacts | None) -> Objection | None:
    """The first reason not to report the origin of a message; None where it may be reported.

    `facts` are about the origin: those of the record, or newer ones.
    """
    return next(_objections(record, court, facts), None)


def _objections(record: MessageRecord, court: Judge, facts: AddressFacts | None) -> Iterator[Objection]:
    yield from _about_evidence(record)
    ip = record.trace.origin.ip or ""
    names = _names(record, facts)
    yield from _about_address(ip, names, court)
    yield from _about_names(record, names, court)
    yield from _about_allow_lists(facts)
    yield from _about_message(record)
    if court.now - record.received_at > timedelta(hours=court.settings.stop_hours):
        yield Objection("too-old", f"the message is more than {court.settings.stop_hours} hours old")


def _about_evidence(record: MessageRecord) -> Iterator[Objection]:
    """Only a line that this host or a declared relay wrote is evidence."""
    trace, origin = record.trace, record.trace.origin
    if origin.ip is None:
        yield Objection("no-origin", "no address was found that could be the origin")
        return
    if origin.trust not in BELIEVED:
        yield Objection("not-believed", f"the line that names {origin.ip} is {origin.trust}: it could be invented")
        return
    if origin.hop is None or origin.hop >= len(trace.hops):
        yield Objection("no-line", f"no line of the trace names {origin.ip}")
        return
    line = trace.hops[origin.hop]
    if line.received.ip != origin.ip or line.received.status != "parsed":
        yield Objection("no-line", f"no line of the trace that could be read whole names {origin.ip}")
    if trace.inferred and line.trust is not Trust.OBSERVED:
        yield Objection("inferred", "which relays are this site's own was inferred, not declared: see [site] networks")
    if line.received.auth or (record.connection and record.connection.auth):
        yield Objection("own-user", "the client had authenticated: it is one of the site's own users")
    if record.connection and scope(record.connection.ip) is Scope.LOOPBACK:
        yield Objection("local", "a program on this host handed it in: what stands below is that program's word")
    yield from _about_way(origin.ip, trace.hops[: origin.hop + 1])


def _about_way(ip: str, way: Sequence[Hop]) -> Iterator[Objection]:
    """From our host down to the line that names the address, each line must be believed and the next one's writer."""
    if any(hop.trust not in BELIEVED for hop in way):
        yield Objection("broken-chain", f"a line above the one that names {ip} is not believed")
    handovers = [hop for hop in way if hop.received.ip is not None]  # not qmail's "invoked by uid", no scanner's remark
    for newer, older in pairwise(handovers):
        if not _wrote(newer, older):
            by = older.received.by or "nobody named"
            yield Objection("not-the-relay", f"the line of {by} was not written by the host that handed it over")


def _wrote(newer: Hop, older: Hop) -> bool:
    """Whether the host that handed over in `newer` is the one that says in `older` to have received.

    A declared forwarder that adds no line of its own would lend its credit to whatever stands on top; SpamCop's chain
    test asks the same.
    """
    relay, line = newer.received, older.received
    if relay.ip is None or line.by is None:
        return False
    if scope(relay.ip) is Scope.LOOPBACK:  # a filter beside the server that wrote both lines
        return same_host(line.by, relay.by)
    return relay.ip in (line.by, line.by_ip) or any(same_owner(line.by, name) for name in (relay.rdns, relay.helo))


def _names(record: MessageRecord, facts: AddressFacts | None) -> frozenset[str]:
    """The names that looked up belong to the origin. What a client calls itself is not among them."""
    origin = record.trace.origin
    hop = record.trace.hops[origin.hop] if origin.hop is not None and origin.hop < len(record.trace.hops) else None
    given = (origin.name, hop.received.rdns if hop else None, facts.name if facts else None)
    return frozenset(name for name in map(_canonical, given) if name)


def _canonical(name: str | None) -> str | None:
    return canonical(name) if name else None


def _about_address(ip: str, names: Iterable[str], court: Judge) -> Iterator[Objection]:
    try:
        parsed = ipaddress.ip_address(ip)
    except ValueError:
        yield Objection("no-address", "what the line names is no address")
        return
    outside = parsed.version == _V6_UNICAST.version and parsed not in _V6_UNICAST
    translated = outside or any(parsed in network for network in _TRANSLATED)
    if scope(ip) is not Scope.GLOBAL or not parsed.is_global or parsed.is_multicast or translated:
        yield Objection("special", f"{ip} is private, reserved or a translator's: nobody in the world answers for it")
    declared = (
        ("own-network", court.site.trusted, "one of the site's own or trusted hosts"),
        ("own-network", court.site.internal, "one of the site's own hosts"),
        ("own-network", court.site.msas, "one of the site's submission hosts"),
        ("forwarder", court.site.forwarders, "a declared forwarder"),
        ("list-host", court.site.lists, "a declared mailing-list host"),
        ("muted", court.never, "muted in [abuse] never_report"),
        ("muted", court.muted, "muted by a person: `hoptrail abuse mute` says why"),
    )
    for code, hosts, meaning in declared:
        if any(hosts.has(ip, name) for name in (None, *names)):
            yield Objection(code, f"{ip} is {meaning}")


def _about_names(record: MessageRecord, names: Iterable[str], court: Judge) -> Iterator[Objection]:
    of_recipients = {address.rpartition("@")[2].strip("<> ").lower() for address in record.recipients}
    for name in names:
        if court.site.is_own_name(name):
            yield Objection("own-name", f"{name} is one of the site's own names")
        if any(same_owner(name, domain) for domain in of_recipients):
            yield Objection("recipient-domain", f"{name} lies in a recipient's own domain")


def _about_allow_lists(facts: AddressFacts | None) -> Iterator[Objection]:
    for result in facts.zones if facts else ():
        dnswl = result.zone.lower().rstrip(".").endswith(DNSWL)
        if result.verdict == "allowed" and (not dnswl or _level(result.codes) >= DNSWL_MEDIUM):
            yield Objection("allow-listed", f"{result.zone} vouches for {facts.ip if facts else 'the address'}")
        if dnswl and result.verdict in ("error", "late", "paused"):
            yield Objection(
                "allow-list-unanswered", f"{result.zone} could not be asked whether it vouches for the address"
            )


def _level(codes: Iterable[str]) -> int:
    """The highest level among dnswl.org's answers 127.0.CATEGORY.LEVEL; what is not of that shape counts as high."""
    last = [code.rpartition(".")[2] for code in codes]
    return max((int(text) if text.isdigit() else 3 for text in last), default=3)


def _about_message(record: MessageRecord) -> Iterator[Objection]:
    """Mail that others passed on: the host that handed it over is not where it came from."""
    if record.envelope_from is not None and record.envelope_from.strip("<> ") == "":
        yield Objection("bounce", "an empty envelope sender: most likely a notice about somebody else's mail")
    if _SRS.match(record.envelope_from or ""):
        yield Objection("forwarded", "the envelope sender was rewritten (SRS) by a host that forwards mail")
    if record.evidence is None:
        yield Objection("unseen", "the message was not kept: it could have passed a mailing list or a forwarder")
        return
    header = _HEADER_END.split(record.evidence, maxsplit=1)[0]
    header = b"\n".join((header, *(name + b": " + value for name, value in record.fields)))
    if _FORWARD_FIELDS.search(header):
        yield Objection("forwarded", "the message says that somebody forwarded it")
    if _LIST_FIELDS.search(header):
        yield Objection("mailing-list", "the message has the fields of a mailing list")
