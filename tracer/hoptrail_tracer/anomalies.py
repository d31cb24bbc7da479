"""What is wrong with a chain: each thing with a stable code, its weight, and a sentence for a person.

Each finding may accuse a line: speak against whoever wrote it. What a client calls itself, say, accuses the lines that
it brought along. Honest mail has many small faults, so a weight says how seldom honest mail has this one
(docs/tracing.md, "Anomalies", with the rates measured).
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from hoptrail_tracer import fingerprint
from hoptrail_tracer.addresses import Scope, address, near, scope
from hoptrail_tracer.model import Kind, Received
from hoptrail_tracer.names import (
    canonical,
    is_localhost,
    is_qualified,
    registrable,
    same_host,
    same_label,
    same_owner,
)
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

DAY_S = 24 * 3600

SKEW_S = 5 * 60
"""Clocks without NTP drift by seconds a day; past five minutes somebody would have noticed."""

ZONE_ERROR_S = 15 * 3600
"""The widest mistake that a wrong zone or a clock set to local time makes: UTC-12 to UTC+14, rounded."""

FUTURE_S = 2 * DAY_S
FIRST_DATE_S = 378_691_200  # 1982-01-01
"""Received fields began with RFC 822."""

LONG_IN_QUEUE_S = 30 * DAY_S
"""MTAs give up after 5 days; lists and people hold mail for weeks."""

ID_TIME_S = 26 * 3600
"""An id is made when the message begins to arrive, by the clock that dates the line; a day covers every wrong zone."""

LONG_CHAIN = 50
"""Postfix's hopcount_limit; no MTA passes on more by default."""

_NEAR_V4_BITS, _NEAR_V6_BITS = 24, 48

# Before Python 3.12 a member costs thirty nanoseconds wherever it is read from its class.
_GLOBAL, _PRIVATE, _LOOPBACK, _RESERVED = Scope.GLOBAL, Scope.PRIVATE, Scope.LOOPBACK, Scope.RESERVED
_FETCH = Kind.FETCH


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
    hops: Sequence[Received],
    dates_s: Sequence[float | None],
    site: Site,
    *,
    believed: int,
    lines_left_out: int,
    now_s: float | None,
) -> list[Finding]:
    """All that is wrong with a chain, from its lines alone. `believed` hops from the top were written by our own.

    `dates_s` and `now_s` in seconds since 1970.
    """
    found: list[Finding] = []
    readable: list[tuple[int, Received]] = []
    ids, ips = [], []
    newer_index, newer = -1, None
    for index, hop in enumerate(hops):
        if hop.status != "parsed":
            continue
        readable.append((index, hop))
        if hop.id is not None:
            ids.append(hop.id)
        where = scope(hop.ip)
        if where is _GLOBAL:
            ips.append(hop.ip)
        elif where is _RESERVED:
            found.append(Finding("impossible-address", f"no host can have the address {hop.ip}", index, index))
        _at_writer(found, index, hop, dates_s[index])
        if hop.helo is not None and hop.helo != hop.rdns:  # its own name says nothing of interest
            _at_client(found, index, hop, hop.helo, site, at_our_border=index == believed - 1)
        if newer is not None and newer.kind is not _FETCH and not _continues(newer, hop):
            _between(found, newer_index, newer, index, hop)
        newer_index, newer = index, hop
    _dates(found, dates_s, hops, believed, now_s)
    if len(set(ids)) < len(ids):
        found += _duplicates(readable)
    if len(set(ips)) < len(ips):
        found += _loops(readable)
    return found + _whole(hops, readable, lines_left_out)


def _at_writer(found: list[Finding], index: int, hop: Received, date_s: float | None) -> None:
    """What a line shows about whoever wrote it."""
    mark, protocol = fingerprint.mark_of(hop.software), hop.protocol
    fits, made_s = fingerprint.read_id(hop, mark)
    if fits is False:
        found.append(Finding("id-shape", f"{hop.software} does not make queue ids like {hop.id}", index, index))
    if mark is not None and mark.spells is not None and protocol is not None and not mark.spells(protocol):
        found.append(Finding("line-shape", f"{hop.software} does not write 'with {protocol}'", index, index))
    if made_s is not None and date_s is not None and abs(made_s - date_s) > ID_TIME_S and hop.date is not None:
        made = datetime.fromtimestamp(made_s, UTC)
        text = f"the queue id {hop.id} was made on {made.date()}, yet the line is dated {hop.date.date()}"
        found.append(Finding("id-time", text, index, index))


def _at_client(found: list[Finding], index: int, hop: Received, helo: str, site: Site, *, at_our_border: bool) -> None:
    """What a line shows about its client, and so about the lines that the client brought along."""
    brought = index + 1
    literal = address(helo.strip("[]").removeprefix("IPv6:")) if helo[-1:] in _DIGIT_OR_BRACKET else None
    if literal is None:
        is_receiver = (hop.by is not None and _same_text(helo, hop.by)) or (at_our_border and site.is_own_name(helo))
        if not is_receiver or not is_qualified(helo) or same_owner(helo, hop.rdns) or _is_at_home(hop):
            return
        text = f"{hop.ip} called itself by the receiver's name {helo}"
        found.append(Finding("helo-own", text, index, brought))
    elif scope(hop.ip) is not _GLOBAL or hop.ip == hop.by_ip:
        return
    elif hop.by_ip is not None and literal == address(hop.by_ip):
        text = f"{hop.ip} called itself by the receiver's address {helo}"
        found.append(Finding("helo-own", text, index, brought))
    elif literal.scope is _GLOBAL and not near(hop.ip, helo.strip("[]"), v4_bits=16, v6_bits=32):
        text = f"{hop.ip} called itself {helo}, far from its own address"
        found.append(Finding("numeric-helo", text, index, brought))


def _same_text(one: str, other: str) -> bool:
    """Whether two names are spelt alike: most are not, and to look either up would take longer."""
    if len(one) == len(other):
        return one.lower() == other.lower()
    return abs(len(one) - len(other)) <= len("[.]") and one.strip("[].").lower() == other.strip("[].").lower()


def _is_at_home(hop: Received) -> bool:
    """Whether a client has no address in the world, or stands beside the host that wrote the line."""
    if scope(hop.ip) is not _GLOBAL:
        return True
    return hop.ip == hop.by_ip or near(hop.ip, hop.by_ip, v4_bits=_NEAR_V4_BITS, v6_bits=_NEAR_V6_BITS)


def _between(found: list[Finding], newer_index: int, newer: Received, index: int, older: Received) -> None:
    """What two lines that do not continue each other show about the older."""
    client = scope(newer.ip)
    if older.by is None or client is None or client is _LOOPBACK:
        return
    if client is _PRIVATE:
        if same_owner(older.by, newer.by) or not is_qualified(newer.by):
            return
        text = (
            f"{newer.ip} is an address inside the network of {newer.by}, and {older.by} cannot have delivered from it"
        )
        found.append(Finding("private-address", text, index, index))
        return
    named = newer.rdns or newer.helo or newer.ip
    text = f"the line says it was written by {older.by}, but {named} [{newer.ip}] delivered it to {newer.by}"
    own = older.by_ip or (older.by if address(older.by) is not None else None)
    if scope(own) is _GLOBAL and not near(own, newer.ip, v4_bits=_NEAR_V4_BITS, v6_bits=_NEAR_V6_BITS):
        found.append(Finding("chain-break", text, index, index))
    elif newer_index == index - 1:
        found.append(Finding("by-mismatch", text, index, index))


def _continues(newer: Received, older: Received) -> bool:
    """Whether the writer of the older line can be the client of the newer one."""
    by, rdns, helo = older.by, newer.rdns, newer.helo
    if by is None or by in (rdns, helo, newer.ip) or (older.by_ip is not None and older.by_ip == newer.ip):
        return True
    owner = registrable(by)
    if owner is None:
        if is_localhost(by) or address(by) is None or same_owner(by, rdns) or same_owner(by, helo):
            return True
    elif (rdns and owner == registrable(rdns)) or (helo and owner == registrable(helo)) or is_localhost(by):
        return True
    return same_host(by, newer.by) or same_label(by, rdns) or same_label(by, helo)


def _dates(
    found: list[Finding],
    dates_s: Sequence[float | None],
    hops: Sequence[Received],
    believed: int,
    now_s: float | None,
) -> None:
    """Dates that run backwards, or stand far from the time of the newest believed line."""
    newer_s = None
    for index, date_s in enumerate(dates_s):
        if date_s is None:
            continue
        if now_s is None:
            now_s = date_s
        ahead_s = date_s - now_s
        if ahead_s > FUTURE_S or ahead_s < -LONG_IN_QUEUE_S or date_s < FIRST_DATE_S:
            found += _far(index, hops[index].date, ahead_s, believed=index < believed)
        if newer_s is not None and SKEW_S < (back_s := date_s - newer_s) <= FUTURE_S:
            code = "clock-skew" if back_s <= ZONE_ERROR_S else "date-backwards"
            found.append(Finding(code, f"dated {timedelta(seconds=back_s)} after the next newer line", index, index))
        newer_s = date_s


def _far(index: int, date: datetime | None, ahead_s: float, *, believed: bool) -> Iterator[Finding]:
    """What a date says that stands far from the time of arrival, or before there was mail."""
    assert date is not None  # since its seconds were looked at
    if ahead_s > FUTURE_S:
        text = f"the line is dated {date.date()}, {ahead_s // DAY_S:.0f} days after the mail arrived"
        yield Finding("date-future", text, index, index)
    elif date.timestamp() < FIRST_DATE_S:
        yield Finding("date-impossible", f"the line is dated in the year {date.year}", index, index)
    elif not believed:
        text = f"the line is dated {date.date()}, {-ahead_s // DAY_S:.0f} days before the mail arrived"
        yield Finding("date-past", text, index, index)


def _duplicates(readable: Sequence[tuple[int, Received]]) -> Iterator[Finding]:
    """Lines that stand there twice, of one id and second. In a row some providers write them, elsewhere nobody does."""
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
    last: dict[tuple[str, str], int] = {}
    for position, (index, hop) in enumerate(readable):
        by = canonical(hop.by) if hop.by else None
        if by is None or scope(hop.ip) is not _GLOBAL:
            continue
        link = (hop.ip or "", by)
        before = last.get(link)
        if before is not None and any(canonical(other.by or "") != by for _, other in readable[before + 1 : position]):
            yield Finding("loop", f"the mail came from {hop.ip} to {hop.by} more than once", index)
        last[link] = position


def _whole(hops: Sequence[Received], readable: Sequence[tuple[int, Received]], lines_left_out: int) -> list[Finding]:
    """What the chain as a whole shows."""
    found = []
    if len(readable) < len(hops):
        for index, hop in enumerate(hops):
            if hop.status == "unparseable":
                found.append(Finding("unreadable", "the line cannot be read", index))
    if lines_left_out:
        found.append(Finding("chain-cut", f"{lines_left_out} older lines were not looked at"))
    elif len(readable) > LONG_CHAIN:
        found.append(Finding("long-chain", f"{len(readable)} hops: no MTA passes on so many"))
    if len(readable) == 1 and readable[0][0] == len(hops) - 1:
        only = readable[0][1]
        if scope(only.ip) is _GLOBAL and only.auth is None and only.kind is Kind.RELAY:
            text = f"{only.ip} delivered the mail, and no line says how it came there"
            found.append(Finding("single-received", text))
    return found


_DIGIT_OR_BRACKET = frozenset("0123456789]")
