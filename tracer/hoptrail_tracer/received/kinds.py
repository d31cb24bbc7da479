"""Why a line is no handover between hosts, where it is none: it has no address, or speaks of a step inside one host."""

import re

from hoptrail_tracer.model import Kind
from hoptrail_tracer.received.clauses import Clauses
from hoptrail_tracer.received.names import same_domain
from hoptrail_tracer.received.peer import Layout, Peer
from hoptrail_tracer.received.writer import Writer

_PICKUP = re.compile(r"\[UNIX|\[local\]|@localhost|\buid \d|from userid|\bmail pickup service\b|spool", re.IGNORECASE)


def is_aside(found: Clauses, seen: Peer, kind: Kind) -> bool:
    """Whether a line is no handover between hosts."""
    if seen.ip is None or kind is Kind.FETCH:
        return True
    if kind is Kind.SCANNER:
        return seen.layout is Layout.ALONE  # a note about an address that the line below names properly
    return not found.by and not found.by_notes and not found.with_


def aside(found: Clauses, wrote: Writer) -> tuple[Kind, str]:
    """The kind of step that a line without a peer's address records, and why it is left out of the mail's way."""
    kind = wrote.kind
    if kind is Kind.FETCH:
        return kind, "fetched"
    if not found.by and not found.by_notes and not found.with_:
        return kind, "no-by"
    if kind is Kind.SCANNER:
        return kind, "scanner"
    if not found.name and not found.peer:
        if kind is Kind.RELAY:
            kind = Kind.LOCAL if _PICKUP.search(found.by_notes) else Kind.INTERNAL
        return kind, "no-from"
    if found.pickup or kind is Kind.LOCAL or _PICKUP.search(f"{found.name} {found.peer} {found.by_notes}"):
        return Kind.LOCAL, "local-pickup"
    return kind, "no-address"


def remark(notes: str) -> tuple[Kind, str]:
    """The same for a line without from and by: what qmail and its kin say of themselves."""
    return Kind.LOCAL if " invoked by " in notes else Kind.INTERNAL, "qmail-invoked" if notes.startswith("(qmail ") else "remark"


def is_internal(found: Clauses, seen: Peer, wrote: Writer) -> bool:
    """Whether HTTPS carried the mail between two hosts of one provider: Microsoft's own transport, no webmail."""
    return wrote.protocol == "HTTPS" and seen.layout in (Layout.BARE, Layout.BRACKETED) and same_domain(found.name, found.by)
