"""Which word of the from-clause is the looked-up name and which the HELO, by the customs of the software that wrote it."""

from hoptrail_tracer.received import address
from hoptrail_tracer.received.peer import Layout
from hoptrail_tracer.received.writer import Custom

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
        "[unavailable]",
        "nodnsquery",
        "untrusted",
        "none",
        "no.name.available",
        "unassigned",
        "unresolved",
        "unknown-host",
        "unknownhost",
        "noname",
        "rdns-failed",
        "undefined",
        "source",
    ]
)


def looked_up(text: str) -> str | None:
    """`text` if it can be a name out of the DNS: no address, no word for "unknown", one word. Without the root's dot."""
    name = text.strip("<>,;.")
    if not name or name.lower() in _NO_NAMES or " " in name:
        return None
    if (name[-1].isdigit() or name[-1] == "]" or ":" in name) and address.endpoint(name):
        return None
    return name


def roles(
    name: str, layout: Layout, beside: str, marked: str | None, custom: Custom, *, verified: bool = False
) -> tuple[str | None, str | None]:
    """The looked-up name and the HELO, out of the first name, the one beside the address and the one marked as HELO."""
    if layout is Layout.NAMED:
        if marked is None:
            return (looked_up(beside), name) if name else (None, beside)
        return looked_up(beside), marked or None
    if marked is not None:
        return looked_up(name), marked or None
    if custom is Custom.NO_HELO:
        return None, None
    if layout is Layout.BRACKETED or layout is Layout.BEHIND:
        return looked_up(name) if verified or custom is Custom.NAME_FIRST else None, name or None
    if layout is Layout.BARE:
        if custom is Custom.HELO_FIRST:
            return None, name or None
        # qmail's tcpserver writes whole names; a single label is what the client said to software that does not look.
        return looked_up(
            name
        ) if "." in name or name == "localhost" else None, None if name.lower() in _NO_NAMES else name or None
    if layout is Layout.GLUED:
        rdns = looked_up(name)
        return rdns, None if rdns or name.lower() in _NO_NAMES else name
    return None, None
