"""The hand-overs of one message, each with what the map of relays counts of it.

Everything that depends on the rest of the message's way is worked out here, once: so the figures of a link or a relay
are plain sums over hand-overs, whoever adds them up.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from hoptrail_tracer.path import Step


class Handover(NamedTuple):
    """A message handed from one relay to another, seen from a root that its way is followed from.

    `far` is the one of the two that lies further out; `rank` is how many machines lie between that one and the root,
    None where both are one machine: a host's own filter. `reach_s` is the time between it and the root, told at its
    visit nearest to the root only.
    """

    source: str
    target: str
    observed: bool  # a host of ours or one we trust says so, not a stranger
    delay_s: int | None  # whole seconds, negative where clocks disagree; None unless both are dated
    looped: bool  # it lies between two visits of the message to one relay
    repeated: bool  # a hand-over nearer to the root had the same ends and was as observed
    far: str
    rank: int | None
    revisited: bool  # `far` was visited nearer to the root already
    reach_s: int | None
    hop: int | None  # of the line that says so: its index in the trace


def handovers(outwards: Sequence[Step], *, towards_root: bool = True) -> Iterator[Handover]:
    """The hand-overs between the steps of a way, given from the root outwards.

    `towards_root`: the mail went to the root, so the steps are the newest first; else it went on from there.
    """
    looped = looped_steps([step.relay for step in outwards])
    used: set[tuple[str, str, bool]] = set()
    root, rank = outwards[0], 0
    visited = {root.relay}
    for index, (near, far) in enumerate(pairwise(outwards)):
        source, target = (far, near) if towards_root else (near, far)
        link = (source.relay, target.relay, target.observed)
        filtered = near.relay == far.relay
        rank += not filtered
        revisited = far.relay in visited
        reach_s = None if revisited else root.seconds_since(far) if towards_root else far.seconds_since(root)
        yield Handover(
            *link,
            delay_s=target.seconds_since(source),
            looped=index in looped,
            repeated=link in used,
            far=far.relay,
            rank=None if filtered else rank,
            revisited=revisited,
            reach_s=reach_s,
            hop=target.hop,
        )
        used.add(link)
        visited.add(far.relay)


def looped_steps(relays: Sequence[str]) -> frozenset[int]:
    """Which hand-overs of one way lie between two visits to a relay; i is the one from relays[i] to relays[i + 1].

    Visits that follow each other without another relay between them are one visit: a host's own filter is no loop. A
    loop is a property of one message, never a cycle of the whole: on a large sample half of all relays form one
    strongly connected component without any message having gone in a circle.
    """
    if len(set(relays)) == len(relays):
        return frozenset()
    first: dict[str, int] = {}
    last: dict[str, int] = {}
    for index, relay in enumerate(relays):
        first.setdefault(relay, index)
        last[relay] = index
    return frozenset(
        step
        for relay, start in first.items()
        if any(between != relay for between in relays[start : last[relay]])
        for step in range(start, last[relay])
        if relays[step] != relays[step + 1]
    )
