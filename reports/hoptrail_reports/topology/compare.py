"""Two maps compared: what came, what went, and what shifted by more than chance explains."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from math import erfc, fsum, sqrt
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hoptrail_reports.shown import duration, percent, shown
from hoptrail_reports.topology.columns import Ints, Listed
from hoptrail_reports.topology.graph import Edges, Pair, RelayMap
from hoptrail_reports.topology.usage import COUNTS

FALSE_DISCOVERIES = 0.01
"""The share of false ones that is accepted among the shifts shown (Benjamini and Hochberg)."""

DELAYS_NEEDED = 20
"""With fewer on either side a link's delays are not compared: the normal approximation of the rank test needs them."""

DELAY_FLOOR_S = 30.0
"""A shift of the median below this is no news, however sure it is."""

SHOWN = 15
"""Entries of each list on a terminal."""

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class ShareShift:
    """A link whose share of all messages differs."""

    link: Pair
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class DelayShift:
    """A link whose delays differ: its medians, in seconds."""

    link: Pair
    before_s: float
    after_s: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """How a later map differs from an earlier one; all lists begin with what concerns most mail or shifts most."""

    relays_added: tuple[str, ...]
    relays_removed: tuple[str, ...]
    links_added: Sequence[Pair]
    links_removed: Sequence[Pair]
    shares: tuple[ShareShift, ...]
    delays: tuple[DelayShift, ...]
    rows: tuple[tuple[str, int, int], ...]  # relay, row before, row after
    divergence: float  # Jensen-Shannon distance of the links' shares: 0 the same, 1 nothing in common


def compare(before: RelayMap, after: RelayMap) -> Comparison:
    """What changed from one map to another."""
    common = _common(before, after)
    divergence = jensen_shannon(*_shares(before.edges, after.edges, common))
    return Comparison(
        relays_added=_missing(after, before),
        relays_removed=_missing(before, after),
        links_added=_missing_links(after.edges, common.after),
        links_removed=_missing_links(before.edges, common.before),
        shares=_share_shifts(before, after, common),
        delays=_delay_shifts(before.edges, after.edges, common),
        rows=tuple(_row_changes(before, after)),
        divergence=divergence,
    )


class _Common(NamedTuple):
    """The links that both maps have: their rows in each, in the same order."""

    before: Ints
    after: Ints


def _common(before: RelayMap, after: RelayMap) -> _Common:
    names = after.relays.names
    places = names.places(before.relays.names)
    source, target = places[before.edges.source], places[before.edges.target]
    known = np.flatnonzero(np.minimum(source, target) >= 0)
    _, one, other = np.intersect1d(
        source[known] * len(names) + target[known],
        after.edges.source.astype(np.int64) * len(names) + after.edges.target,
        assume_unique=True,
        return_indices=True,
    )
    return _Common(known[one], other)


def jensen_shannon(left: Floats, right: Floats) -> float:
    """The Jensen-Shannon distance of two distributions over the same things: 0 for the same, 1 for disjoint ones."""
    both = left + right
    parts = (share[share > 0] * np.log2(2 * share[share > 0] / both[share > 0]) / 2 for share in (left, right))
    divergence = fsum(np.concatenate([*parts]).tolist())  # the same in any order
    return sqrt(min(1.0, max(0.0, divergence)))


def adjusted(p_values: Floats) -> Floats:
    """The p-values adjusted for their number after Benjamini and Hochberg, in the order given."""
    order = np.argsort(-p_values, kind="stable")
    tests = len(p_values)
    found = np.ones(tests)
    found[order] = np.minimum.accumulate(np.minimum(1.0, p_values[order] * tests / (tests - np.arange(tests))))
    return found


def two_proportions(hits_a: Ints, total_a: int, hits_b: Ints, total_b: int) -> Floats:
    """The two-sided p-values that two shares differ by chance alone (pooled z test), for each pair of counts."""
    if not total_a or not total_b:
        return np.ones(len(hits_a))
    pooled = (hits_a + hits_b) / (total_a + total_b)
    spread = np.sqrt(np.maximum(0.0, pooled * (1 - pooled)) * (1 / total_a + 1 / total_b))
    apart = np.abs(hits_a / total_a - hits_b / total_b)
    return _two_sided(np.divide(apart, spread, out=np.zeros(len(apart)), where=spread > 0))


def ranks_differ(left: Ints, right: Ints) -> Floats:
    """The two-sided p-values that two sets of delays differ by chance alone: Mann-Whitney over the histograms' ties.

    A row of each is a histogram, whose delays are those that have a bucket.
    """
    one, other = left.astype(float), right.astype(float)
    n, m = one.sum(axis=1), other.sum(axis=1)
    total = n + m
    wins = (other * (np.cumsum(one, axis=1) - one / 2)).sum(axis=1)
    ties = ((one + other) ** 3 - (one + other)).sum(axis=1)
    pairs = np.maximum(total * (total - 1), 1)
    spread = np.sqrt(np.maximum(0.0, n * m / 12 * (total + 1 - ties / pairs)))
    return _two_sided(np.divide(np.abs(wins - n * m / 2), spread, out=np.zeros(len(n)), where=spread > 0))


def _two_sided(z: Floats) -> Floats:
    return np.fromiter(map(erfc, (z / sqrt(2)).tolist()), float, len(z))


def _missing(relays: RelayMap, others: RelayMap) -> tuple[str, ...]:
    missing = others.relays.names.places(relays.relays.names) < 0
    return tuple(relays.relays.names.at(_busiest(relays.relays.figures["messages"], np.flatnonzero(missing))))


def _missing_links(edges: Edges, common: Ints) -> Sequence[Pair]:
    missing = np.ones(len(edges), bool)
    missing[common] = False
    return Listed(_busiest(edges.total("messages"), np.flatnonzero(missing)), edges.keys_at)


def _busiest(messages: Ints, places: Ints) -> Ints:
    """Rows with most messages first, in their order where they have as many."""
    return places[np.argsort(-messages[places].astype(np.int64), kind="stable")]


def _row_changes(before: RelayMap, after: RelayMap) -> Iterator[tuple[str, int, int]]:
    places = before.relays.names.places(after.relays.names)
    was = np.where(places >= 0, np.append(before.row, 0)[places], after.row)
    changed = np.flatnonzero(was != after.row)
    return zip(after.relays.names.at(changed), was[changed].tolist(), after.row[changed].tolist(), strict=True)


def _shares(before: Edges, after: Edges, common: _Common) -> tuple[Floats, Floats]:
    """Each link's share of all traversals in both maps: those of the earlier one, then those the later has alone."""
    counts = [edges.total("traversals") for edges in (before, after)]
    one, other = (count / max(int(count.sum()), 1) for count in counts)
    right = np.zeros(len(one))
    right[common.before] = other[common.after]
    only = np.ones(len(other), bool)
    only[common.after] = False
    return np.append(one, np.zeros(int(only.sum()))), np.append(right, other[only])


def _share_shifts(before: RelayMap, after: RelayMap, common: _Common) -> tuple[ShareShift, ...]:
    one = np.minimum(before.edges.total("messages")[common.before], before.messages)
    other = np.minimum(after.edges.total("messages")[common.after], after.messages)
    moved = adjusted(two_proportions(one, before.messages, other, after.messages)) < FALSE_DISCOVERIES
    pairs = after.edges.keys_at(common.after[moved])
    shifts = (
        ShareShift(pair, before.share(a), after.share(b))
        for pair, a, b in zip(pairs, one[moved].tolist(), other[moved].tolist(), strict=True)
    )
    return tuple(sorted(shifts, key=lambda shift: (-abs(shift.after - shift.before), shift.link)))


def _delay_shifts(before: Edges, after: Edges, common: _Common) -> tuple[DelayShift, ...]:
    enough = before.total("delays")[common.before] >= DELAYS_NEEDED
    enough &= after.total("delays")[common.after] >= DELAYS_NEEDED
    rows = common.before[enough], common.after[enough]
    one, other = (_histograms(edges, row) for edges, row in zip((before, after), rows, strict=True))
    moved = adjusted(ranks_differ(one, other)) < FALSE_DISCOVERIES
    uses = zip(before.values_at(rows[0][moved]), after.values_at(rows[1][moved]), strict=True)
    shifts = (
        DelayShift((to.source, to.target), was.total.delays.median_s or 0.0, to.total.delays.median_s or 0.0)
        for was, to in uses
    )
    found = (shift for shift in shifts if abs(shift.after_s - shift.before_s) >= DELAY_FLOOR_S)
    return tuple(sorted(found, key=lambda shift: (-abs(shift.after_s - shift.before_s), shift.link)))


def _histograms(edges: Edges, rows: Ints) -> Ints:
    return np.stack([edges.total(name)[rows] for name in COUNTS], axis=1)


def comparison_text(found: Comparison) -> str:
    """The comparison for a terminal: counts of all, and the first of each."""
    lines = [f"distance of the links' shares: {found.divergence:.3f} (0 the same, 1 nothing in common)"]
    for what, entries in comparison_lists(found):
        more = [f"  and {len(entries) - SHOWN:,} more"] if len(entries) > SHOWN else []
        lines += [f"{what}: {len(entries):,}", *(f"  {entry}" for entry in entries[:SHOWN]), *more]
    return "\n".join([*lines, ""])


def comparison_document(found: Comparison) -> dict[str, Any]:
    """The comparison as JSON values, whole."""
    return {
        "relays_added": list(found.relays_added),
        "relays_removed": list(found.relays_removed),
        "links_added": list(found.links_added),
        "links_removed": list(found.links_removed),
        "shares": [asdict(shift) for shift in found.shares],
        "delays": [asdict(shift) for shift in found.delays],
        "rows": list(found.rows),
        "divergence": found.divergence,
    }


def comparison_lists(found: Comparison) -> list[tuple[str, list[str]]]:
    """What differs, in words: each heading with its entries, all of them."""
    return [
        ("relays that came", [shown(relay) for relay in found.relays_added]),
        ("relays that went", [shown(relay) for relay in found.relays_removed]),
        ("links that came", [_arrow(link) for link in found.links_added]),
        ("links that went", [_arrow(link) for link in found.links_removed]),
        (
            "links whose share moved",
            [f"{_arrow(s.link)}: {percent(s.before)} to {percent(s.after)}" for s in found.shares],
        ),
        (
            "links whose delay moved",
            [f"{_arrow(s.link)}: median {duration(s.before_s)} to {duration(s.after_s)}" for s in found.delays],
        ),
        ("relays that changed rows", [f"{shown(name)}: {a} to {b}" for name, a, b in found.rows]),
    ]


def _arrow(link: Pair) -> str:
    return f"{shown(link[0])} \N{RIGHTWARDS ARROW} {shown(link[1])}"
