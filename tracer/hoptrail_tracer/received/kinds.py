"""What sort of step a line records, and why it is no handover between hosts, where it is none."""

import re

from hoptrail_tracer.model import Kind
from hoptrail_tracer.names import same_owner
from hoptrail_tracer.received.peer import Layout

# Before Python 3.12 a member costs thirty nanoseconds wherever it is read from its class.
_RELAY, _LOCAL, _INTERNAL = Kind.RELAY, Kind.LOCAL, Kind.INTERNAL
_FETCH, _SCANNER, _HTTP = Kind.FETCH, Kind.SCANNER, Kind.HTTP
_ALONE, _BARE, _BRACKETED = Layout.ALONE, Layout.BARE, Layout.BRACKETED

_PICKUP = re.compile(r"\[UNIX|\[local\]|@localhost|\buid \d|from userid|\bmail pickup service\b|spool", re.IGNORECASE)


def classify(  # noqa: PLR0911 - one answer for each reason
    kind: Kind, *, ip: str | None, layout: Layout, local: bool, name: str, peer: str, by: str, wrote: str
) -> tuple[Kind, str | None]:
    """The kind of step, and the reason for leaving the line out of the mail's way, None where it belongs there.

    `kind` is what the protocol says; `local` that the from-clause names a user instead of a host.
    """
    if kind is _FETCH:
        return kind, "fetched"
    if not (by or wrote):
        return kind, "no-by"
    if kind is _SCANNER and (ip is None or layout is _ALONE):
        return kind, "scanner"  # a note about an address that the line below names properly
    if ip is not None:
        within_provider = kind is _HTTP and wrote.endswith(" HTTPS") and _within_provider(name, layout, by)
        return _INTERNAL if within_provider else kind, None
    if not name and not peer:
        if kind is _RELAY:
            kind = _LOCAL if _PICKUP.search(wrote) else _INTERNAL
        return kind, "no-from"
    if local or kind is _LOCAL or _PICKUP.search(f"{name} {peer} {wrote}"):
        return _LOCAL, "local-pickup"
    return kind, "no-address"


def remark(notes: str) -> tuple[Kind, str]:
    """The same for a line without from and by: what qmail and its kin say of themselves."""
    kind = _LOCAL if " invoked by " in notes else _INTERNAL
    return kind, "qmail-invoked" if notes.startswith("(qmail ") else "remark"


def _within_provider(name: str, layout: Layout, by: str) -> bool:
    """Whether HTTPS carried the mail between two hosts of one provider: Microsoft's own transport, no webmail."""
    return (layout is _BARE or layout is _BRACKETED) and same_owner(name, by)
