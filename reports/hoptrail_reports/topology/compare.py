"""Two maps compared: what came, what went, and what shifted by more than chance explains."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import erfc, fsum, log2, sqrt

from hoptrail_reports.shown import duration, percent, shown
from hoptrail_reports.topology.delays import DelayStats
from hoptrail_reports.topology.graph import Edge, RelayMap

FALSE_DISCOVERIES = 0.01
"""The share of false ones that is accepted among the shifts shown (Benjamini and Hochberg)."""

DELAYS_NEEDED = 20
"""With fewer on either side a link's delays are not compared: the normal approximation of the rank test needs them."""

DELAY_FLOOR_S = 30.0
"""A shift of the median below this is no news, however sure it is."""

SHOWN = 15
"""Entries of each list on a terminal."""

Pair = tuple[str, str]


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
    links_added: tuple[Pair, ...]
    links_removed: tuple[Pair, ...]
    shares: tuple[ShareShift, ...]
    delays: tuple[DelayShift, ...]
    rows: tuple[tuple[str, int, int], ...]  # relay, row before, row after
    divergence: float  # Jensen-Shannon distance of the links' shares: 0 the same, 1 nothing in common


def compare(before: RelayMap, after: RelayMap) -> Comparison:
    """What changed from one map to another."""
    common = [(before.edges[pair], edge) for pair, edge in after.edges.items() if pair in before.edges]
    return Comparison(
        relays_added=_missing(after, before.relays),
        relays_removed=_missing(before, after.relays),
        links_added=_missing_links(after.edges, before.edges),
        links_removed=_missing_links(before.edges, after.edges),
        shares=_share_shifts(before, after),
        delays=_delay_shifts(common),
        rows=tuple(
            (relay, before.rows[relay], after.rows[relay])
            for relay in sorted(before.rows.keys() & after.rows.keys())
            if before.rows[relay] != after.rows[relay]
        ),
        divergence=jensen_shannon(_shares(before), _shares(after)),
    )


def jensen_shannon(left: Mapping[Pair, float], right: Mapping[Pair, float]) -> float:
    """The Jensen-Shannon distance of two distributions, to base 2: 0 for the same, 1 for disjoint ones."""
    parts = []
    for key in left.keys() | right.keys():
        p, q = left.get(key, 0.0), right.get(key, 0.0)
        parts += [share * log2(2 * share / (p + q)) / 2 for share in (p, q) if share > 0]
    divergence = fsum(parts)  # the same in any order
    return sqrt(min(1.0, max(0.0, divergence)))


def adjusted(p_values: Sequence[float]) -> list[float]:
    """The p-values adjusted for their number after Benjamini and Hochberg, in the order given."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i], reverse=True)
    found = [1.0] * len(p_values)
    least = 1.0
    for above, index in enumerate(order):
        least = min(least, p_values[index] * len(p_values) / (len(p_values) - above))
        found[index] = least
    return found


def two_proportions(hits_a: int, total_a: int, hits_b: int, total_b: int) -> float:
    """The two-sided p-value that two shares differ by chance alone (pooled z test)."""
    if not total_a or not total_b:
        return 1.0
    pooled = (hits_a + hits_b) / (total_a + total_b)
    spread = sqrt(max(0.0, pooled * (1 - pooled)) * (1 / total_a + 1 / total_b))
    return _two_sided(abs(hits_a / total_a - hits_b / total_b) / spread) if spread else 1.0


def ranks_differ(left: DelayStats, right: DelayStats) -> float:
    """The two-sided p-value that two sets of delays differ by chance alone: Mann-Whitney over the histograms' ties."""
    total = left.n + right.n
    below, wins, ties = 0, 0.0, 0
    for a, b in zip(left.counts, right.counts, strict=True):
        wins += b * (below + a / 2)
        below += a
        ties += (a + b) ** 3 - (a + b)
    if not left.n or not right.n:
        return 1.0
    spread = left.n * right.n / 12 * (total + 1 - ties / (total * (total - 1)))
    return _two_sided(abs(wins - left.n * right.n / 2) / sqrt(spread)) if spread > 0 else 1.0


def _two_sided(z: float) -> float:
    return erfc(z / sqrt(2))


def _missing(relays: RelayMap, others: Collection[str]) -> tuple[str, ...]:
    gone = (relay for relay in relays.relays if relay not in others)
    return tuple(sorted(gone, key=lambda relay: (-relays.relays[relay].messages, relay)))


def _missing_links(edges: Mapping[Pair, Edge], others: Collection[Pair]) -> tuple[Pair, ...]:
    return tuple(
        sorted((pair for pair in edges if pair not in others), key=lambda pair: (-_messages(edges, pair), pair))
    )


def _messages(edges: Mapping[Pair, Edge], pair: Pair) -> int:
    return edges[pair].total.messages if pair in edges else 0


def _shares(relays: RelayMap) -> dict[Pair, float]:
    hops = sum(edge.total.traversals for edge in relays.edges.values())
    return {pair: edge.total.traversals / hops for pair, edge in relays.edges.items()} if hops else {}


def _share_shifts(before: RelayMap, after: RelayMap) -> tuple[ShareShift, ...]:
    pairs = sorted(before.edges.keys() & after.edges.keys())
    counts = [(_messages(before.edges, pair), _messages(after.edges, pair)) for pair in pairs]
    p_values = [
        two_proportions(min(a, before.messages), before.messages, min(b, after.messages), after.messages)
        for a, b in counts
    ]
    shifts = (
        ShareShift(pair, before.share(a), after.share(b))
        for pair, (a, b), q in zip(pairs, counts, adjusted(p_values), strict=True)
        if q < FALSE_DISCOVERIES
    )
    return tuple(sorted(shifts, key=lambda shift: -abs(shift.after - shift.before)))


def _delay_shifts(common: Iterable[tuple[Edge, Edge]]) -> tuple[DelayShift, ...]:
    found = [
        (one.total.delays, other.total.delays, (other.source, other.target))
        for one, other in common
        if min(one.total.delays.n, other.total.delays.n) >= DELAYS_NEEDED
    ]
    q_values = adjusted([ranks_differ(one, other) for one, other, _ in found])
    shifts = (
        DelayShift(pair, one.median_s or 0.0, other.median_s or 0.0)
        for (one, other, pair), q in zip(found, q_values, strict=True)
        if q < FALSE_DISCOVERIES and abs((other.median_s or 0.0) - (one.median_s or 0.0)) >= DELAY_FLOOR_S
    )
    return tuple(sorted(shifts, key=lambda shift: -abs(shift.after_s - shift.before_s)))


def comparison_text(found: Comparison) -> str:
    """The comparison for a terminal: counts of all, and the first of each."""
    lines = [f"distance of the links' shares: {found.divergence:.3f} (0 the same, 1 nothing in common)"]
    for what, entries in comparison_lists(found):
        more = [f"  and {len(entries) - SHOWN:,} more"] if len(entries) > SHOWN else []
        lines += [f"{what}: {len(entries):,}", *(f"  {entry}" for entry in entries[:SHOWN]), *more]
    return "\n".join([*lines, ""])


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
