"""Fields beside Received that name an address: what a believed host added corroborates, what came along is ignored.

A host adds its fields above those it received. So a field that stands above the Received line of a believed host was
added by that host or by one still nearer to us, and a field further down may be anybody's. Fields that name a user
behind webmail (`X-Originating-IP`) stand at the very bottom: they count only where the whole chain is believed down to
a declared host.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from hoptrail_tracer.addresses import Scope, scope
from hoptrail_tracer.received import address

MAX_FIELDS = 1000
"""No mail carries more; what stands further down is older than any evidence worth having."""

MAX_FIELD_LENGTH = 16384
"""Exchange's longest report field has 3 KiB; an address worth having stands near the beginning."""

_ADDRESS = r"\[?(?:ipv6:)?([0-9a-f:.]{3,45})\b"
_CLIENT = re.compile(
    rf"""(?: client-ip= | client\ ip= | sender\ ip\ is\ | \bcip: | remote-ip= | policy\.iprev= | smtp\.client-ip=
           | designates\ ){_ADDRESS}""",
    re.VERBOSE | re.IGNORECASE,
)
_ALONE = re.compile(rf"\s*{_ADDRESS}\]?", re.IGNORECASE)
_CLIENT_FIELDS = frozenset(
    {
        *("received-spf", "authentication-results", "arc-authentication-results"),
        *("x-forefront-antispam-report", "x-ms-exchange-authentication-results"),
    }
)
_ORIGINATING_FIELDS = frozenset(
    {
        *("x-originating-ip", "x-sender-ip", "x-senderip", "x-source-ip", "x-client-ip", "x-remote-ip", "x-real-ip"),
        *("x-yahoo-post-ip", "x-aol-ip", "x-apparently-from", "x-eip", "x-mdremoteip", "x-posting-ip"),
        *("x-http-posting-ip", "x-web-client-ip"),
    }
)
FIELDS = _CLIENT_FIELDS | _ORIGINATING_FIELDS
"""Names in lower case of all fields that are read here: what a store keeps of a header besides Received."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One address that a field names. `above` is the number of Received lines that stand above the field.

    `originating`: the field names a user behind a webmail host rather than a client that spoke SMTP.
    """

    field: str
    ip: str
    above: int
    originating: bool


def read(fields: Sequence[tuple[str, str]]) -> tuple[Evidence, ...]:
    """The addresses that the fields beside Received name, in their order. Whether to believe them is not asked here."""
    found = []
    above = 0
    for name, value in fields[:MAX_FIELDS]:
        lowered = name.lower()
        if lowered == "received":
            above += 1
        elif lowered in _CLIENT_FIELDS:
            found += [Evidence(name, ip, above, originating=False) for ip in _clients(value[:MAX_FIELD_LENGTH])]
        elif lowered in _ORIGINATING_FIELDS and (alone := _ALONE.match(value[:MAX_FIELD_LENGTH])):
            found += [Evidence(name, ip, above, originating=True) for ip in _canonical(alone[1])]
    return tuple(found)


def read_believed(
    fields: Sequence[tuple[str, str]], received: Sequence[str], *, lines_believed: int, whole: bool
) -> tuple[Evidence, ...]:
    """What believed hosts added. `whole`: all `received` lines and the last client, a declared host, are believed.

    Where `fields` do not hold the same Received lines, no field can be placed above one of them.
    """
    if not whole:
        placed = [value for name, value in fields if name.lower() == "received"]
        if lines_believed <= 0 or placed != list(received):
            return ()
    return tuple(found for found in read(fields) if whole or found.above < lines_believed)


def _clients(value: str) -> list[str]:
    return [ip for found in _CLIENT.finditer(value) for ip in _canonical(found[1])]


def _canonical(text: str) -> list[str]:
    ip = address.canonical(text.rstrip(".:"))
    return [ip] if ip is not None and scope(ip) is Scope.GLOBAL else []
