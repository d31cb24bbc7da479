"""Which word of the from-clause is the looked-up name and which the HELO, by the customs of the software that wrote it."""

import re

from hoptrail_tracer.received import address
from hoptrail_tracer.received.clauses import Clauses
from hoptrail_tracer.received.peer import Layout, Peer

# What software writes where it has no name.
_NO_NAMES = frozenset(
    [
        "unknown",
        "unverified",
        "softdnserr",
        "dnserr",
        "unknown_domain",
        "unknown.domain",
        "unavailable",
        "nodnsquery",
        "no.name.available",
        "untrusted",
        "unassigned",
        "none",
        "null",
        "nobody",
        "noname",
        "unresolved",
        "unknown-host",
        "unknownhost",
        "rdns-failed",
        "undefined",
    ]
)
_NAME_FIRST = re.compile(r"(?:Exim|Smail|ZMailer)\b", re.IGNORECASE)  # these write rdns ([ip] helo=helo)
# These write helo (ip), where qmail and most others write rdns (ip).
_HELO_FIRST = re.compile(r"Microsoft|PowerMTA|KumoMTA|Axigen|XMail|Scalix|Exchange|Oracle Beehive", re.IGNORECASE)


def host(text: str) -> str | None:
    """A host's name without the root's dot and punctuation around it; None where the word says that there is none."""
    text = text.strip("<>,;").rstrip(".")
    return text or None


def looked_up(text: str) -> str | None:
    """`text` if it can be a name out of the DNS: no address, no word for "unknown"."""
    name = host(text)
    if name is None or name.lower() in _NO_NAMES or name[0] == "[" or address.endpoint(name):
        return None
    return name


def roles(
    found: Clauses, seen: Peer, software: str | None, protocol: str | None, by_ip: str | None
) -> tuple[str | None, str | None]:
    """The looked-up name and the HELO."""
    name, layout = found.name, seen.layout
    by = software or ""
    if protocol and protocol.upper().startswith("HTTP"):
        return (None, None) if protocol.upper() != "HTTPS" else (None, name)
    if seen.helo is not None:
        return looked_up(seen.beside or name), seen.helo or None
    if layout is Layout.NAMED:
        return (looked_up(seen.beside), name) if name else (None, seen.beside)
    if layout is Layout.BARE:
        if _HELO_FIRST.match(by) or by_ip:
            return None, name or None
        rdns = looked_up(name)
        return rdns, None if name.lower() in _NO_NAMES else name or None
    if layout in (Layout.BRACKETED, Layout.BEHIND):
        if seen.verified or _NAME_FIRST.match(by):
            return looked_up(name), name or None
        return None, name or None
    if layout is Layout.GLUED:
        return looked_up(name), None
    return None, None
