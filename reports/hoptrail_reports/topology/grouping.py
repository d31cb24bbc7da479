"""Relays that may be shown as one: of one domain, of like size, with as many followers, in one row."""

import ipaddress
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

from publicsuffixlist import PublicSuffixList

from hoptrail_reports.topology.colours import Thresholds, colour
from hoptrail_reports.topology.graph import Edge, RelayMap, Standing, edges_by
from hoptrail_reports.topology.traffic import Direction, LinkStats, RelayStats

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
    outwards = relays.into if direction == "to" else relays.out_of
    followers = {relay: len(outwards.get(relay, ())) for relay in relays.relays}
    messages = {relay: stats.messages for relay, stats in relays.relays.items()}
    groups = group(relays.relays, messages, followers, relays.rows)
    home = {member: _label(key, members) for key, members in groups.items() for member in members}
    edges, filters = _contract_links(relays, home, thresholds)
    merged: defaultdict[str, RelayStats] = defaultdict(RelayStats)
    for relay, stats in relays.relays.items():
        merged[home[relay]] += stats
    return replace(
        relays,
        relays=dict(merged),
        rows={home[relay]: row for relay, row in relays.rows.items()},
        standing={home[members[0]]: _best_standing(relays, members) for members in groups.values()},
        edges=edges,
        into=edges_by(edges.values(), lambda edge: edge.target),
        out_of=edges_by(edges.values(), lambda edge: edge.source),
        filters=filters,
    )


def _contract_links(
    relays: RelayMap, home: Mapping[str, str], thresholds: Thresholds
) -> tuple[dict[tuple[str, str], Edge], dict[str, LinkStats]]:
    observed: defaultdict[tuple[str, str], LinkStats] = defaultdict(LinkStats)
    claimed: defaultdict[tuple[str, str], LinkStats] = defaultdict(LinkStats)
    filters: defaultdict[str, LinkStats] = defaultdict(LinkStats)
    for relay, use in relays.filters.items():
        filters[home[relay]] += use
    for edge in relays.edges.values():
        pair = (home[edge.source], home[edge.target])
        if pair[0] == pair[1]:
            filters[pair[0]] += edge.total
        else:
            observed[pair] += edge.observed
            claimed[pair] += edge.claimed
    edges = {}
    for pair in observed:
        use = observed[pair] + claimed[pair]
        paint = colour(use.messages, relays.messages, looped=bool(use.looped), thresholds=thresholds)
        edges[pair] = Edge(*pair, observed[pair], claimed[pair], paint)
    return edges, dict(filters)


def _best_standing(relays: RelayMap, members: Iterable[str]) -> Standing:
    known = {relays.standing[member] for member in members}
    return next(standing for standing in Standing if standing in known)


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


@lru_cache(maxsize=65_536)
def _registrable(name: str) -> str:
    return _suffixes().privatesuffix(name) or name
