"""The row of each relay on the map: how far from the roots it is drawn."""

import heapq
from collections.abc import Collection, Iterable, Mapping


def prune_and_lower(
    first_rows: Mapping[str, int], followers: Mapping[str, Collection[str]], roots: Iterable[str]
) -> dict[str, int]:
    """The row of each relay that can be reached from the roots; the others are not on the map.

    `followers` are the relays one step further out. A relay is drawn at most one row below the highest relay that
    leads to it: row(v) = min(first row of v, 1 + least row of its predecessors), to the fixed point. Rows that this
    leaves empty are removed. Where no first row lies above the distance to the roots, the outcome is that distance.
    """
    reachable = _reachable(followers, roots)
    rows = {relay: first_rows[relay] for relay in reachable}
    queue = [(row, relay) for relay, row in rows.items()]
    heapq.heapify(queue)
    while queue:
        row, relay = heapq.heappop(queue)
        if row > rows[relay]:
            continue
        for follower in followers.get(relay, ()):
            if rows[follower] > row + 1:
                rows[follower] = row + 1
                heapq.heappush(queue, (row + 1, follower))
    return _without_empty_rows(rows)


def _reachable(followers: Mapping[str, Collection[str]], roots: Iterable[str]) -> set[str]:
    found = set(roots)
    todo = list(found)
    while todo:
        for follower in followers.get(todo.pop(), ()):
            if follower not in found:
                found.add(follower)
                todo.append(follower)
    return found


def _without_empty_rows(rows: Mapping[str, int]) -> dict[str, int]:
    index = {row: i for i, row in enumerate(sorted(set(rows.values())))}
    return {relay: index[row] for relay, row in rows.items()}
