"""What look-ups remember: text under a kind and a key, until it expires. Negative answers are values like any other.

`MemoryCache` serves one process. A cache that outlives it (`hoptrail_store.cache.StoreCache`) needs only the two
methods of `Cache`; both are called from the event loop and must answer in well under a millisecond.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol


class Cache(Protocol):
    """Text kept until it expires. `kind` is one of a dozen short words, `key` a name, an address or a network."""

    def get(self, kind: str, key: str) -> str | None:
        """Return the text put last under `kind` and `key`, or None where there is none or it has expired."""

    def put(self, kind: str, key: str, value: str, ttl_s: float) -> None:
        """Keep `value` for `ttl_s` seconds. A cache may drop it sooner, and never raises for want of room."""


class MemoryCache:
    """A cache of at most `size` entries in this process; the one not used for longest goes first."""

    def __init__(self, size: int = 20_000, clock: Callable[[], float] = time.time) -> None:
        self._size = size
        self._clock = clock
        self._entries: OrderedDict[tuple[str, str], tuple[float, str]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, kind: str, key: str) -> str | None:
        """Return the text put last under `kind` and `key`, or None where there is none or it has expired."""
        entry = self._entries.get((kind, key))
        if entry is None:
            return None
        expires_at, value = entry
        if expires_at <= self._clock():
            del self._entries[kind, key]
            return None
        self._entries.move_to_end((kind, key))
        return value

    def put(self, kind: str, key: str, value: str, ttl_s: float) -> None:
        """Keep `value` for `ttl_s` seconds, or until `size` other entries were used more recently."""
        self._entries[kind, key] = (self._clock() + ttl_s, value)
        self._entries.move_to_end((kind, key))
        while len(self._entries) > self._size:
            self._entries.popitem(last=False)
