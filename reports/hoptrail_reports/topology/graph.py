"""The relay graph of some traffic, ready to be drawn: relays in rows, links with their colours.

Links point the way the mail went. Observed and claimed use of a link stay apart in every figure.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from hoptrail_reports.topology.colours import Colour, Thresholds, colour
from hoptrail_reports.topology.rows import prune_and_lower
from hoptrail_reports.topology.traffic import Direction, Link, LinkStats, RelayStats, Traffic

_NO_USE = LinkStats()


class Standing(StrEnum):
    """How far a relay's being there may be believed."""

    OURS = "ours"  # wrote lines that we believe
    SEEN = "seen"  # handed mail to such a host
    CLAIMED = "claimed"  # only a stranger's line speaks of it


@dataclass(frozen=True, slots=True)
class Edge:
    """A link with its observed and its claimed use."""

    source: str
    target: str
    observed: LinkStats
    claimed: LinkStats
    colour: Colour

    @property
    def total(self) -> LinkStats:
        """Both uses together; a message that used the link in both ways counts in each."""
        if self.claimed is _NO_USE:
            return self.observed
        return self.claimed if self.observed is _NO_USE else self.observed + self.claimed


@dataclass(frozen=True, slots=True)
class RelayMap:
    """Relays with rows and standing, and the links between them.

    `filters` are hand-overs inside one host, which are no links; `pruned` counts relays that no root leads to.
    """

    messages: int
    relays: Mapping[str, RelayStats]
    rows: Mapping[str, int]
    standing: Mapping[str, Standing]
    edges: Mapping[tuple[str, str], Edge]
    into: Mapping[str, tuple[Edge, ...]]  # by the relay that the mail went to, busiest first
    out_of: Mapping[str, tuple[Edge, ...]]  # by the relay that the mail came from
    filters: Mapping[str, LinkStats]
    pruned: int = 0

    def share(self, messages: int) -> float:
        """The share of all messages, at most 1."""
        return min(1.0, messages / self.messages) if self.messages else 0.0


def relay_map(
    traffic: Traffic,
    *,
    roots: Iterable[str] | None = None,
    direction: Direction = "to",
    thresholds: Thresholds = Thresholds(),  # noqa: B008 - frozen
) -> RelayMap:
    """The map of some traffic, pruned and lowered from its roots: by default the relays where ways end (rank 0)."""
    uses, filters = _uses(traffic)
    followers: defaultdict[str, set[str]] = defaultdict(set)
    for source, target in uses:
        near, far = (target, source) if direction == "to" else (source, target)
        followers[near].add(far)
    first_rows = {relay: stats.row for relay, stats in traffic.relays.items()}
    if roots is None:
        roots = [relay for relay, row in first_rows.items() if row == 0]
    found = prune_and_lower(first_rows, followers, roots)
    rows = {relay: found[relay] for relay in traffic.relays if relay in found}
    edges = {
        pair: _edge(pair, use, traffic.messages, thresholds)
        for pair, use in uses.items()
        if pair[0] in rows and pair[1] in rows
    }
    return RelayMap(
        messages=traffic.messages,
        relays={relay: traffic.relays[relay] for relay in rows},
        rows=rows,
        standing=_standing(traffic.links, rows),
        edges=edges,
        into=edges_by(edges.values(), lambda edge: edge.target),
        out_of=edges_by(edges.values(), lambda edge: edge.source),
        filters={relay: use for relay, use in filters.items() if relay in rows},
        pruned=len(traffic.relays) - len(rows),
    )


_Uses = dict[tuple[str, str], tuple[LinkStats, LinkStats]]


def _uses(traffic: Traffic) -> tuple[_Uses, dict[str, LinkStats]]:
    """Observed and claimed use by pair of relays, and the hosts' own filters."""
    uses: _Uses = {}
    filters: dict[str, LinkStats] = {}
    for link, stats in traffic.links.items():
        if link.source == link.target:
            filters[link.source] = filters.get(link.source, _NO_USE) + stats
            continue
        observed, claimed = uses.get((link.source, link.target), (_NO_USE, _NO_USE))
        uses[link.source, link.target] = (stats, claimed) if link.observed else (observed, stats)
    return uses, filters


def _edge(pair: tuple[str, str], use: tuple[LinkStats, LinkStats], total: int, thresholds: Thresholds) -> Edge:
    observed, claimed = use
    looped = bool(observed.looped or claimed.looped)
    paint = colour(observed.messages + claimed.messages, total, looped=looped, thresholds=thresholds)
    return Edge(*pair, observed, claimed, paint)


def _standing(links: Iterable[Link], relays: Iterable[str]) -> dict[str, Standing]:
    standing = dict.fromkeys(relays, Standing.CLAIMED)
    observed = [link for link in links if link.observed and link.target in standing]
    standing |= {link.source: Standing.SEEN for link in observed if link.source in standing}
    return standing | {link.target: Standing.OURS for link in observed}


def edges_by(edges: Iterable[Edge], end: Callable[[Edge], str]) -> dict[str, tuple[Edge, ...]]:
    """The links by the relay at one end, busiest first."""
    found: defaultdict[str, list[Edge]] = defaultdict(list)
    for edge in edges:
        found[end(edge)].append(edge)
    return {
        relay: tuple(sorted(group, key=lambda edge: (-edge.total.messages, edge.source, edge.target)))
        for relay, group in found.items()
    }
