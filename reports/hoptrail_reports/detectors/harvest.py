"""Harvesting: networks that were refused nearly all they named, and days on which far more was refused than usual.

A network counts by the lower bound of Wilson's interval of its refused share (Wilson, J. Am. Stat. Assoc. 22, 1927):
a few typing errors accuse nobody. A day is judged by its share's logit, less the median of the days before, divided by
their median deviation.
"""

from collections.abc import Iterator
from itertools import islice
from math import log10, sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hoptrail_reports.detectors.finding import Finding, Observations
from hoptrail_reports.refusals import Harvest
from hoptrail_reports.shown import counted, percent

REFUSED_LEAST: Final = 20
"""Fewer refused recipients are typing errors and old lists."""
MOSTLY: Final = 0.5
SIGMAS: Final = 3.0
NETWORKS_MOST: Final = 200
"""Named at most, the worst: a night on which botnets try is said by the day's share."""

DAYS_LEAST: Final = 14
Z_LEAST: Final = 5.0
SPREAD_LEAST: Final = 0.15
"""Of the logit: no site is so steady that a sixth more is worth a word."""
RISE_LEAST: Final = 0.05
TO_SIGMA: Final = 1.4826
"""From the median deviation to the standard deviation of a normal distribution."""


def detect(seen: Observations) -> Iterator[Finding]:
    """The networks whose recipients were mostly refused, and the day itself where its share is unusual."""
    yield from _day(seen)
    total = sum(one.refused for one in seen.harvests)
    judged = (
        (one, _least_share(one.refused, one.refused + one.accepted))
        for one in seen.harvests
        if one.refused >= REFUSED_LEAST
    )
    for one, sure in islice((pair for pair in judged if pair[1] > MOSTLY), NETWORKS_MOST):
        yield _network(one, sure, one.refused / total)


def _network(one: Harvest, sure: float, part: float) -> Finding:
    volume = min(1.0, log10(one.refused) / 4)
    breadth = min(1.0, one.hours / 24)
    taken = (
        f"{one.accepted:,} {'was' if one.accepted == 1 else 'were'} accepted" if one.accepted else "none was accepted"
    )
    return Finding(
        kind="harvest",
        subject=one.network,
        score=round(sure * (0.2 + 0.3 * volume + 0.25 * breadth + 0.25 * part), 3),
        sentence=(
            f"{one.network} seems to harvest: {counted(one.refused, 'recipient')} refused, {percent(one.share)} of "
            f"those it named, in {counted(one.sessions, 'session')} over {counted(one.hours, 'hour')}; {taken}."
        ),
        evidence={
            "refused": one.refused,
            "accepted": one.accepted,
            "share": round(one.share, 4),
            "sessions": one.sessions,
            "hours": one.hours,
        },
    )


def _least_share(refused: int, named: int) -> float:
    """The lower bound of Wilson's interval."""
    share, squared = refused / named, SIGMAS**2
    middle = share + squared / (2 * named)
    return (middle - SIGMAS * sqrt((share * (1 - share) + squared / (4 * named)) / named)) / (1 + squared / named)


def _day(seen: Observations) -> Iterator[Finding]:
    usual = seen.named[:-1] > 0
    if usual.sum() < DAYS_LEAST or seen.refused[-1] < REFUSED_LEAST:
        return
    past = _logit(seen.refused[:-1][usual], seen.named[:-1][usual])
    middle = float(np.median(past))
    deviation = TO_SIGMA * float(np.median(np.abs(past - middle)))
    [today] = _logit(seen.refused[-1:], seen.named[-1:])
    z = (float(today) - middle) / max(deviation, SPREAD_LEAST)
    share, before = seen.refused[-1] / seen.named[-1], 1 / (1 + np.exp(-middle))
    if z >= Z_LEAST and share - before >= RISE_LEAST:
        yield Finding(
            kind="refused share",
            subject="all recipients",
            score=round(min(0.9, 0.3 + (share - before) + z / 100), 3),
            sentence=(
                f"{percent(share)} of all recipients named were refused, {seen.refused[-1]:,} of {seen.named[-1]:,}; "
                f"{percent(before)} is usual."
            ),
            evidence={
                "refused": int(seen.refused[-1]),
                "named": int(seen.named[-1]),
                "share": round(float(share), 4),
                "usual_share": round(float(before), 4),
                "z": round(z, 1),
            },
        )


def _logit(refused: NDArray[np.int64], named: NDArray[np.int64]) -> NDArray[np.float64]:
    """Half a recipient on both sides keeps days with none, and small ones, finite and near the middle."""
    logits: NDArray[np.float64] = np.log((refused + 0.5) / (named - refused + 0.5))
    return logits
