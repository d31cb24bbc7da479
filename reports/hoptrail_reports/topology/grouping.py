"""Relays that may be shown as one: of one domain, of like size, with as many followers, in one row."""

import ipaddress
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from publicsuffixlist import PublicSuffixList

from hoptrail_reports.topology.colours import Thresholds
from hoptrail_reports.topology.columns import Ints, Links, Names, names_of
from hoptrail_reports.topology.graph import STANDINGS, RelayMap, drawn
from hoptrail_reports.topology.traffic import Direction

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


def contract(
    relays: RelayMap,
    *,
    direction: Direction = "to",
    thresholds: Thresholds = Thresholds(),  # noqa: B008 - frozen
) -> RelayMap:
    """The map with each group drawn as one relay; its figures are sums, links inside a group become its filter.

    `direction` is the one the map was made with: it tells which neighbours are followers, further from the roots.
    """
    edges, names = relays.edges, relays.relays.names
    outer = np.bincount(edges.target if direction == "to" else edges.source, minlength=len(names))
    followers = dict(zip(names, outer.tolist(), strict=True))
    messages = dict(zip(names, relays.relays.figures["messages"].tolist(), strict=True))
    groups = group(names, messages, followers, dict(relays.rows))
    labels = {member: _label(key, members) for key, members in groups.items() for member in members}
    grouped = names_of(labels.values())
    home = grouped.places(labels[name] for name in names)
    row, level = np.zeros((2, len(grouped)), np.int64)
    row[home] = relays.row
    level[:] = len(STANDINGS)
    np.minimum.at(level, home, relays.level)
    links = _contracted(relays, grouped, home)
    return drawn(
        relays.relays.renamed(grouped, home),
        row,
        links,
        (links.source, links.target),
        messages=relays.messages,
        pruned=relays.pruned,
        thresholds=thresholds,
        level=level,
    )


def _contracted(relays: RelayMap, names: Names, home: Ints) -> Links:
    """The links of a map between the groups that relays belong to."""
    ends, rows = [], []
    for edges in (relays.edges, relays.own):
        for used in (edges.observed, edges.claimed):
            ends.append(np.stack([home[edges.source], home[edges.target]])[:, used >= 0])
            rows.append(used[used >= 0])
    (source, target), row = np.concatenate(ends, axis=1), np.concatenate(rows)
    links = relays.edges.links
    figures = {name: column[row] for name, column in links.figures.items()}
    return Links.summed(names, (source, target, links.observed[row]), figures)


def _label(key: GroupKey, members: list[str]) -> str:
    if len(members) == 1:
        return members[0]
    return f"{len(members)} of {key.domain} (row {key.row}, 10^{key.magnitude} messages, {key.followers} followers)"


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


@lru_cache(maxsize=262_144)
def _registrable(name: str) -> str:
    return _suffixes().privatesuffix(name) or name
