"""Statistics of delays that merge by addition, over messages, days and hosts, on every engine.

Quantiles do not merge; a histogram does, and the median and its deviation are read from it. All numbers are whole
seconds, since Received dates have no finer grain: so merging is exact, and every engine gives the same.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

EDGES_S: Final = (1, 5, 20, 60, 240, 360, 540, 720, 840, 1020, 1620, 2100, 14_400)
"""Lower edges of all buckets but the first. Those around 300, 600, 900 and 1800 s hold the retries that greylisting
causes, and each has its neighbours to be compared with."""

BUCKETS: Final = len(EDGES_S) + 1

BUCKET_LABELS: Final = (
    "under 1 s",
    "1-5 s",
    "5-20 s",
    "20-60 s",
    "1-4 min",
    "4-6 min",
    "6-9 min",
    "9-12 min",
    "12-14 min",
    "14-17 min",
    "17-27 min",
    "27-35 min",
    "35 min-4 h",
    "over 4 h",
)

LONGEST_S: Final = 864_000
"""Ten days, twice as long as MTAs keep trying (RFC 5321, 4.5.4.1): what is longer is no delay but a wrong clock.
It also keeps sums of squares inside 64 bits for 12 million such delays."""

NO_COUNTS: Final = (0,) * BUCKETS


def bucket(seconds: int) -> int:
    """The index of the histogram bucket that a delay falls into."""
    return bisect_right(EDGES_S, seconds)


@dataclass(frozen=True, slots=True)
class DelayStats:
    """Delays seen: how many, their moments, extremes and histogram; those that clocks spoilt are only counted."""

    n: int = 0
    sum_s: int = 0
    sum_squares: int = 0
    min_s: int | None = None
    max_s: int | None = None
    counts: tuple[int, ...] = NO_COUNTS
    skewed: int = 0  # negative, or longer than LONGEST_S

    def __add__(self, other: "DelayStats") -> "DelayStats":
        """The statistics of both sets of delays together."""
        return DelayStats(
            self.n + other.n,
            self.sum_s + other.sum_s,
            self.sum_squares + other.sum_squares,
            least(self.min_s, other.min_s),
            most(self.max_s, other.max_s),
            tuple(a + b for a, b in zip(self.counts, other.counts, strict=True)),
            self.skewed + other.skewed,
        )

    @property
    def mean_s(self) -> float | None:
        """The mean delay."""
        return self.sum_s / self.n if self.n else None

    @property
    def variance(self) -> float | None:
        """The sample variance, in square seconds; None below two delays."""
        if self.n < 2:  # noqa: PLR2004 - a variance needs two
            return None
        return max(0.0, (self.sum_squares - self.sum_s * self.sum_s / self.n) / (self.n - 1))

    @property
    def median_s(self) -> float | None:
        """The median delay, interpolated inside its bucket."""
        return self._quantile([(count, *self._range(index)) for index, count in enumerate(self.counts) if count])

    @property
    def mad_s(self) -> float | None:
        """The median absolute deviation from the median, as far as the histogram tells."""
        median = self.median_s
        if median is None:
            return None
        spans = []
        for index, count in enumerate(self.counts):
            if not count:
                continue
            low, high = self._range(index)
            far = max(abs(low - median), abs(high - median))
            near = 0.0 if low <= median <= high else min(abs(low - median), abs(high - median))
            spans.append((count, near, far))
        return self._quantile(sorted(spans, key=lambda span: span[1] + span[2]))

    def _range(self, index: int) -> tuple[float, float]:
        """The bucket's edges, drawn in to what was really seen."""
        low = EDGES_S[index - 1] if index else 0
        high = EDGES_S[index] if index < len(EDGES_S) else LONGEST_S
        return float(max(low, self.min_s or 0)), float(min(high, self.max_s if self.max_s is not None else high))

    def _quantile(self, spans: Sequence[tuple[int, float, float]]) -> float | None:
        half, before = self.n / 2, 0
        for count, low, high in spans:
            if before + count >= half:
                return low + (high - low) * (half - before) / count
            before += count
        return None


NO_DELAYS: Final = DelayStats()


def delay_stats(delays_s: Iterable[int]) -> DelayStats:
    """The statistics of some delays, in whole seconds."""
    n = total = squares = skewed = 0
    low: int | None = None
    high: int | None = None
    counts = [0] * BUCKETS
    for delay in delays_s:
        if not 0 <= delay <= LONGEST_S:
            skewed += 1
            continue
        n += 1
        total += delay
        squares += delay * delay
        low, high = least(low, delay), most(high, delay)
        counts[bucket(delay)] += 1
    return DelayStats(n, total, squares, low, high, tuple(counts), skewed)


def least(a: int | None, b: int | None) -> int | None:
    """The smaller of two numbers that may be absent."""
    if a is None or b is None:
        return b if a is None else a
    return min(a, b)


def most(a: int | None, b: int | None) -> int | None:
    """The larger of two numbers that may be absent."""
    if a is None or b is None:
        return b if a is None else a
    return max(a, b)
