"""Which word of the from-clause is the looked-up name and which the HELO, by the customs of the software."""

from hoptrail_tracer.memory import remembered
from hoptrail_tracer.received import address
from hoptrail_tracer.received.peer import Layout
from hoptrail_tracer.received.writer import Custom

LONGEST_VALUE = 512
"""RFC 5321 section 4.5.3.1.4 and .5: no SMTP command or reply is longer. What is read from a line is cut here, so that
whoever remembers names knows what they take."""

# Before Python 3.12 a member costs thirty nanoseconds wherever it is read from its class.
_NAMED, _BRACKETED, _BEHIND = Layout.NAMED, Layout.BRACKETED, Layout.BEHIND
_BARE, _GLUED = Layout.BARE, Layout.GLUED
_NO_HELO, _NAME_FIRST, _HELO_FIRST = Custom.NO_HELO, Custom.NAME_FIRST, Custom.HELO_FIRST

# What software writes where it has no name.
_NO_NAMES = frozenset(
    {
        *("unknown", "unknown.domain", "unknown_domain", "unknown-host", "unknownhost", "unverified", "untrusted"),
        *("unavailable", "[unavailable]", "unassigned", "unresolved", "undefined", "none", "noname", "source"),
        *("no.name.available", "softdnserr", "dnserr", "nodnsquery", "rdns-failed"),
    }
)


@remembered(16384)
def looked_up(text: str) -> str | None:
    """`text`, without the root's dot, if it can be a name out of the DNS: one word, no address, not "unknown"."""
    name = text.strip("<>,;.")
    if not name or name.lower() in _NO_NAMES or " " in name:
        return None
    if (name[-1].isdigit() or name[-1] == "]" or ":" in name) and address.endpoint(name):
        return None
    return name


def roles(  # noqa: PLR0911 - one answer for each layout
    name: str, layout: Layout, beside: str, marked: str | None, custom: Custom, *, verified: bool = False
) -> tuple[str | None, str | None]:
    """The looked-up name and the HELO, out of the first name, the one beside the address and the one marked as HELO."""
    if len(name) > LONGEST_VALUE or len(beside) > LONGEST_VALUE:
        name, beside = name[:LONGEST_VALUE], beside[:LONGEST_VALUE]
    if layout is _NAMED:
        if marked is None:
            return (looked_up(beside), name) if name else (None, beside)
        return looked_up(beside), marked or None
    if marked is not None:
        return looked_up(name), marked or None
    if custom is _NO_HELO:
        return None, None
    if layout is _BRACKETED or layout is _BEHIND:
        return looked_up(name) if verified or custom is _NAME_FIRST else None, name or None
    if layout is _BARE:
        return _before_bare_address(name, custom)
    if layout is _GLUED:
        rdns = looked_up(name)
        return rdns, None if rdns or name.lower() in _NO_NAMES else name
    return None, None


def _before_bare_address(name: str, custom: Custom) -> tuple[str | None, str | None]:
    """`name (ip)`: qmail leaves out a HELO that is the looked-up name; others write the HELO there."""
    if custom is _HELO_FIRST:
        return None, name or None
    if not name or name.lower() in _NO_NAMES:
        return None, None
    whole = "." in name or name == "localhost"  # one label is nothing that a look-up brings
    return looked_up(name) if whole else None, name
