"""How a link and a relay were used: statistics that merge by addition, and the names of their figures in columns."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, NamedTuple

from hoptrail_reports.topology.delays import EDGES_S, NO_DELAYS, DelayStats, least, most

COUNTS: Final = (*(f"under_{edge}" for edge in EDGES_S), "longer")
DELAYS: Final = ("delays", "sum_s", "sum_squares", "min_s", "max_s", *COUNTS, "skewed")
EXTREMES: Final = {"min_s": "min", "max_s": "max", "first_s": "min", "last_s": "max"}
LINK: Final = ("traversals", "messages", "looped", *DELAYS, "first_s", "last_s")
RELAY: Final = ("messages", *DELAYS, "first_s", "last_s")
"""The figures of a link and of a relay, in the order of the columns; all add up but those of `EXTREMES`."""

Values = Sequence[int | None]


class Link(NamedTuple):
    """Mail handed from one relay to another. `observed`: a host of ours or one we trust says so, not a stranger."""

    source: str
    target: str
    observed: bool


@dataclass(frozen=True, slots=True)
class LinkStats:
    """How a link was used. A message that passes it twice is two traversals."""

    traversals: int = 0
    messages: int = 0
    looped: int = 0  # traversals between two visits of one message to one relay
    delays: DelayStats = NO_DELAYS
    first: int | None = None  # seconds since 1970, when a message that used it was recorded
    last: int | None = None

    def __add__(self, other: "LinkStats") -> "LinkStats":
        """What two sets of messages, with none in common, did together."""
        return LinkStats(
            self.traversals + other.traversals,
            self.messages + other.messages,
            self.looped + other.looped,
            self.delays + other.delays,
            least(self.first, other.first),
            most(self.last, other.last),
        )


@dataclass(frozen=True, slots=True)
class RelayStats:
    """How a relay was used. `reach` is the time between it and the root, `ranks` how often it stood how far away."""

    messages: int = 0
    ranks: Mapping[int, int] = field(default_factory=dict)
    reach: DelayStats = NO_DELAYS
    first: int | None = None
    last: int | None = None

    @property
    def row(self) -> int:
        """The row it is drawn in before rows are lowered: its least rank."""
        return min(self.ranks, default=0)

    def __add__(self, other: "RelayStats") -> "RelayStats":
        """What two sets of messages, with none in common, did together."""
        return RelayStats(
            self.messages + other.messages,
            dict(Counter(self.ranks) + Counter(other.ranks)),
            self.reach + other.reach,
            least(self.first, other.first),
            most(self.last, other.last),
        )


def link_stats(values: Values) -> LinkStats:
    """The use of a link out of its figures, in the order of `LINK`."""
    traversals, messages, looped, *delays, first, last = values
    return LinkStats(traversals or 0, messages or 0, looped or 0, delays_of(delays), first, last)


def link_values(stats: LinkStats) -> Values:
    """The figures of a link, in the order of `LINK`."""
    return stats.traversals, stats.messages, stats.looped, *_delay_values(stats.delays), stats.first, stats.last


def relay_stats(values: Values, ranks: Mapping[int, int]) -> RelayStats:
    """The use of a relay out of its figures, in the order of `RELAY`."""
    messages, *delays, first, last = values
    return RelayStats(messages or 0, ranks, delays_of(delays), first, last)


def relay_values(stats: RelayStats) -> Values:
    """The figures of a relay, in the order of `RELAY`."""
    return stats.messages, *_delay_values(stats.reach), stats.first, stats.last


def delays_of(values: Values) -> DelayStats:
    """Statistics of delays out of the figures `DELAYS`. Most links carry one message or two, and those share theirs."""
    return _shared_delays(*values)


@lru_cache(maxsize=4_096)
def _shared_delays(*values: int) -> DelayStats:
    n, sum_s, sum_squares, min_s, max_s, *counts, skewed = values
    return DelayStats(n, sum_s, sum_squares, min_s, max_s, tuple(counts), skewed)


def _delay_values(stats: DelayStats) -> Values:
    moments = (stats.n, stats.sum_s, stats.sum_squares, stats.min_s, stats.max_s)
    return (*moments, *stats.counts, stats.skewed)
