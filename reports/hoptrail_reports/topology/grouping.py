"""Relays that may be shown as one: of one domain, of like size, with as many followers, in one row."""

import ipaddress
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

from publicsuffixlist import PublicSuffixList

ADDRESS_PREFIX = {4: 24, 6: 48}
"""The part of an address without a name that stands for its owner: what is routed and handed out as one."""


class GroupKey(NamedTuple):
    """What relays of one group have in common."""

    domain: str
    magnitude: int  # floor(log10(messages))
    followers: int
    row: int


def group(
    relays: Iterable[str], messages: Mapping[str, int], followers: Mapping[str, int], rows: Mapping[str, int]
) -> dict[GroupKey, list[str]]:
    """The relays by what they share; each stands in exactly one group, in the order given."""
    groups: defaultdict[GroupKey, list[str]] = defaultdict(list)
    for relay in relays:
        key = GroupKey(owner(relay), magnitude(messages[relay]), followers[relay], rows[relay])
        groups[key].append(relay)
    return dict(groups)


def magnitude(count: int) -> int:
    """The decimal order of a positive count: floor(log10(count)), without rounding errors."""
    return len(str(count)) - 1


def owner(relay: str) -> str:
    """The registrable domain of a relay's name, or the network of an address without a name, e.g. `192.0.2.0/24`."""
    if relay.startswith("["):
        return _network(relay.strip("[]"))
    return _registrable(relay)


def _network(address: str) -> str:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((ip, ADDRESS_PREFIX[ip.version]), strict=False))


@lru_cache(maxsize=1)
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()


@lru_cache(maxsize=65_536)
def _registrable(name: str) -> str:
    return _suffixes().privatesuffix(name) or name
