"""Answers kept for questions that come again: names, addresses, the software that wrote a line.

Each line asks ten of them. At each hit `functools.lru_cache` relinks a list, which touches memory all around the entry;
here a hit is one look-up in a dictionary. A full memory forgets everything, and fills again with what is asked now.
"""

from collections.abc import Callable
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class _Memory(dict[K, V]):
    """The answers of `compute` by question, `size` of them at most. Threads may share it: a race computes twice."""

    __slots__ = ("_compute", "_size")

    def __init__(self, compute: Callable[[K], V], size: int) -> None:
        super().__init__()
        self._compute = compute
        self._size = size

    def __missing__(self, key: K) -> V:
        value = self._compute(key)
        if len(self) >= self._size:
            self.clear()
        self[key] = value
        return value


def remembered(size: int) -> Callable[[Callable[[K], V]], Callable[[K], V]]:
    """A decorator: the same function of one argument, which remembers up to `size` answers."""

    def remembering(compute: Callable[[K], V]) -> Callable[[K], V]:
        return _Memory(compute, size).__getitem__

    return remembering
