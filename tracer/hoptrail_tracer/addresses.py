"""Addresses as evidence: where in the world one can stand, and how near two are.

The ranges for documentation (RFC 5737, RFC 3849) count as global: an address there stands for a real one in every
example, and `ipaddress` would call it private.
"""

from bisect import bisect_right
from enum import StrEnum
from ipaddress import ip_network
from typing import NamedTuple

from hoptrail_tracer.memory import remembered
from hoptrail_tracer.received.address import packed


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


_IPV4, _IPV6 = 4, 6
_RANGES = {
    Scope.LOOPBACK: ("127.0.0.0/8", "::1/128"),
    Scope.PRIVATE: (
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "198.18.0.0/15"),
        *("fc00::/7", "fe80::/10", "fec0::/10"),
        # 6to4 of the above (RFC 3056): Google numbers its inner machines 2002:a00::/24
        *("2002:a00::/24", "2002:ac10::/28", "2002:c0a8::/32", "2002:7f00::/24"),
    ),
    Scope.RESERVED: ("0.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4", "::/128", "ff00::/8"),
}


def _borders(version: int) -> tuple[list[int], list[Scope]]:
    """Where each range begins and where the global ones begin again, in order, and the scope from there on."""
    scopes = {0: Scope.GLOBAL}
    networks = ((ip_network(text), scope) for scope, texts in _RANGES.items() for text in texts)
    ordered = sorted((int(net[0]), int(net[-1]) + 1, scope) for net, scope in networks if net.version == version)
    for low, end, scope in ordered:
        scopes[low] = scope
        scopes.setdefault(end, Scope.GLOBAL)
    return list(scopes), list(scopes.values())


_BORDERS = {4: _borders(_IPV4), 16: _borders(_IPV6)}  # by the length of an address in bytes


@remembered(32768)
def address(text: str | None) -> Address | None:
    """The address a text means; None where it means none. IPv4-mapped IPv6 counts as IPv4, a zone is dropped."""
    found = packed(text) if text else None
    where = _scope(found)
    if found is None or where is None:
        return None
    return Address(int.from_bytes(found, "big"), _IPV4 if len(found) == _IPV4 else _IPV6, where)


@remembered(32768)
def scope(text: str | None) -> Scope | None:
    """Where an address means something; None for what is no address."""
    return _scope(packed(text)) if text else None


def _scope(found: bytes | None) -> Scope | None:
    if found is None:
        return None
    lows, scopes = _BORDERS[len(found)]
    return scopes[bisect_right(lows, int.from_bytes(found, "big")) - 1]


def near(one: str | None, other: str | None, *, v4_bits: int, v6_bits: int) -> bool:
    """Whether two addresses agree in so many leading bits."""
    if one is None or other is None:
        return False
    first, second = address(one), address(other)
    if first is None or second is None or first.version != second.version:
        return False
    shift = 32 - v4_bits if first.version == _IPV4 else 128 - v6_bits
    return first.value >> shift == second.value >> shift
