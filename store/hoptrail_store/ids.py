"""ULIDs: 26 characters that sort by time, 48 bits of milliseconds and 80 random ones (github.com/ulid/spec)."""

import os
import time

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32
_PAIRS = tuple(first + second for first in _ALPHABET for second in _ALPHABET)
_MS_MAX = (1 << 48) - 1
_RANDOM_BITS = 80


class Ids:
    """New identifiers for one process, each greater than the last one of the same millisecond. One a thread."""

    def __init__(self) -> None:
        """Begin; a forked child needs an object of its own, or it repeats its parent's identifiers."""
        self._last = 0

    def new(self, at_ms: int | None = None) -> str:
        """Return a ULID for that time (milliseconds since 1970), or for now."""
        at_ms = time.time_ns() // 1_000_000 if at_ms is None else min(max(at_ms, 0), _MS_MAX)
        if self._last >> _RANDOM_BITS == at_ms:
            self._last += 1
        else:
            self._last = at_ms << _RANDOM_BITS | int.from_bytes(os.urandom(_RANDOM_BITS // 8))
        last = self._last
        return "".join([_PAIRS[last >> shift & 1023] for shift in range(120, -1, -10)])
