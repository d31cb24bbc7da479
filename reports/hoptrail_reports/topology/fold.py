"""A map of thousands of relays folded until it fits a page: each relay is on it, by name or inside a node for many."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from hoptrail_reports.topology.colours import Colour, Thresholds, colour
from hoptrail_reports.topology.delays import NO_DELAYS, DelayStats
from hoptrail_reports.topology.graph import Edge, RelayMap, Standing
from hoptrail_reports.topology.grouping import owner

NodeKind = Literal["relay", "domain", "others"]


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """A box on the map. `messages` of a folded node is a sum: a message that passed two members counts twice."""

    key: str  # made of numbers, so that no mail can choose it
    name: str  # the relay's name, the domain, or "others"
    kind: NodeKind
    row: int
    relays: tuple[str, ...]  # busiest first
    messages: int
    standing: Standing  # of most of them


@dataclass(frozen=True, slots=True)
class Line:
    """A line on the map from one node to another, the way the mail went; `links` counts the links folded into it."""

    source: Node
    target: Node
    colour: Colour
    links: int
    messages: int
    traversals: int
    claimed: int  # the traversals that only strangers speak of
    delays: DelayStats


@dataclass(frozen=True, slots=True)
class Folded:
    """What is drawn: nodes by row, busiest first, and the lines between them."""

    rows: tuple[tuple[Node, ...], ...]
    lines: tuple[Line, ...]


def fold(relays: RelayMap, *, servers: int = 10, domains: int = 4, thresholds: Thresholds | None = None) -> Folded:
    """The map with in each row some `servers` by name, our own first, then the busiest `domains`, then all others."""
    by_row: defaultdict[int, list[str]] = defaultdict(list)
    for relay, row in relays.rows.items():
        by_row[row].append(relay)
    rows = tuple(_fold_row(relays, row, by_row[row], servers, domains) for row in sorted(by_row))
    home = {relay: node for nodes in rows for node in nodes for relay in node.relays}
    bundles: defaultdict[tuple[Node, Node], list[Edge]] = defaultdict(list)
    for edge in relays.edges.values():
        bundles[home[edge.source], home[edge.target]].append(edge)
    lines = (
        _line(source, target, edges, relays.messages, thresholds or Thresholds())
        for (source, target), edges in bundles.items()
        if source is not target or any(edge.colour is Colour.GREEN for edge in edges)
    )
    return Folded(rows, tuple(sorted(lines, key=lambda line: (line.traversals, line.source.key, line.target.key))))


def _fold_row(relays: RelayMap, row: int, names: Iterable[str], servers: int, domains: int) -> tuple[Node, ...]:
    ordered = sorted(
        names, key=lambda name: (relays.standing[name] is not Standing.OURS, -relays.relays[name].messages, name)
    )
    groups: list[tuple[str, NodeKind, list[str]]] = [(name, "relay", [name]) for name in ordered[:servers]]
    by_owner: defaultdict[str, list[str]] = defaultdict(list)
    for name in ordered[servers:]:
        by_owner[owner(name)].append(name)
    ranked = sorted(
        by_owner.items(), key=lambda item: (-sum(relays.relays[name].messages for name in item[1]), item[0])
    )
    groups += [(domain, "domain", members) for domain, members in ranked[:domains]]
    rest = [name for _, members in ranked[domains:] for name in members]
    if rest:
        groups.append(("others", "others", rest))
    return tuple(_node(relays, row, index, group) for index, group in enumerate(groups))


def _node(relays: RelayMap, row: int, index: int, group: tuple[str, NodeKind, Sequence[str]]) -> Node:
    name, kind, members = group
    if len(members) == 1:
        name, kind = members[0], "relay"
    [(standing, _)] = Counter(relays.standing[member] for member in members).most_common(1)
    messages = sum(relays.relays[member].messages for member in members)
    return Node(f"r{row}n{index}", name, kind, row, tuple(members), messages, standing)


def _line(source: Node, target: Node, edges: Sequence[Edge], total: int, thresholds: Thresholds) -> Line:
    uses = [edge.total for edge in edges]
    messages = sum(use.messages for use in uses)
    looped = any(edge.colour is Colour.GREEN for edge in edges)
    paint = colour(messages, total, looped=looped, thresholds=thresholds)
    if "others" in (source.kind, target.kind) and not looped:
        paint = Colour.NONE
    return Line(
        source,
        target,
        paint,
        links=len(edges),
        messages=messages,
        traversals=sum(use.traversals for use in uses),
        claimed=sum(edge.claimed.traversals for edge in edges),
        delays=sum((use.delays for use in uses), NO_DELAYS),
    )
