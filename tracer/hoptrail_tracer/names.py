"""Host names as evidence: whether two of them belong to one owner, and whether one means a machine in the world.

Without the public suffix list, which the tracer must not need, the registrable domain is a rule of thumb: the last
two labels, or the last three below a country's own second level (`co.uk`, `com.br`). Where the rule is wrong it joins
owners that share a suffix nobody lists here. So a shared domain alone never makes a host trusted.
"""

import ipaddress
import re

from hoptrail_tracer.memory import remembered

_SECOND_LEVELS = frozenset(
    {
        *(
            "ac",
            "ad",
            "asn",
            "co",
            "com",
            "ed",
            "edu",
            "go",
            "gob",
            "gouv",
            "gov",
            "govt",
            "id",
            "lg",
            "ltd",
            "me",
            "mil",
        ),
        *("muni", "ne", "net", "nhs", "nom", "or", "org", "plc", "sch"),
    }
)
_ONE_OWNER = {
    **dict.fromkeys(("office365.com", "exchangelabs.com", "hotmail.com", "microsoft.com"), "outlook.com"),
    **dict.fromkeys(("gmail.com", "googlemail.com"), "google.com"),
    **dict.fromkeys(("yahoodns.net", "aol.com"), "yahoo.com"),
    **dict.fromkeys(("me.com", "mac.com", "apple.com"), "icloud.com"),
}
"""Providers whose relays pass mail between themselves under several domains, none of which names a customer's host."""

_LOCAL_SUFFIXES = (".local", ".localdomain", ".localhost", ".lan", ".internal", ".intra", ".home", ".invalid", ".corp")
_DYNAMIC = re.compile(
    r"(?:^|[.-])(?:[ax]?dsl|dial(?:up|in)?|dyn(?:amic)?|dhcp|pools?|ppp(?:oe)?|cable|cpe|customers?|clients?|users?)"
    r"\d*(?=[.-])|\d{1,3}[.-]\d{1,3}[.-]\d{1,3}[.-]\d{1,3}"
)
_TELLING_LENGTH = 9
MAX_NAME_LENGTH = 255
"""RFC 1035 section 2.3.4; what is longer is no host name."""


@remembered(16384)
def registrable(name: str) -> str | None:
    """The domain that somebody registered a host name in; None for addresses and unqualified names.

    In lower case; of the domains of one large provider always the same one.
    """
    host = _canonical(name)
    if host is None or host.endswith(_LOCAL_SUFFIXES):
        return None
    below, dot, top = host.rpartition(".")
    if not dot or top.isdigit():
        return None
    below, dot, second = below.rpartition(".")
    domain = f"{second}.{top}"
    if dot and len(top) == len("uk") and second in _SECOND_LEVELS:
        domain = f"{below.rpartition('.')[2]}.{domain}"
    return _ONE_OWNER.get(domain, domain)


@remembered(16384)
def canonical(name: str) -> str | None:
    """A host name in lower case without final dot; None where the text is none (an address, too long, empty)."""
    return _canonical(name)


def _canonical(name: str) -> str | None:
    host = name.strip("[]").rstrip(".").lower()
    if not host or len(host) > MAX_NAME_LENGTH or ":" in host or " " in host:
        return None
    return None if _is_dotted_quad(host) else host


def same_owner(one: str | None, other: str | None) -> bool:
    """Whether two host names share their registrable domain; unqualified names only when they are equal."""
    if not one or not other:
        return False
    domain = registrable(one)
    if domain is not None:
        return domain == registrable(other)
    return canonical(one) is not None and canonical(one) == canonical(other)


def same_host(one: str | None, other: str | None) -> bool:
    """Whether two names mean one machine: equal, or equal in their first label and their owner."""
    if not one or not other:
        return False
    first, second = canonical(one), canonical(other)
    if first is None or second is None:
        return False
    return first == second or (first.partition(".")[0] == second.partition(".")[0] and same_owner(first, second))


def same_label(one: str | None, other: str | None) -> bool:
    """Whether two names agree in a first label so long that it is no common word such as `mail` or `gateway`."""
    if not one or not other:
        return False
    first, second = one.lower(), other.lower()
    if first[:_TELLING_LENGTH] != second[:_TELLING_LENGTH]:  # as most do, and labels take longer to cut out
        return False
    label = first.partition(".")[0]
    return len(label) >= _TELLING_LENGTH and label == second.partition(".")[0]


def is_qualified(name: str | None) -> bool:
    """Whether a name means one machine in the world rather than one in its owner's network."""
    return name is not None and registrable(name) is not None


def is_localhost(name: str | None) -> bool:
    """Whether a name means the host that uses it."""
    host = canonical(name) if name else None
    return host is not None and host.partition(".")[0] in {"localhost", "localhost6"}


def looks_dynamic(name: str) -> bool:
    """Whether a provider gave this name to an access line (the address in it, or a word such as dsl or pool)."""
    return _DYNAMIC.search(name.lower()) is not None


def _is_dotted_quad(text: str) -> bool:
    if not text[-1].isdigit():
        return False
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True
