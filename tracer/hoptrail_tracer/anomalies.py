"""What is wrong with a chain: each thing with a stable code, its weight, and a sentence for a person.

Each finding may accuse a line: speak against whoever wrote it. What a client calls itself, say, accuses the lines that
it brought along. Honest mail has many small faults, so a weight says how seldom honest mail has this one
(docs/tracing.md, "Anomalies", with the rates measured).
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

from hoptrail_tracer import fingerprint
from hoptrail_tracer.addresses import Scope, address, near, scope
from hoptrail_tracer.model import Kind, Received
from hoptrail_tracer.names import canonical, is_localhost, is_qualified, same_host, same_label, same_owner
from hoptrail_tracer.sitematch import Site

WEIGHTS = {
    "by-mismatch": 0.10,
    "chain-break": 0.40,
    "chain-cut": 0.30,
    "clock-skew": 0.05,
    "copied-line": 0.70,
    "date-backwards": 0.40,
    "date-future": 0.70,
    "date-impossible": 0.60,
    "date-past": 0.10,
    "duplicate-line": 0.30,
    "helo-own": 0.40,
    "id-shape": 0.50,
    "id-time": 0.70,
    "impossible-address": 0.80,
    "line-shape": 0.40,
    "link-skew": 0.30,
    "long-chain": 0.20,
    "loop": 0.30,
    "numeric-helo": 0.20,
    "private-address": 0.20,
    "single-received": 0.10,
    "unseen-link": 0.30,
    "unseen-shape": 0.50,
    "unreadable": 0.10,
}
"""Every code with its weight: 0 would say nothing, 1 would be proof."""

SKEW = timedelta(minutes=5)
"""Clocks without NTP drift by seconds a day; past five minutes somebody would have noticed."""

ZONE_ERROR = timedelta(hours=15)
"""The widest mistake that a wrong zone or a clock set to local time makes: UTC-12 to UTC+14, rounded."""

FUTURE = timedelta(days=2)
FIRST_YEAR = 1982
"""Received fields began with RFC 822."""

LONG_IN_QUEUE = timedelta(days=30)
"""MTAs give up after 5 days; lists and people hold mail for weeks."""

ID_TIME = timedelta(days=1, hours=2)
"""An id is made when the message begins to arrive, by the clock that dates the line; a day covers every wrong zone."""

LONG_CHAIN = 50
"""Postfix's hopcount_limit; no MTA passes on more by default."""

_NEAR_BITS = {"v4_bits": 24, "v6_bits": 48}
_NUMERIC_HELO_BITS = {"v4_bits": 16, "v6_bits": 32}


class Finding(NamedTuple):
    """One anomaly at a hop. `accuses` is the index of the line that it speaks against, None where it accuses nobody."""

    code: str
    text: str
    hop: int | None = None
    accuses: int | None = None

    @property
    def weight(self) -> float:
        """How much this says."""
        return WEIGHTS[self.code]


def find(
    hops: Sequence[Received], site: Site, *, believed: int, lines_left_out: int, now: datetime | None
) -> list[Finding]:
    """All that is wrong with a chain, from its lines alone. `believed` hops from the top were written by our own."""
    found: list[Finding] = []
    readable = [(index, hop) for index, hop in enumerate(hops) if hop.status == "parsed"]
    for index, hop in readable:
        found += _at_line(index, hop)
        if hop.helo != hop.rdns:  # whoever calls itself by its own name says nothing of interest
            found += _at_client(index, hop, site, believed=believed)
    for (newer_index, newer), (index, older) in pairwise(readable):
        if newer.kind is not Kind.FETCH and not _continues(newer, older):
            found += _between(newer_index, newer, index, older)
    found += _dates(hops, believed, now)
    found += _duplicates(readable)
    found += _loops(readable)
    found += _whole(hops, readable, lines_left_out)
    return found


def _at_line(index: int, hop: Received) -> list[Finding]:
    """What one line shows about whoever wrote it."""
    found = []
    if scope(hop.ip) is Scope.RESERVED:
        found.append(Finding("impossible-address", f"no host can have the address {hop.ip}", index, index))
    fits, made = fingerprint.read_id(hop)
    if fits is False:
        found.append(Finding("id-shape", f"{hop.software} does not make queue ids like {hop.id}", index, index))
    if fingerprint.protocol_fits(hop) is False:
        found.append(Finding("line-shape", f"{hop.software} does not write 'with {hop.protocol}'", index, index))
    if made is not None and hop.date is not None and abs(made - hop.date) > ID_TIME:
        text = f"the queue id {hop.id} was made on {made:%Y-%m-%d}, yet the line is dated {hop.date:%Y-%m-%d}"
        found.append(Finding("id-time", text, index, index))
    return found


def _at_client(index: int, hop: Received, site: Site, *, believed: int) -> Iterator[Finding]:
    """What a line shows about its client, and so about the lines that the client brought along."""
    if hop.helo is None or scope(hop.ip) is not Scope.GLOBAL or hop.ip == hop.by_ip:
        return
    brought = index + 1
    literal = address(hop.helo.strip("[]").removeprefix("IPv6:")) if hop.helo[-1:] in _DIGIT_OR_BRACKET else None
    if literal is not None:
        if hop.by_ip is not None and literal == address(hop.by_ip):
            yield Finding("helo-own", f"{hop.ip} called itself by the receiver's address {hop.helo}", index, brought)
        elif literal.scope is Scope.GLOBAL and not near(hop.ip, hop.helo.strip("[]"), **_NUMERIC_HELO_BITS):
            yield Finding(
                "numeric-helo", f"{hop.ip} called itself {hop.helo}, far from its own address", index, brought
            )
        return
    if near(hop.ip, hop.by_ip, **_NEAR_BITS) or not is_qualified(hop.helo) or same_owner(hop.helo, hop.rdns):
        return
    at_our_border = index == believed - 1
    if canonical(hop.helo) == canonical(hop.by or "") or (at_our_border and site.is_own_name(hop.helo)):
        yield Finding("helo-own", f"{hop.ip} called itself by the receiver's name {hop.helo}", index, brought)


def _between(newer_index: int, newer: Received, index: int, older: Received) -> Iterator[Finding]:
    """What two lines that do not continue each other show about the older."""
    client = scope(newer.ip)
    if older.by is None or client is None or client is Scope.LOOPBACK:
        return
    if client is Scope.PRIVATE:
        if same_owner(older.by, newer.by) or not is_qualified(newer.by):
            return
        text = (
            f"{newer.ip} is an address inside the network of {newer.by}, and {older.by} cannot have delivered from it"
        )
        yield Finding("private-address", text, index, index)
        return
    named = newer.rdns or newer.helo or newer.ip
    text = f"the line says it was written by {older.by}, but {named} [{newer.ip}] delivered it to {newer.by}"
    own = older.by_ip or (older.by if address(older.by) is not None else None)
    if scope(own) is Scope.GLOBAL and not near(own, newer.ip, **_NEAR_BITS):
        yield Finding("chain-break", text, index, index)
    elif newer_index == index - 1:
        yield Finding("by-mismatch", text, index, index)


def _continues(newer: Received, older: Received) -> bool:
    """Whether the writer of the older line can be the client of the newer one."""
    by = older.by
    if by is None or by == newer.rdns or (older.by_ip is not None and older.by_ip == newer.ip):
        return True
    if is_localhost(by) or not (is_qualified(by) or address(by) is not None):
        return True
    if by == newer.ip or same_host(by, newer.by):
        return True
    rdns, helo = newer.rdns, newer.helo
    return same_owner(by, rdns) or same_owner(by, helo) or same_label(by, rdns) or same_label(by, helo)


def _dates(hops: Sequence[Received], believed: int, now: datetime | None) -> Iterator[Finding]:
    """Dates that run backwards, or stand far from the time of the newest believed line."""
    dated = [(index, hop.date) for index, hop in enumerate(hops) if hop.date is not None]
    if not dated:
        return
    reference = now if now is not None else dated[0][1]
    for index, date in dated:
        ahead = date - reference
        if ahead > FUTURE:
            text = f"the line is dated {date:%Y-%m-%d}, {ahead.days} days after the mail arrived"
            yield Finding("date-future", text, index, index)
        elif date.year < FIRST_YEAR:
            yield Finding("date-impossible", f"the line is dated in the year {date.year}", index, index)
        elif index >= believed and -ahead > LONG_IN_QUEUE:
            text = f"the line is dated {date:%Y-%m-%d}, {(-ahead).days} days before the mail arrived"
            yield Finding("date-past", text, index, index)
    for (_, newer), (index, older) in pairwise(dated):
        back = older - newer
        if SKEW < back <= FUTURE:
            code = "clock-skew" if back <= ZONE_ERROR else "date-backwards"
            yield Finding(code, f"dated {back} after the next newer line", index, index)


def _duplicates(readable: Sequence[tuple[int, Received]]) -> Iterator[Finding]:
    """Lines that stand there twice, of one id and second. In a row some providers write them, elsewhere nobody does."""
    ids = [hop.id for _, hop in readable if hop.id is not None]
    if len(set(ids)) == len(ids):
        return
    seen: dict[tuple[object, ...], int] = {}
    for position, (index, hop) in enumerate(readable):
        if hop.id is None or hop.date is None:
            continue
        first = seen.setdefault((hop.id, hop.date, hop.by, hop.ip, hop.helo), position)
        if first != position:
            code = "duplicate-line" if first == position - 1 else "copied-line"
            yield Finding(code, f"the same line as at hop {readable[first][0]}", index, index)


def _loops(readable: Sequence[tuple[int, Received]]) -> Iterator[Finding]:
    """Links that the mail passed twice, with another host between."""
    ips = [hop.ip for _, hop in readable if hop.ip is not None]
    if len(set(ips)) == len(ips):
        return
    last: dict[tuple[str, str], int] = {}
    for position, (index, hop) in enumerate(readable):
        by = canonical(hop.by) if hop.by else None
        if by is None or scope(hop.ip) is not Scope.GLOBAL:
            continue
        link = (hop.ip or "", by)
        before = last.get(link)
        if before is not None and any(canonical(other.by or "") != by for _, other in readable[before + 1 : position]):
            yield Finding("loop", f"the mail came from {hop.ip} to {hop.by} more than once", index)
        last[link] = position


def _whole(
    hops: Sequence[Received], readable: Sequence[tuple[int, Received]], lines_left_out: int
) -> Iterator[Finding]:
    """What the chain as a whole shows."""
    for index, hop in enumerate(hops):
        if hop.status == "unparseable":
            yield Finding("unreadable", "the line cannot be read", index)
    if lines_left_out:
        yield Finding("chain-cut", f"{lines_left_out} older lines were not looked at")
    elif len(readable) > LONG_CHAIN:
        yield Finding("long-chain", f"{len(readable)} hops: no MTA passes on so many")
    if len(readable) == 1 and readable[0][0] == len(hops) - 1:
        only = readable[0][1]
        if scope(only.ip) is Scope.GLOBAL and only.auth is None and only.kind is Kind.RELAY:
            yield Finding("single-received", f"{only.ip} delivered the mail, and no line says how it came there")


_DIGIT_OR_BRACKET = frozenset("0123456789]")
