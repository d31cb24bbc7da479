"""Where a message came from: the address that may be reported, and the older one that may only be shown."""

from collections.abc import Sequence

from hoptrail_tracer.addresses import Scope, scope
from hoptrail_tracer.drafts import draft_of
from hoptrail_tracer.memory import remembered
from hoptrail_tracer.model import Anomaly, Hop, Origin, Trust
from hoptrail_tracer.rules import Rule
from hoptrail_tracer.sitematch import Site
from hoptrail_tracer.trust import Walk

_Draft = draft_of(Origin)

# Before Python 3.12 a member costs thirty nanoseconds wherever it is read from its class.
_GLOBAL, _FORGED, _VOUCHED = Scope.GLOBAL, Trust.FORGED, Trust.VOUCHED
_LOOPBACK, _PRIVATE = Scope.LOOPBACK, Scope.PRIVATE
_NOBODY: frozenset[int] = frozenset()

_BASIS = {
    Rule.OWN_HOP: ("connection", 0.95),
    Rule.TOP_LINE: ("top-line", 0.80),
    Rule.TRUSTED_NETWORK: ("trusted-relay", 0.90),
    Rule.TRUSTED_HOST: ("trusted-relay", 0.85),
    Rule.SUBMISSION_HOST: ("submission", 0.90),
    Rule.FORWARDER: ("forwarded", 0.85),
    Rule.MAILING_LIST: ("forwarded", 0.85),
    Rule.FETCH_MARKER: ("fetched", 0.75),
    Rule.PRIVATE_HANDOFF: ("inferred-relay", 0.65),
    Rule.OWN_DOMAIN: ("inferred-relay", 0.60),
    Rule.OWN_NEIGHBOUR: ("inferred-relay", 0.60),
}
"""How the writer of the line that names the origin came to be believed, and how far that carries."""

_WITHOUT_ADDRESS = {
    Rule.UNREADABLE: "unreadable",
    Rule.NO_ADDRESS: "no-address",
    Rule.LOCAL_PICKUP: "local",
    Rule.AUTHENTICATED: "submission",
    Rule.SUBMISSION_HOST: "submission",
    None: "local",
}
"""Why no believed line names an address, by the rule that ended the walk."""

BASES = frozenset(
    {
        *(basis for basis, _ in _BASIS.values()),
        *_WITHOUT_ADDRESS.values(),
        *("originating-field", "evidence", "inside", "none", Trust.VOUCHED.value, Trust.CLAIMED.value),
    }
)
"""Every basis there is; the last two belong to a deeper origin."""

_ORIGINATING_CONFIDENCE = 0.70
_EVIDENCE_CONFIDENCE = 0.75
_INSIDE_UNDECLARED_CONFIDENCE = 0.40
_LOCAL_CONFIDENCE = 0.50
_PICKED_UP_CONFIDENCE = 0.70
_CORROBORATION = 0.03
_SUSPICION = 0.5
"""What is wrong with the line that names the origin takes away at most half of the confidence."""

_DEEPER_VOUCHED = 0.45
_DEEPER_CLAIMED = 0.15
_DOUBTFUL = 0.1
"""An anomaly of this weight at a hop ends the search for a deeper origin."""

_DEEPER_DECAY = 0.9
"""Each further hop that only a stranger vouches for costs a tenth."""


def find_origin(
    hops: Sequence[Hop], walked: Walk, site: Site, anomalies: Sequence[Anomaly], *, synthetic: Rule | None, agreed: bool
) -> Origin:
    """The origin that may be reported: the address that delivered to the last believed hop.

    `synthetic`: the last hop was made from a believed field. `agreed`: such a field names the same address.
    """
    if synthetic is not None:
        return _from_field(hops, synthetic)
    if walked.source is None:
        return _nowhere(hops, walked)
    hop = hops[walked.source]
    basis, confidence = _BASIS[walked.via]
    if walked.picked_up:
        confidence = min(confidence, _PICKED_UP_CONFIDENCE)
    reasons = [*hop.reasons]
    if walked.handed_in:
        basis = "submission"
    elif walked.end is Rule.LOCAL_PICKUP:
        basis, confidence = "local", min(confidence, _LOCAL_CONFIDENCE)
        reasons += hops[walked.believed - 1].reasons
    elif _is_inside(hop, walked, site):
        basis = "inside"
        confidence = confidence if site.declared else min(confidence, _INSIDE_UNDECLARED_CONFIDENCE)
        reasons.append("inside: the address is the site's own or private, so the mail began inside")
    if agreed:
        confidence = min(confidence + _CORROBORATION, 0.99)
        reasons.append(Rule.CORROBORATED.says(f"a field that a believed host added names {hop.received.ip} too"))
    against = _against(anomalies, walked.source) if anomalies else 0.0
    draft = _Draft(
        hop.received.ip,
        walked.source_name,
        hop.trust,
        _rounded(confidence * (1 - against * _SUSPICION)),
        basis,
        tuple(dict.fromkeys(reasons)) if len(reasons) > 1 else hop.reasons,  # the hop may be the believed one too
        walked.source,
    )
    draft.__class__ = Origin
    return draft


def find_deeper(hops: Sequence[Hop], origin: Origin, anomalies: Sequence[Anomaly]) -> Origin | None:
    """The oldest address below the origin that an unbroken chain leads to, with its confidence; None where none does.

    It is looked for in the vouched hops first; a claimed one is shown only where none is vouched.
    """
    if origin.hop is None or origin.basis in {"inside", "local"}:
        return None
    doubtful = {anomaly.hop for anomaly in anomalies if anomaly.weight >= _DOUBTFUL} if anomalies else _NOBODY
    vouched = claimed = None
    for index in range(origin.hop + 1, len(hops)):
        hop = hops[index]
        trust, ip = hop.trust, hop.received.ip
        if index in doubtful or trust is _FORGED:
            break
        if ip is not None and ip != origin.ip and scope(ip) is _GLOBAL:
            if trust is _VOUCHED:
                vouched = index
            else:
                claimed = index
    if vouched is not None:
        index, base = vouched, _DEEPER_VOUCHED
    elif claimed is not None:
        index, base = claimed, _DEEPER_CLAIMED
    else:
        return None
    said = hops[index].received
    steps = index - origin.hop - 1
    draft = _Draft(
        said.ip,
        said.rdns if vouched is not None else None,
        hops[index].trust,
        _rounded(base * _DEEPER_DECAY**steps),
        str(hops[index].trust),
        ("named by a line that no believed host wrote: to be shown, not reported", *hops[index].reasons),
        index,
    )
    draft.__class__ = Origin
    return draft


@remembered(1024)
def _rounded(confidence: float) -> float:
    return round(confidence, 2)


def _against(anomalies: Sequence[Anomaly], hop: int) -> float:
    return max((anomaly.weight for anomaly in anomalies if anomaly.hop == hop), default=0.0)


def _is_inside(hop: Hop, walked: Walk, site: Site) -> bool:
    if walked.end is None or walked.end is Rule.UNDECLARED_RECEIVER:
        return True
    where = scope(hop.received.ip)
    if where is _LOOPBACK or where is _PRIVATE:
        return True
    return bool(site.internal.entries) and site.internal.has(hop.received.ip, None)


def _from_field(hops: Sequence[Hop], rule: Rule) -> Origin:
    index = len(hops) - 1
    hop = hops[index]
    originating = rule is Rule.ORIGINATING_FIELD
    return Origin(
        ip=hop.received.ip,
        name=None,
        trust=hop.trust,
        confidence=_ORIGINATING_CONFIDENCE if originating else _EVIDENCE_CONFIDENCE,
        basis="originating-field" if originating else "evidence",
        reasons=hop.reasons,
        hop=index,
    )


def _nowhere(hops: Sequence[Hop], walked: Walk) -> Origin:
    """No address: say why, and by whose word."""
    if not walked.believed:
        return Origin(None, None, Trust.CLAIMED, 0.0, "none", ("the message has no Received line",))
    last = hops[walked.believed - 1]
    return Origin(None, None, last.trust, 0.0, _WITHOUT_ADDRESS.get(walked.end, "none"), last.reasons)
