"""The class of every hop: believed ones as the walk left them, those below by what speaks for and against them.

Below the first stranger every line could be invented. One is `vouched` while an unbroken run of believed or vouched
lines leads to it, each of which looked its client's name up, and the line is such as that client would write; it is
`forged` where what speaks against it adds up; everything else is `claimed`.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime

from hoptrail_tracer import anomalies, fingerprint
from hoptrail_tracer.anomalies import Finding
from hoptrail_tracer.drafts import draft_of
from hoptrail_tracer.history import NEW_RELAY, WELL_KNOWN_LINES, History
from hoptrail_tracer.model import Anomaly, Received, Trust
from hoptrail_tracer.names import canonical, is_qualified, same_owner
from hoptrail_tracer.rules import Rule
from hoptrail_tracer.sitematch import Site
from hoptrail_tracer.trust import Walk, confirmed_name

_AnomalyDraft = draft_of(Anomaly)

# Before Python 3.12 a member costs thirty nanoseconds wherever it is read from its class.
_OBSERVED, _TRUSTED, _VOUCHED = Trust.OBSERVED, Trust.TRUSTED, Trust.VOUCHED
_CLAIMED, _FORGED = Trust.CLAIMED, Trust.FORGED

PROOF = 0.7
"""Accusations that come to this together make a line `forged`. One weight alone reaches it only where no honest mail
was seen with it; together they count as independent: 1 - (1 - a)(1 - b)..."""

DOUBT = 0.2
"""Accusations that come to this keep a line from being vouched for."""

_ASKED = 64
"""Hops about which the history is asked: more no MTA passes on, and each is a look-up."""

_UNSUPPORTED: tuple[Trust, tuple[str, ...]] = (
    _CLAIMED,
    (Rule.BOUNDARY_ADDRESS.says("nothing that a believed host wrote speaks for this line"),),
)
_NOTHING: tuple[float, tuple[str, ...]] = (0.0, ())


def judge(
    hops: Sequence[Received],
    texts: Sequence[str | None],
    dates_s: Sequence[float | None],
    walked: Walk,
    site: Site,
    *,
    lines_left_out: int,
    history: History | None,
    now: datetime | None,
) -> tuple[list[Trust], list[Anomaly], list[tuple[str, ...]]]:
    """The class of each hop, what is wrong with the chain (strongest first), and each hop's reasons.

    `texts` are the lines that were read, None for a hop made from the connection; `dates_s` the dates of the hops in
    seconds since 1970.
    """
    now_s = now.timestamp() if now is not None else None
    found = anomalies.find(hops, dates_s, site, believed=walked.believed, lines_left_out=lines_left_out, now_s=now_s)
    arrived = None
    if history is not None:
        found += _from_history(hops, history)
        arrived = now or next((hop.date for hop in hops if hop.date is not None), None)
    accused = _accusations(found) if found else {}
    trusts = [_OBSERVED if walked.observed else _TRUSTED, *[_TRUSTED] * (walked.believed - 1)]
    del trusts[walked.believed :]
    reasons = list(walked.reasons)
    newer_index = walked.believed - 1
    while newer_index >= 0 and hops[newer_index].status != "parsed":
        newer_index -= 1
    unbroken = newer_index >= 0 and walked.end is not Rule.LOCAL_PICKUP
    for index in range(walked.believed, len(hops)):
        if not (unbroken or accused):
            left = len(hops) - index
            trusts += [_UNSUPPORTED[0]] * left
            reasons += [_UNSUPPORTED[1]] * left
            break
        hop = hops[index]
        against, codes = accused.get(index, _NOTHING)
        trust, because = _UNSUPPORTED
        if against >= PROOF:
            trust = _FORGED
            because = (Rule.CONTRADICTED.says(f"{', '.join(codes)} speak against this line"),)
        elif unbroken and hop.status == "parsed" and against < DOUBT:
            handed_in = walked.handed_in and index == walked.believed
            newer, text = hops[newer_index], texts[newer_index]
            trust, because = _vouch(newer, text, hop, history, arrived, handed_in=handed_in)
        if hop.status == "parsed":
            newer_index, unbroken = index, unbroken and trust is _VOUCHED
        trusts.append(trust)
        reasons.append(because)
    if len(found) > 1:
        found.sort(key=lambda finding: (-finding.weight, finding.hop if finding.hop is not None else -1))
    return trusts, list(map(_anomaly, found)), reasons


def _anomaly(finding: Finding) -> Anomaly:
    draft = _AnomalyDraft(finding.code, finding.text, finding.hop, finding.weight)
    draft.__class__ = Anomaly
    return draft


def _vouch(
    newer: Received,
    text: str | None,
    hop: Received,
    history: History | None,
    arrived: datetime | None,
    *,
    handed_in: bool,
) -> tuple[Trust, tuple[str, ...]]:
    """Whether a believed or vouched line, read from `text`, speaks for the next older one."""
    if handed_in and is_qualified(hop.by) and same_owner(hop.by, confirmed_name(newer, text) or newer.helo):
        return _VOUCHED, (Rule.AUTHENTICATED.says(f"written by the machine of a user of {newer.by}"),)
    if hop.by is None or not same_owner(hop.by, newer.rdns) or (name := confirmed_name(newer, text)) is None:
        return _UNSUPPORTED
    if history is not None:
        trust, reason = _vouch_by_history(name, hop, hop.by, history, arrived)
        return trust, (reason,)
    if fingerprint.id_fits(hop):
        return _VOUCHED, (Rule.CHAIN_TEST.says(f"{name} delivered it, and {hop.software} writes such lines"),)
    return _CLAIMED, (Rule.CHAIN_TEST.says(f"{name} delivered it, but nothing shows that it writes such lines"),)


def _vouch_by_history(
    name: str, hop: Received, by: str, history: History, arrived: datetime | None
) -> tuple[Trust, str]:
    """Whether the host that delivered a line was seen to write such lines, and for long enough."""
    seen = history.seen_shape(canonical(by) or by, fingerprint.shape(hop))
    if seen.since is None or (arrived is not None and arrived - seen.since < NEW_RELAY):
        return _CLAIMED, Rule.NEW_RELAY.says(f"{by} was not seen here until 48 hours ago")
    if not seen.count:
        return _CLAIMED, Rule.USUAL_SHAPE.says(f"{by} never wrote a line of this shape")
    return _VOUCHED, Rule.USUAL_SHAPE.says(f"{name} delivered it; {seen.count} of {seen.lines} lines looked so")


def _accusations(found: Sequence[Finding]) -> dict[int, tuple[float, tuple[str, ...]]]:
    """For each accused line how much speaks against it, and by which codes."""
    accused: dict[int, tuple[float, tuple[str, ...]]] = {}
    for finding in found:
        if finding.accuses is not None:
            against, codes = accused.get(finding.accuses, (0.0, ()))
            if finding.code not in codes:
                accused[finding.accuses] = (1 - (1 - against) * (1 - finding.weight), (*codes, finding.code))
    return accused


def _from_history(hops: Sequence[Received], history: History) -> Iterator[Finding]:
    """Where lines depart from what the site has seen of these hosts before."""
    for index, hop in enumerate(hops[:_ASKED]):
        by = canonical(hop.by) if hop.status == "parsed" and hop.by else None
        if by is None:
            continue
        shape = history.seen_shape(by, fingerprint.shape(hop))
        if shape.lines >= WELL_KNOWN_LINES and not shape.count:
            yield Finding("unseen-shape", f"none of {shape.lines} lines by {by} looked like this", index, index)
        sender = canonical(hop.rdns) if hop.rdns else hop.ip
        if sender is None:
            continue
        link = history.seen_link(sender, by)
        if not link.count and min(link.from_sender, link.to_receiver) >= WELL_KNOWN_LINES:
            text = f"{sender} and {by} are well known, and never was mail seen to go from one to the other"
            yield Finding("unseen-link", text, index, index)
        yield from _beyond_skew(index, hop, hops[index + 1 :], link.skew_s)


def _beyond_skew(index: int, hop: Received, older: Sequence[Received], skew_s: float | None) -> Iterator[Finding]:
    """Whether the dates run further back over a link than they ever did."""
    brought = next((line for line in older if line.status == "parsed"), None)
    if skew_s is None or hop.date is None or brought is None or brought.date is None:
        return
    back_s = (brought.date - hop.date).total_seconds()
    if back_s > max(2 * skew_s, anomalies.SKEW_S):
        text = f"the dates run back by {back_s:.0f} s, over a link where {skew_s:.0f} s was the most"
        yield Finding("link-skew", text, index, index + 1)
