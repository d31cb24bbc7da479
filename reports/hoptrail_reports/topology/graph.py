"""The relay graph of some traffic, ready to be drawn: relays in rows, links with their colours.

Links point the way the mail went. Observed and claimed use of a link stay apart in every figure.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from typing import Final, TypeVar

import numpy as np

from hoptrail_reports.topology.colours import Colour, Thresholds
from hoptrail_reports.topology.columns import NONE, Ints, Links, Listed, Mask, Names, Relays, Rows, added
from hoptrail_reports.topology.rows import PRUNED, prune_and_lower
from hoptrail_reports.topology.traffic import Direction, Traffic
from hoptrail_reports.topology.usage import EXTREMES, LinkStats

V = TypeVar("V")
Pair = tuple[str, str]

_NO_USE: Final = LinkStats()
COLOURS: Final = tuple(Colour)


class Standing(StrEnum):
    """How far a relay's being there may be believed."""

    OURS = "ours"  # wrote lines that we believe
    SEEN = "seen"  # handed mail to such a host
    CLAIMED = "claimed"  # only a stranger's line speaks of it


STANDINGS: Final = tuple(Standing)


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


@dataclass(frozen=True, eq=False)
class Edges(Rows[Pair, Edge]):
    """The links of a map by source and target, in their order; these are places in `names`.

    `observed` and `claimed` are the rows of `links` that hold the use, -1 where there was none.
    """

    names: Names
    source: Ints
    target: Ints
    observed: Ints
    claimed: Ints
    links: Links
    colour: Ints  # places in `COLOURS`

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.source)

    def keys_at(self, places: Ints) -> Iterator[Pair]:
        """The ends of links."""
        return zip(self.names.at(self.source[places]), self.names.at(self.target[places]), strict=True)

    def values_at(self, places: Ints) -> Iterator[Edge]:
        """Links with their use."""
        colours = map(COLOURS.__getitem__, self.colour[places].tolist())
        uses = (self._uses(rows[places]) for rows in (self.observed, self.claimed))
        return map(Edge, *zip(*self.keys_at(places), strict=True), *uses, colours) if len(places) else iter(())

    def place(self, key: Pair) -> int:
        """The row of a link; raises KeyError."""
        wanted = self.names.place(key[0]) * len(self.names) + self.names.place(key[1])
        place = int(np.searchsorted(self._numbers, wanted))
        if place == len(self) or self._numbers[place] != wanted:
            raise KeyError(key)
        return place

    @cached_property
    def _numbers(self) -> Ints:
        return np.asarray(self.source.astype(np.int64) * len(self.names) + self.target)

    def total(self, figure: str) -> Ints:
        """A figure of observed and claimed use together, for each link."""
        both = np.stack([self.figure(figure, self.observed), self.figure(figure, self.claimed)], axis=1)
        return added(figure, both.ravel(), np.arange(0, both.size, 2)) if len(both) else both[:, 0]

    def figure(self, figure: str, rows: Ints) -> Ints:
        """A figure of `observed` or of `claimed` use, for each link."""
        column = np.append(self.links.figures[figure], NONE if figure in EXTREMES else 0)
        return column[rows].astype(np.int64)  # what stands at -1 is the last one's

    def _uses(self, rows: Ints) -> Iterator[LinkStats]:
        found = self.links.values_at(rows[rows >= 0])
        return (next(found) if row >= 0 else _NO_USE for row in rows.tolist())


class ByRelay(Rows[str, V]):
    """Something of relays by name, for those at some places among the names, which are in order."""

    def __init__(self, names: Names, places: Ints, made: Callable[[Ints], Iterator[V]]) -> None:
        """Give what `made` makes of indices into `places`."""
        self._names, self._places, self._made = names, places, made

    def __len__(self) -> int:
        """Return how many relays there are."""
        return len(self._places)

    def keys_at(self, places: Ints) -> Iterator[str]:
        """The relays' names."""
        return self._names.at(self._places[places])

    def values_at(self, places: Ints) -> Iterator[V]:
        """What is asked for."""
        return self._made(places)

    def place(self, key: str) -> int:
        """The index of a relay; raises KeyError."""
        wanted = self._names.place(key)
        place = int(np.searchsorted(self._places, wanted))
        if place == len(self) or self._places[place] != wanted:
            raise KeyError(key)
        return place


@dataclass(frozen=True, eq=False)
class RelayMap:
    """Relays with rows and standing, and the links between them; columns go by the relays' places.

    `pruned` counts relays that no root leads to.
    """

    messages: int
    relays: Relays
    row: Ints
    level: Ints  # of standing, a place in `STANDINGS`
    edges: Edges
    own: Edges  # hand-overs inside one host, which are no links
    pruned: int = 0

    @cached_property
    def rows(self) -> Mapping[str, int]:
        """The row of each relay."""
        return self._of_all(lambda places: iter(self.row[places].tolist()))

    @cached_property
    def standing(self) -> Mapping[str, Standing]:
        """The standing of each relay."""
        return self._of_all(lambda places: map(STANDINGS.__getitem__, self.level[places].tolist()))

    @cached_property
    def into(self) -> Mapping[str, Sequence[Edge]]:
        """The links by the relay that the mail went to, busiest first."""
        return self._by_end(self.edges.target)

    @cached_property
    def out_of(self) -> Mapping[str, Sequence[Edge]]:
        """The links by the relay that the mail came from, busiest first."""
        return self._by_end(self.edges.source)

    @cached_property
    def filters(self) -> Mapping[str, LinkStats]:
        """The use of hosts' own filters."""
        own = self.own
        return ByRelay(self.relays.names, own.source, lambda places: (edge.total for edge in own.values_at(places)))

    @cached_property
    def busiest(self) -> Sequence[str]:
        """The relays, those with most messages first."""
        order = np.argsort(-self.relays.figures["messages"].astype(np.int64), kind="stable")
        return Listed(order, self.relays.names.at)

    def share(self, messages: int) -> float:
        """The share of all messages, at most 1."""
        return min(1.0, messages / self.messages) if self.messages else 0.0

    def _of_all(self, made: Callable[[Ints], Iterator[V]]) -> ByRelay[V]:
        return ByRelay(self.relays.names, np.arange(len(self.relays)), made)

    def _by_end(self, end: Ints) -> ByRelay[Sequence[Edge]]:
        order = np.lexsort((-self.edges.total("messages"), end))
        places, starts = np.unique(end[order], return_index=True)
        bounds = [*starts.tolist(), len(order)]

        def made(found: Ints) -> Iterator[Sequence[Edge]]:
            return (Listed(order[bounds[at] : bounds[at + 1]], self.edges.values_at) for at in found.tolist())

        return ByRelay(self.relays.names, places, made)


def relay_map(
    traffic: Traffic,
    *,
    roots: Iterable[str] | None = None,
    direction: Direction = "to",
    thresholds: Thresholds = Thresholds(),  # noqa: B008 - frozen
) -> RelayMap:
    """The map of some traffic, pruned and lowered from its roots: by default the relays where ways end (rank 0)."""
    relays, links = traffic.relays, traffic.links
    places = relays.names.places(links.names)
    source, target = places[links.source], places[links.target]
    leads = (source != target) & (np.minimum(source, target) >= 0)
    ends = (target[leads], source[leads]) if direction == "to" else (source[leads], target[leads])
    first_rows = relays.least_rank
    root_places = np.flatnonzero(first_rows == 0) if roots is None else relays.names.places(roots)
    row = prune_and_lower(first_rows, *ends, root_places)
    shown = row != PRUNED
    renumbered = np.append(np.where(shown, np.cumsum(shown) - 1, PRUNED), PRUNED)
    return drawn(
        relays.taken(shown),
        row[shown],
        links,
        (renumbered[source], renumbered[target]),
        messages=traffic.messages,
        pruned=int(np.count_nonzero(~shown)),
        thresholds=thresholds,
    )


def drawn(
    relays: Relays,
    row: Ints,
    links: Links,
    ends: tuple[Ints, Ints],
    *,
    messages: int,
    pruned: int,
    thresholds: Thresholds,
    level: Ints | None = None,
) -> RelayMap:
    """The map of relays that are in their rows. `ends` are the links' places among them, -1 for one that is not."""
    here = np.minimum(*ends) >= 0
    edges, own = (
        _with_colours(_edges(relays.names, links, ends, which), messages, thresholds)
        for which in (here & (ends[0] != ends[1]), here & (ends[0] == ends[1]))
    )
    level = _levels(len(relays), links.observed & (ends[1] >= 0), ends) if level is None else level
    return RelayMap(messages, relays, row, level, edges, own, pruned)


def _levels(relays: int, observed: Mask, ends: tuple[Ints, Ints]) -> Ints:
    level = np.full(relays, STANDINGS.index(Standing.CLAIMED))
    source = ends[0][observed]
    level[source[source >= 0]] = STANDINGS.index(Standing.SEEN)
    level[ends[1][observed]] = STANDINGS.index(Standing.OURS)
    return level


def _edges(names: Names, links: Links, ends: tuple[Ints, Ints], which: Mask) -> Edges:
    """Some links, the observed and the claimed use of each pair of relays together."""
    rows = np.flatnonzero(which)
    source, target = ends[0][rows], ends[1][rows]
    begins = np.ones(len(rows), bool)
    begins[1:] = (source[1:] != source[:-1]) | (target[1:] != target[:-1])
    edge = np.cumsum(begins) - 1
    observed, claimed = np.full((2, int(begins.sum())), -1)
    is_observed = links.observed[rows]
    observed[edge[is_observed]] = rows[is_observed]
    claimed[edge[~is_observed]] = rows[~is_observed]
    none = np.full(len(observed), COLOURS.index(Colour.NONE), np.int8)
    return Edges(names, source[begins], target[begins], observed, claimed, links, none)


def _with_colours(edges: Edges, messages: int, thresholds: Thresholds) -> Edges:
    """The links with what `colours.colour` gives for each."""
    share = np.minimum(1.0, edges.total("messages") / messages) if messages else np.zeros(len(edges))
    conditions = [edges.total("looped") > 0, share >= thresholds.backbone, share >= thresholds.rare]
    colours = [COLOURS.index(colour) for colour in (Colour.GREEN, Colour.BLUE, Colour.PURPLE, Colour.RED)]
    return replace(edges, colour=np.select(conditions, colours[:3], colours[3]).astype(np.int8))
