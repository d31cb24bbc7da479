"""A breaker: after several failures in a row a service is left alone for a while, then one call tries it again."""

from collections.abc import Callable


class Breaker:
    """Counts failures in a row. Used on one thread only: the network loop's."""

    def __init__(self, failures: int, pause_s: float, clock: Callable[[], float]) -> None:
        """Open after `failures` in a row, for `pause_s` seconds of `clock`."""
        self._failures = failures
        self._pause_s = pause_s
        self._clock = clock
        self._in_a_row = 0
        self._retry_at: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether the service is being left alone."""
        return self._retry_at is not None

    def allows(self) -> bool:
        """Whether a call may be made now; while open, true for one call after each pause."""
        if self._retry_at is None:
            return True
        if self._clock() < self._retry_at:
            return False
        self._retry_at = self._clock() + self._pause_s  # the others wait for what this one learns
        return True

    def succeeded(self) -> None:
        """Note a good answer: the service is back."""
        self._in_a_row = 0
        self._retry_at = None

    def failed(self) -> None:
        """Note a failure."""
        self._in_a_row += 1
        if self._in_a_row >= self._failures:
            self._retry_at = self._clock() + self._pause_s
