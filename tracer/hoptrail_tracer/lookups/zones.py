"""The DNS lists Hoptrail knows: which codes each gives, what they mean and weigh, and which lists are dead.

A code that stands in no row is never taken as a listing: lists have answered with anything when their domain lapsed.
"""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from hoptrail_tracer.model import ZoneResult

MAX_ZONES = 24  # each is a question per address; more would make one message a burden to its resolver

HOST_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_](?:[a-z0-9_-]{0,62}))+", re.IGNORECASE)
RANGE = re.compile(r"(\d{1,3})(?:-(\d{1,3}))?|\*")


@dataclass(frozen=True, slots=True)
class Code:
    """What the codes of one pattern mean. An octet is a number, a range `10-12` or `*` for any but 255.

    `weight` lies in -1..1: how strongly it speaks against (above 0) or for (below) the address. `connecting` codes
    count only for the host that connects to one's own relay: they list home networks, whose hosts may well submit mail.
    """

    pattern: str
    verdict: Literal["listed", "allowed", "neutral"]
    weight: float
    text: str
    connecting: bool = False

    def matches(self, code: str) -> bool:
        """Whether a dotted quad falls under the pattern."""
        pairs = zip(self.pattern.split("."), code.split("."), strict=True)
        return all(_in_range(wanted, octet) for wanted, octet in pairs)


@dataclass(frozen=True, slots=True)
class Zone:
    """One DNS list. `domain` is what is asked; `name` is what is shown, which leaves out a customer's key."""

    name: str
    codes: tuple[Code, ...]
    faults: tuple[Code, ...] = ()  # codes that mean "you may not ask", never anything about the address
    v6: bool = True
    test_entry: bool = True  # holds 127.0.0.2, as RFC 5782 wants
    domain: str = ""

    def meaning(self, code: str) -> Code | None:
        """Return what a code means, or None where it is not known."""
        return next((known for known in self.codes if known.matches(code)), None)

    def fault(self, code: str) -> str | None:
        """Return what is wrong with our asking, where a code says so."""
        return next((known.text for known in self.faults if known.matches(code)), None)


def _in_range(pattern: str, octet: str) -> bool:
    if pattern == "*":
        return octet != "255"
    first, _, last = pattern.partition("-")
    return int(first) <= int(octet) <= int(last or first)


SPAMHAUS_FAULTS = (
    Code("127.255.255.252", "neutral", 0, "the zone's name is mistyped"),
    Code("127.255.255.254", "neutral", 0, "asked through a public resolver: use your own"),
    Code("127.255.255.255", "neutral", 0, "over quota: too many questions"),
)
ZEN = Zone(
    "zen.spamhaus.org",
    (
        Code("127.0.0.2", "listed", 0.9, "SBL: a source of spam"),
        Code("127.0.0.3", "listed", 0.7, "CSS: a source of low-reputation mail"),
        Code("127.0.0.4-7", "listed", 0.8, "XBL: an infected or exploited host", connecting=True),
        Code("127.0.0.9", "listed", 1.0, "DROP: a network taken over or run for spam"),
        Code("127.0.0.10-11", "listed", 0.4, "PBL: should not send mail directly", connecting=True),
        Code("127.0.0.30", "listed", 0.9, "BCL: controls a botnet"),
    ),
    SPAMHAUS_FAULTS,
)
KNOWN = (
    ZEN,
    Zone("bl.spamcop.net", (Code("127.0.0.2", "listed", 0.5, "reported by SpamCop's users"),), v6=False),
    Zone("psbl.surriel.com", (Code("127.0.0.2", "listed", 0.3, "sent to a spam trap"),), v6=False),
    Zone("dnsbl-1.uceprotect.net", (Code("127.0.0.2", "listed", 0.2, "sent to a spam trap"),), v6=False),
    Zone("b.barracudacentral.org", (Code("127.0.0.2", "listed", 0.5, "poor reputation at Barracuda"),), v6=False),
    Zone(
        "rep.mailspike.net",
        (
            Code("127.0.0.10", "listed", 0.7, "worst reputation"),
            Code("127.0.0.11", "listed", 0.6, "very bad reputation"),
            Code("127.0.0.12", "listed", 0.5, "bad reputation"),
            Code("127.0.0.13-16", "neutral", 0, "no marked reputation"),
            Code("127.0.0.17-18", "allowed", -0.3, "good reputation"),
            Code("127.0.0.19-20", "allowed", -0.5, "very good reputation"),
        ),
        v6=False,
        test_entry=False,  # it documents none
    ),
    Zone(
        "list.dnswl.org",
        (
            Code("127.0.*.0", "neutral", 0, "known, but not vouched for"),
            Code("127.0.*.1", "allowed", -0.3, "low trust: spam is rare"),
            Code("127.0.*.2", "allowed", -0.6, "medium trust: spam is very rare"),
            Code("127.0.*.3", "allowed", -1.0, "high trust: never sends spam"),
        ),
        (Code("127.0.0.255", "neutral", 0, "over quota or asked through a public resolver"),),
    ),
)
BY_NAME = {zone.name: zone for zone in KNOWN}

# Spamhaus' own resolvers for its customers: KEY.zen.dq.spamhaus.net gives the codes of zen.
KEYED = {".zen.dq.spamhaus.net": ZEN}

# The domain of a list that no longer works, and what became of it.
DEAD = {
    "sorbs.net": "shut down in 2024",
    "njabl.org": "shut down in 2013",
    "ahbl.org": "answered everything as listed from 2015 on",
    "dul.ru": "is gone",
    "dnsbl.manitu.net": "is gone: NiX Spam was shut down",
    "bl.manitu.net": "is gone: NiX Spam was shut down",
    "wpbl.info": "is gone",
    "inps.de": "is gone",
    "dnsbl.bit.nl": "is gone",
    "virbl.bit.nl": "is gone",
    "spamcannibal.org": "is gone, and answered everything as listed in 2018",
    "abuseat.org": "is part of zen.spamhaus.org now",
}


def parse_zone(text: str) -> Zone:
    """Return the list that one entry of `zones` names: a known one, or `domain=codes` for any other.

    ValueError, with what to write instead, for a dead list, a bad name, a bad code, or none for a list not known here:
    what its answers mean cannot be guessed.
    """
    domain, equals, codes = text.strip().lower().rstrip(".").partition("=")
    if not HOST_NAME.fullmatch(domain):
        raise ValueError(f"{text!r} is not the name of a DNS list: write it as in 'zen.spamhaus.org'")
    for dead, fate in DEAD.items():
        if domain == dead or domain.endswith("." + dead):
            raise ValueError(f"the list {domain} {fate}: take it out")
    known = BY_NAME.get(domain) or next((zone for end, zone in KEYED.items() if domain.endswith(end)), None)
    if known is not None and not equals:
        return replace(known, domain=domain)
    if not equals:
        near = difflib.get_close_matches(domain, BY_NAME, n=1)
        hint = f"did you mean {near[0]}? Else write" if near else "write"
        raise ValueError(f"{domain} is no list that Hoptrail knows: {hint} its codes too, as in '{domain}=127.0.0.2'")
    listed = tuple(Code(_checked(code.strip(), text), "listed", 0.5, "listed") for code in codes.split(","))
    return Zone(domain, listed, domain=domain)


def _checked(pattern: str, entry: str) -> str:
    octets = pattern.split(".")
    shape = [RANGE.fullmatch(octet) for octet in octets]
    numbers = [int(number) for match in shape if match for number in match.groups() if number]
    if len(octets) != 4 or octets[0] != "127" or not all(shape) or max(numbers) > 255:  # noqa: PLR2004 - a dotted quad
        raise ValueError(f"{pattern!r} in {entry!r} is not a code of a DNS list: write 'name=127.0.0.2,127.0.0.4-8'")
    return pattern


def parse_zones(texts: Iterable[str]) -> tuple[Zone, ...]:
    """Return the lists in the order configured, each once. ValueError as `parse_zone`, or where there are too many."""
    zones = {zone.name: zone for zone in map(parse_zone, texts)}
    if len(zones) > MAX_ZONES:
        raise ValueError(f"{len(zones)} DNS lists are too many: each is a question per message, keep to {MAX_ZONES}")
    return tuple(zones.values())


def weigh(result: ZoneResult) -> float:
    """Return how strongly a result speaks against (above 0) or for (below 0) its address, in -1..1.

    Only `listed` and `allowed` weigh anything; of several codes the strongest counts.
    """
    if result.verdict not in ("listed", "allowed"):
        return 0.0
    known = BY_NAME.get(result.zone)
    if known is None:
        return 0.5
    meanings = [meaning for code in result.codes if (meaning := known.meaning(code))]
    return max((meaning.weight for meaning in meanings if meaning.verdict == result.verdict), key=abs, default=0.0)
