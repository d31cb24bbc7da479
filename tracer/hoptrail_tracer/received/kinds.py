"""What sort of step a line records, and why it is no handover between hosts, where it is none."""

import re

from hoptrail_tracer.model import Kind
from hoptrail_tracer.received.clauses import Clauses
from hoptrail_tracer.received.names import same_domain
from hoptrail_tracer.received.peer import Layout

_PICKUP = re.compile(r"\[UNIX|\[local\]|@localhost|\buid \d|from userid|\bmail pickup service\b|spool", re.IGNORECASE)


def classify(
    found: Clauses, ip: str | None, layout: Layout, kind: Kind, protocol: str | None
) -> tuple[Kind, str | None]:
    """The kind of step, and the reason for leaving the line out of the mail's way, None where it belongs there."""
    if kind is Kind.FETCH:
        return kind, "fetched"
    if not (found.by or found.wrote):
        return kind, "no-by"
    if kind is Kind.SCANNER and (ip is None or layout is Layout.ALONE):
        return kind, "scanner"  # a note about an address that the line below names properly
    if ip is not None:
        return Kind.INTERNAL if _within_provider(found, layout, protocol) else kind, None
    if not found.name and not found.peer:
        if kind is Kind.RELAY:
            kind = Kind.LOCAL if _PICKUP.search(found.wrote) else Kind.INTERNAL
        return kind, "no-from"
    if found.pickup or kind is Kind.LOCAL or _PICKUP.search(f"{found.name} {found.peer} {found.wrote}"):
        return Kind.LOCAL, "local-pickup"
    return kind, "no-address"


def remark(notes: str) -> tuple[Kind, str]:
    """The same for a line without from and by: what qmail and its kin say of themselves."""
    kind = Kind.LOCAL if " invoked by " in notes else Kind.INTERNAL
    return kind, "qmail-invoked" if notes.startswith("(qmail ") else "remark"


def _within_provider(found: Clauses, layout: Layout, protocol: str | None) -> bool:
    """Whether HTTPS carried the mail between two hosts of one provider: Microsoft's own transport, no webmail."""
    return (
        protocol == "HTTPS"
        and layout in (Layout.BARE, Layout.BRACKETED)  # noqa: PLR6201 - a set would have to hash both
        and same_domain(found.name, found.by)
    )
