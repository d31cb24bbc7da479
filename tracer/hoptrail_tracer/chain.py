"""A chain of Received lines in, a `Trace` out: what each hop is worth, where the mail came from, what is wrong.

No I/O and no clock of its own. Malformed mail raises nothing; only what the site declared can be refused (SiteError).
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from itertools import accumulate

from hoptrail_tracer import evidence, judgement
from hoptrail_tracer.drafts import draft_of
from hoptrail_tracer.evidence import Evidence
from hoptrail_tracer.history import History
from hoptrail_tracer.model import Connection, Hop, Kind, Received, Trace, Trust
from hoptrail_tracer.names import same_host
from hoptrail_tracer.origin import find_deeper, find_origin
from hoptrail_tracer.received import LONGEST_LINE, parse
from hoptrail_tracer.received.address import canonical
from hoptrail_tracer.rules import Rule
from hoptrail_tracer.settings import SiteSettings
from hoptrail_tracer.sitematch import compile_site
from hoptrail_tracer.trust import Walk, walk

_UNDECLARED = SiteSettings()
_NOTHING_DECLARED = compile_site(_UNDECLARED)
_HopDraft, _TraceDraft = draft_of(Hop), draft_of(Trace)

MAX_LINES = 1000
"""MTAs give up at 25 to 100 hops and the longest honest chain seen has 34 lines: what stands below is made up."""

MAX_CHARACTERS = 262_144
"""Of all lines of a chain together. The longest honest chain takes less than 40,000; of lines made to cost time, this
many cost half a second."""


def trace(
    received: Sequence[str],
    *,
    connection: Connection | None = None,
    site: SiteSettings = _UNDECLARED,
    fields: Sequence[tuple[str, str]] = (),
    history: History | None = None,
    now: datetime | None = None,
) -> Trace:
    """The judged chain of one message, newest hop first.

    `received` are the values of its Received fields from the top. `connection` is what our own MTA saw of the client
    that delivered it. `fields` are all header fields from the top, for the evidence beside Received; where the
    Received fields are not among them, none counts as added by a host of ours. `now` bounds the dates; without it
    the newest believed line does. Raises SiteError where the site's declarations cannot be read.
    """
    declared = compile_site(site) if site is not _UNDECLARED else _NOTHING_DECLARED
    if connection is not None and (ip := canonical(connection.ip) if connection.ip else None) != connection.ip:
        connection = replace(connection, ip=ip)
    lines = list(map(parse, _bounded(received)))
    own = connection is not None and not _records(lines, connection)
    first_line = 1 if own else 0
    hops = [_own_hop(connection), *lines] if own and connection is not None else lines
    texts: list[str | None] = [None, *received] if own else list(received)
    if connection is not None and not own:
        hops[0], texts[0] = _confirmed(hops[0], connection), None
    walked = walk(hops, texts, declared, observed=connection is not None)
    cut = len(received) - len(lines)
    whole = walked.end is None and declared.declared and not (walked.picked_up or cut)
    found: tuple[Evidence, ...] = ()
    if fields:
        found = evidence.read_believed(fields, received, lines_believed=walked.believed - first_line, whole=whole)
    synthetic = _synthetic(found, walked, hops, whole=whole) if found else None
    dates_s, delays_s = _times(hops)
    trusts, anomalies, reasons = judgement.judge(
        hops, texts, dates_s, walked, declared, lines_left_out=cut, history=history, now=now
    )
    judged = _judged(hops, trusts, delays_s, reasons, first_line)
    if synthetic is not None:
        judged.append(_synthetic_hop(*synthetic))
    origin = find_origin(
        judged,
        walked,
        declared,
        anomalies,
        synthetic=synthetic[0] if synthetic is not None else None,
        agreed=bool(found) and walked.source is not None and hops[walked.source].ip in {item.ip for item in found},
    )
    deeper = find_deeper(judged, origin, anomalies) if synthetic is None else None
    draft = _TraceDraft(tuple(judged), origin, tuple(anomalies), deeper, not declared.declared)
    draft.__class__ = Trace
    return draft


def _bounded(received: Sequence[str]) -> Sequence[str]:
    """The newest lines, within the bounds. A line too long to be read costs nothing and counts for nothing."""
    newest = received[:MAX_LINES]
    if sum(map(len, newest)) <= MAX_CHARACTERS:
        return newest
    ends = accumulate(len(text) if len(text) <= LONGEST_LINE else 0 for text in newest)
    return [text for text, end in zip(newest, ends, strict=True) if end <= MAX_CHARACTERS]


def _records(lines: Sequence[Received], connection: Connection) -> bool:
    """Whether the newest line already records this very connection."""
    if not lines or connection.ip is None or lines[0].ip != connection.ip:
        return False
    by = lines[0].by
    return by is None or connection.by is None or same_host(by, connection.by)


def _own_hop(connection: Connection | None) -> Received:
    assert connection is not None
    return Received(
        status="parsed",
        kind=Kind.SUBMISSION if connection.auth else Kind.RELAY,
        ip=connection.ip,
        port=connection.port,
        rdns=connection.rdns,
        helo=connection.helo,
        by=connection.by,
        id=connection.id,
        envelope_from=connection.envelope_from,
        auth=connection.auth,
        tls=connection.tls,
        date=connection.date,
    )


def _confirmed(line: Received, connection: Connection) -> Received:
    """The newest line with what the connection showed: a client that knows our name may have written the line."""
    return replace(
        line,
        rdns=connection.rdns,
        helo=connection.helo or line.helo,
        auth=connection.auth,
        kind=Kind.SUBMISSION if connection.auth else Kind.RELAY,
    )


def _judged(
    hops: Sequence[Received],
    trusts: Sequence[Trust],
    delays: Sequence[float | None],
    reasons: Sequence[tuple[str, ...]],
    first_line: int,
) -> list[Hop]:
    judged = []
    line = -first_line
    for hop, trust, delay, because in zip(hops, trusts, delays, reasons, strict=True):
        draft = _HopDraft(hop, trust, delay, because, line if line >= 0 else None)
        draft.__class__ = Hop
        judged.append(draft)
        line += 1
    return judged


def _times(hops: Sequence[Received]) -> tuple[list[float | None], list[float | None]]:
    """When each hop was, in seconds since 1970, and the seconds from the next older dated hop to it."""
    dates_s: list[float | None] = []
    delays_s: list[float | None] = []
    newer_index, newer_s = -1, 0.0
    for index, hop in enumerate(hops):
        delays_s.append(None)
        if hop.date is None:
            dates_s.append(None)
            continue
        date_s = hop.date.timestamp()
        dates_s.append(date_s)
        if newer_index >= 0:
            delay_s = newer_s - date_s
            delays_s[newer_index] = delay_s if delay_s.is_integer() else round(delay_s, 6)
        newer_index, newer_s = index, date_s
    return dates_s, delays_s


def _synthetic(
    found: Sequence[Evidence], walked: Walk, hops: Sequence[Received], *, whole: bool
) -> tuple[Rule, Evidence] | None:
    """A believed field that names the client where no believed line does: a user behind webmail, or a hidden one."""
    named = {hop.ip for hop in hops}
    users = [item for item in found if item.originating and item.ip not in named]
    clients = [item for item in found if not item.originating]
    if users and (whole or (walked.end is Rule.AUTHENTICATED and walked.source is None)):
        return Rule.ORIGINATING_FIELD, users[-1]
    if clients and walked.end in {Rule.UNREADABLE, Rule.NO_ADDRESS}:
        return Rule.CORROBORATED, clients[-1]
    return None


def _synthetic_hop(rule: Rule, item: Evidence) -> Hop:
    kind = Kind.HTTP if item.originating else Kind.RELAY
    reason = rule.says(f"{item.field}, which a believed host added, names {item.ip}")
    return Hop(Received(status="parsed", kind=kind, reason=item.field, ip=item.ip), Trust.TRUSTED, reasons=(reason,))
