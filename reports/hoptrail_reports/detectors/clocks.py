"""Clock skew: a server's lines run ahead of, or behind, those of most servers it exchanges mail with."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from hoptrail_reports.detectors.finding import Finding, Observations
from hoptrail_reports.shown import counted, percent

LEAST: Final = 20
MOST: Final = 0.5
"""The share of a server's hand-overs that must run back in time."""
NEIGHBOURS: Final = 2
"""With one neighbour alone nobody can say whose clock is wrong."""


def detect(seen: Observations) -> Iterator[Finding]:
    """The servers whose clocks are wrong; a link is blamed on one end only."""
    uses: dict[bool, defaultdict[str, list[tuple[str, int, int]]]] = {True: defaultdict(list), False: defaultdict(list)}
    links = seen.traffic.links
    for ahead, ends in ((True, links.source), (False, links.target)):
        suspected = links.per_relay(ends, "skewed", links.between_two) >= LEAST
        for link, stats in links.where(links.between_two & suspected[ends]):
            skewed, dated = stats.delays.skewed, stats.delays.skewed + stats.delays.n
            if dated:
                relay, other = link[:2] if ahead else link[1::-1]
                uses[ahead][relay].append((other, skewed, dated))
    blamed: set[tuple[str, bool]] = set()
    suspects = [(relay, ahead, hops) for ahead, side in uses.items() for relay, hops in side.items()]
    suspects.sort(key=lambda suspect: (-_wrong(suspect[2]), suspect[0]))
    for relay, ahead, hops in suspects:
        left = [hop for hop in hops if (hop[0], not ahead) not in blamed]
        skewed, dated = sum(hop[1] for hop in left), sum(hop[2] for hop in left)
        if skewed < LEAST or skewed < MOST * dated or _wrong(left) < NEIGHBOURS:
            continue
        blamed.add((relay, ahead))
        yield Finding(
            kind="clock",
            subject=relay,
            score=round(min(0.9, 0.4 + skewed / max(seen.traffic.messages, 1) / 2), 3),
            sentence=(
                f"The clock of {relay} runs {'ahead' if ahead else 'behind'}: {percent(skewed / dated)} of its "
                f"hand-overs with {counted(len(left), 'relay')} run back in time."
            ),
            evidence={"skewed": skewed, "dated": dated, "relays": len(left)},
            relay=relay,
        )


def _wrong(hops: list[tuple[str, int, int]]) -> int:
    """How many neighbours most hand-overs with run back in time."""
    return sum(skewed >= MOST * dated for _, skewed, dated in hops)
