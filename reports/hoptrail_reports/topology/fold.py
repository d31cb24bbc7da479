"""A map of thousands of relays folded until it fits a page: each relay is on it, by name or inside a node for many."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from hoptrail_reports.topology.colours import Colour, Thresholds, colour
from hoptrail_reports.topology.columns import NONE, Ints, added, grouped
from hoptrail_reports.topology.delays import DelayStats
from hoptrail_reports.topology.graph import STANDINGS, RelayMap, Standing
from hoptrail_reports.topology.grouping import owner
from hoptrail_reports.topology.usage import DELAYS, delays_of

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
    messages = relays.relays.figures["messages"].astype(np.int64)
    order = np.lexsort((-messages, relays.level != STANDINGS.index(Standing.OURS), relays.row))
    rows, starts = np.unique(relays.row[order], return_index=True)
    nodes: list[Node] = []
    home = np.zeros(len(order), np.int64)  # by relay, its node's place among them all
    for row, members in zip(rows.tolist(), np.split(order, starts)[1:], strict=True):
        for node, places in _fold_row(relays, row, members, servers, domains):
            home[places] = len(nodes)
            nodes.append(node)
    by_row = tuple(tuple(node for node in nodes if node.row == row) for row in rows.tolist())
    lines = _lines(relays, nodes, home, thresholds or Thresholds())
    return Folded(by_row, tuple(sorted(lines, key=lambda line: (line.traversals, line.source.key, line.target.key))))


def _fold_row(relays: RelayMap, row: int, ordered: Ints, servers: int, domains: int) -> Iterator[tuple[Node, Ints]]:
    """The nodes of a row, whose relays are given in the order of weight, each with the places of its relays."""
    names, messages = relays.relays.names, relays.relays.figures["messages"]
    groups: list[tuple[str, NodeKind, Ints]] = [
        (names[place], "relay", ordered[at : at + 1]) for at, place in enumerate(ordered[:servers].tolist())
    ]
    by_owner: defaultdict[str, list[int]] = defaultdict(list)
    for place in ordered[servers:].tolist():
        by_owner[owner(names[place])].append(place)
    found = ((domain, np.array(members)) for domain, members in by_owner.items())
    ranked = sorted(found, key=lambda item: (-messages[item[1]].sum(dtype=np.int64), item[0]))
    groups += [(domain, "domain", members) for domain, members in ranked[:domains]]
    if ranked[domains:]:
        groups.append(("others", "others", np.concatenate([members for _, members in ranked[domains:]])))
    return ((_node(relays, row, index, group), group[2]) for index, group in enumerate(groups))


def _node(relays: RelayMap, row: int, index: int, group: tuple[str, NodeKind, Ints]) -> Node:
    name, kind, places = group
    members = tuple(relays.relays.names.at(places))
    if len(members) == 1:
        name, kind = members[0], "relay"
    [(level, _)] = Counter(relays.level[places].tolist()).most_common(1)
    messages = int(relays.relays.figures["messages"][places].sum(dtype=np.int64))
    return Node(f"r{row}n{index}", name, kind, row, members, messages, STANDINGS[level])


def _lines(relays: RelayMap, nodes: Sequence[Node], home: Ints, thresholds: Thresholds) -> Iterator[Line]:
    """The lines between nodes; one that leads back to its own node only for a loop."""
    edges = relays.edges
    ends = home[edges.source], home[edges.target]
    order, starts = grouped(ends)

    def sums(name: str, column: Ints) -> list[int]:
        return list(added(name, column[order], starts).tolist())

    links = np.diff(np.append(starts, len(order))).tolist()
    figures = {name: sums(name, edges.total(name)) for name in ("traversals", "messages", "looped", *DELAYS)}
    claimed = sums("traversals", edges.figure("traversals", edges.claimed))
    for at, edge in enumerate(order[starts].tolist()):
        source, target = nodes[ends[0][edge]], nodes[ends[1][edge]]
        looped, messages = bool(figures["looped"][at]), figures["messages"][at]
        if source is target and not looped:
            continue
        paint = colour(messages, relays.messages, looped=looped, thresholds=thresholds)
        if "others" in (source.kind, target.kind) and not looped:
            paint = Colour.NONE
        yield Line(
            source,
            target,
            paint,
            links=links[at],
            messages=messages,
            traversals=figures["traversals"][at],
            claimed=claimed[at],
            delays=delays_of([None if figures[name][at] == NONE else figures[name][at] for name in DELAYS]),
        )
