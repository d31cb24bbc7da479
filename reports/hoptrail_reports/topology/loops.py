"""Loops: a message that comes back to a relay it had already left.

A loop is a property of one message, never a cycle of the aggregate: on a large sample half of all relays form one
strongly connected component without any message having gone in a circle.
"""

from collections.abc import Sequence


def looped_steps(relays: Sequence[str]) -> frozenset[int]:
    """Which hand-overs of one way lie between two visits to a relay; i is the one from relays[i] to relays[i + 1].

    Visits that follow each other without another relay between them are one visit: a host's own filter is no loop.
    """
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
