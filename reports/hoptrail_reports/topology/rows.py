"""The row of each relay on the map: how far from the roots it is drawn."""

import numpy as np

from hoptrail_reports.topology.columns import Ints, Mask

PRUNED = -1


def prune_and_lower(first_rows: Ints, near: Ints, far: Ints, roots: Ints) -> Ints:
    """The row of each relay that can be reached from the roots; `PRUNED` for the others, which are not on the map.

    Relays are numbers from 0 on; links lead from `near` to `far`, a relay's followers, one step further out. A relay is
    drawn at most one row below the highest relay that leads to it: row(v) = min(first row of v, 1 + least row of its
    predecessors), to the fixed point. Rows that this leaves empty are removed. Where no first row lies above the
    distance to the roots, the outcome is that distance.
    """
    followers = _Followers(near, far, len(first_rows))
    reached = _reachable(followers, roots)
    rows = np.where(reached, first_rows, PRUNED).astype(np.int64)
    row = 0
    while row <= rows.max(initial=PRUNED):  # no relay can be lowered below a row that was done
        below = followers.of(np.flatnonzero(rows == row))
        rows[below] = np.minimum(rows[below], row + 1)
        row += 1
    rows[reached] = np.unique(rows[reached], return_inverse=True)[1]
    return rows


class _Followers:
    """The followers of all relays, each relay's in a row."""

    def __init__(self, near: Ints, far: Ints, relays: int) -> None:
        order = np.argsort(near, kind="stable")
        self._far = far[order]
        self._starts = np.searchsorted(near[order], np.arange(relays + 1))

    def __len__(self) -> int:
        return len(self._starts) - 1

    def of(self, relays: Ints) -> Ints:
        """The followers of some relays, each as often as it follows one."""
        counts = self._starts[relays + 1] - self._starts[relays]
        offsets = np.repeat(self._starts[relays] - np.cumsum(counts) + counts, counts)
        return self._far[offsets + np.arange(len(offsets))]


def _reachable(followers: _Followers, roots: Ints) -> Mask:
    found = np.zeros(len(followers), bool)
    front = roots
    while len(front):
        found[front] = True
        reached = np.zeros(len(found), bool)
        reached[followers.of(front)] = True
        front = np.flatnonzero(reached & ~found)
    return found
