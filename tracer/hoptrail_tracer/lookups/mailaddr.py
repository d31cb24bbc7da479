"""Addresses that a report may go to: one plain addr-spec each, and none of a registry's own desks."""

import re
from collections.abc import Iterable

MAX_ADDRESS_CHARS = 254  # RFC 5321, 4.5.3.1.3
MAX_CONTACTS = 3  # addresses of one role; a longer list is a mailing of its own

ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
LOCAL_PART = re.compile(rf"{ATOM}(?:\.{ATOM})*")
DOMAIN = re.compile(rf"(?:{LABEL}\.)+(?:[A-Za-z]{{2,63}}|xn--[A-Za-z0-9-]{{1,59}})")
SEEN = re.compile(r"[^\s<>\"'(),;:\[\]@]{1,64}@[A-Za-z0-9.-]{3,253}[A-Za-z0-9]")

# Registries answer for the address book, not for the hosts in it; a report to them helps nobody.
REGISTRIES = frozenset(
    {
        *("iana.org", "icann.org", "afrinic.net", "apnic.net", "arin.net", "lacnic.net", "ripe.net"),
        *("nic.ad.jp", "nic.or.kr", "krnic.net", "kisa.or.kr", "cnnic.cn", "cnnic.net.cn", "twnic.tw", "twnic.net.tw"),
        *("vnnic.vn", "idnic.net", "apjii.or.id", "irinn.in", "nic.br", "registro.br"),
    }
)


def parse_mail_address(text: str) -> str | None:
    """Return the address with its domain in lower case, or None for anything but one plain ASCII addr-spec.

    Quoted local parts, address literals and comments are legal (RFC 5322, 3.4.1) and refused: no abuse desk has one,
    and what comes from a registry's form is going into a header field.
    """
    text = text.strip()
    local, at, domain = text.rpartition("@")
    if not at or len(text) > MAX_ADDRESS_CHARS or len(local) > 64:  # noqa: PLR2004 - RFC 5321, 4.5.3.1.1
        return None
    if not (LOCAL_PART.fullmatch(local) and DOMAIN.fullmatch(domain)):
        return None
    return f"{local}@{domain.lower()}"


def is_registrys(address: str) -> bool:
    """Whether the address is a desk of an internet registry."""
    labels = address.rpartition("@")[2].split(".")
    return any(".".join(labels[start:]) in REGISTRIES for start in range(len(labels)))


def usable(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the addresses among the texts that a report may go to, each once, in their order, at most three."""
    found = {
        address.lower(): address
        for text in texts
        if (address := parse_mail_address(text)) and not is_registrys(address)
    }
    return tuple(found.values())[:MAX_CONTACTS]


def seen_in(text: str) -> tuple[str, ...]:
    """Return the usable addresses that stand anywhere in a text."""
    return usable(match.group() for match in SEEN.finditer(text))
