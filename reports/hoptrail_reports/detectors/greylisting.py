"""Greylisting: delays of a link heap up where senders retry (about 5, 10, 15 and 30 minutes).

Each window of the histogram is held against the buckets on its both sides; how unlikely the heap is without a cause is
bounded by Chernoff's inequality for the binomial.
"""

from collections.abc import Iterator
from math import log
from typing import Final

from hoptrail_reports.detectors.finding import Finding, Observations
from hoptrail_reports.shown import counted, percent
from hoptrail_reports.topology.delays import EDGES_S

WINDOWS: Final = ((240, 360), (540, 720), (840, 1020), (1620, 2100))
P_MOST: Final = 0.01
"""That one link of all those looked at is named without a cause."""
LEAST: Final = 10
LEAST_SHARE: Final = 0.02
MARGIN: Final = 1.25
"""Delays thin out towards longer ones, so that the buckets beside a window may understate what belongs into it."""


def detect(seen: Observations) -> Iterator[Finding]:
    """The links whose mail waited for a retry."""
    all_links = seen.traffic.links
    enough = (all_links.figures["delays"] >= LEAST) & all_links.between_two
    links = {link: stats.delays for link, stats in all_links.where(enough)}
    limit = log(P_MOST / max(len(links) * len(WINDOWS), 1))
    for link, delays in links.items():
        held, window, bound = min(
            ((_count(delays.counts, window), window, _log_bound(delays.counts, window)) for window in WINDOWS),
            key=lambda found: found[2],
        )
        if bound < limit and held >= max(LEAST, LEAST_SHARE * delays.n):
            share = held / delays.n
            yield Finding(
                kind="greylisting",
                subject=f"{link.source} -> {link.target}",
                score=round(min(0.5, 0.1 + share / 4 + 0.2 * min(1.0, held / max(seen.traffic.messages, 1))), 3),
                sentence=(
                    f"{link.target} seems to greylist mail from {link.source}: {counted(held, 'message')} of "
                    f"{delays.n:,}, {percent(share)}, came {window[0] // 60} to {window[1] // 60} minutes late, "
                    "as after a retry."
                ),
                evidence={"held": held, "delays": delays.n, "log10_p": round(bound / log(10), 1), "from_s": window[0]},
                relay=link.target,
            )


def _count(counts: tuple[int, ...], window: tuple[int, int]) -> int:
    return counts[EDGES_S.index(window[0]) + 1]


def _log_bound(counts: tuple[int, ...], window: tuple[int, int]) -> float:
    """The logarithm of a bound on the chance of so many delays in the window, given those beside it."""
    at = EDGES_S.index(window[0])
    held, before, after = counts[at + 1], counts[at], counts[at + 2]
    width = window[1] - window[0]
    density = before / (EDGES_S[at] - EDGES_S[at - 1]) + after / (EDGES_S[at + 2] - EDGES_S[at + 1])
    expected = MARGIN * width * density / 2 + 1
    total = held + before + after
    usual = expected / (expected + before + after) if before + after else 0.5
    share = held / total if total else 0.0
    if share <= usual:
        return 0.0
    return -total * (share * log(share / usual) + ((1 - share) * log((1 - share) / (1 - usual)) if share < 1 else 0.0))
