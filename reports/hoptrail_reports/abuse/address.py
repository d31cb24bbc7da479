"""The address a report goes to. It comes from a registry or a name server, so from outside: one form is accepted."""

import re
from typing import Final

MAX_LOCAL: Final = 64
"""RFC 5321 section 4.5.3.1.1."""
MAX_ADDRESS: Final = 254
"""RFC 5321 section 4.5.3.1.3, without the angle brackets."""

_ATOM = r"[A-Za-z0-9!#$&'*+/=?^_`{|}~-]+"  # RFC 5322's atext without '%', which routes on old MTAs
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDR_SPEC = re.compile(rf"({_ATOM}(?:\.{_ATOM})*)@((?:{_LABEL}\.)+[A-Za-z](?:[A-Za-z0-9-]{{0,61}}[A-Za-z0-9]))")

REGISTRIES: Final = frozenset(
    {"afrinic.net", "apnic.net", "arin.net", "iana.org", "lacnic.net", "nic.or.kr", "nic.ad.jp", "ripe.net"}
)
"""They publish who holds a network and answer no reports about it: their own addresses in an answer are a stopgap."""


def addr_spec(text: str) -> str | None:
    """The address with its domain in lower case; None for whatever is not exactly one plain ASCII addr-spec.

    RFC 5322's quoted strings, comments, domain literals and obsolete forms are refused, and so is anything around it.
    """
    match = _ADDR_SPEC.fullmatch(text)
    if match is None or len(text) > MAX_ADDRESS or len(match[1]) > MAX_LOCAL:
        return None
    return f"{match[1]}@{match[2].lower()}"


def among(address: str, listed: tuple[str, ...] | frozenset[str]) -> bool:
    """Whether an address, its domain, or a domain above that is listed."""
    wanted = {entry.strip().lower().lstrip("@.") for entry in listed}
    labels = address.lower().rpartition("@")[2].split(".")
    domains = {".".join(labels[place:]) for place in range(len(labels))}
    return not wanted.isdisjoint({address.lower(), *domains})


def is_registry(address: str) -> bool:
    """Whether an address is a registry's own."""
    return among(address, REGISTRIES)
