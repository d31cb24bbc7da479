"""Addresses as evidence: where in the world one can stand, and how near two are.

The ranges for documentation (RFC 5737, RFC 3849) count as global: an address there stands for a real one in every
example, and `ipaddress` would call it private.
"""

import ipaddress
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple


class Scope(StrEnum):
    """Where an address means something."""

    LOOPBACK = "loopback"
    PRIVATE = "private"  # one owner's network: RFC 1918, RFC 4193, RFC 6598, link-local, RFC 2544
    RESERVED = "reserved"  # no host can have it: 0/8, multicast, 240/4
    GLOBAL = "global"


class Address(NamedTuple):
    """An address as a number, for comparison."""

    value: int
    version: int
    scope: Scope


_IPV4 = 4
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _networks(*texts: str) -> tuple[tuple[int, int, int], ...]:
    nets: list[_Network] = [ipaddress.ip_network(text) for text in texts]
    return tuple((net.version, int(net.network_address), int(net.broadcast_address)) for net in nets)


_SCOPES = (
    (Scope.LOOPBACK, _networks("127.0.0.0/8", "::1/128")),
    (
        Scope.PRIVATE,
        _networks(
            *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "198.18.0.0/15"),
            *("fc00::/7", "fe80::/10", "fec0::/10"),
            # 6to4 of the above (RFC 3056): Google numbers its inner machines 2002:a00::/24
            *("2002:a00::/24", "2002:ac10::/28", "2002:c0a8::/32", "2002:7f00::/24"),
        ),
    ),
    (Scope.RESERVED, _networks("0.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4", "::/128", "ff00::/8")),
)


@lru_cache(maxsize=32768)
def address(text: str | None) -> Address | None:
    """The address a text means; None where it means none. IPv4-mapped IPv6 counts as IPv4, a zone is dropped."""
    if not text:
        return None
    try:
        parsed = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    value, version = int(parsed), parsed.version
    for scope, ranges in _SCOPES:
        if any(low <= value <= high for of_version, low, high in ranges if of_version == version):
            return Address(value, version, scope)
    return Address(value, version, Scope.GLOBAL)


@lru_cache(maxsize=32768)
def scope(text: str | None) -> Scope | None:
    """Where an address means something; None for what is no address."""
    found = address(text)
    return found.scope if found is not None else None


def near(one: str | None, other: str | None, *, v4_bits: int, v6_bits: int) -> bool:
    """Whether two addresses agree in so many leading bits."""
    first, second = address(one), address(other)
    if first is None or second is None or first.version != second.version:
        return False
    shift = 32 - v4_bits if first.version == _IPV4 else 128 - v6_bits
    return first.value >> shift == second.value >> shift
