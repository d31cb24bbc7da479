"""How often each registry's server may be asked: evenly spread over a minute, and not before it said we may."""

import asyncio
import email.utils
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from hoptrail_tracer.lookups.errors import TemporaryError

MAX_RETRY_AFTER_S = 86_400  # a server that says "next year" is asked again tomorrow
DEFAULT_RETRY_AFTER_S = 60


class Gate:
    """Lets one question at a time through to each host, with a pause between two."""

    def __init__(self, per_minute: float, clock: Callable[[], float]) -> None:
        self._spacing_s = 60 / per_minute
        self._clock = clock
        self._next: dict[str, float] = {}
        self._closed: dict[str, float] = {}
        self._locks: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    @asynccontextmanager
    async def turn(self, host: str) -> AsyncIterator[None]:
        """Wait for the host's turn. TemporaryError, without waiting, while the host asks to be left alone."""
        self._check_open(host)
        async with self._locks[host]:
            self._check_open(host)
            wait_s = self._next.get(host, 0.0) - self._clock()
            if wait_s > 0:
                await asyncio.sleep(min(wait_s, self._spacing_s))
            self._next[host] = self._clock() + self._spacing_s
            yield

    def close(self, host: str, retry_after: str | None) -> float:
        """Leave the host alone for as long as its Retry-After says (RFC 9110, 10.2.3); return that in seconds."""
        wait_s = read_retry_after(retry_after)
        self._closed[host] = self._clock() + wait_s
        return wait_s

    def _check_open(self, host: str) -> None:
        wait_s = self._closed.get(host, 0.0) - self._clock()
        if wait_s > 0:
            raise TemporaryError(f"{host} asks to be left alone for another {wait_s:.0f} s")


def read_retry_after(text: str | None) -> float:
    """Return seconds from a number or an HTTP date, kept within a second and a day; a minute for anything else."""
    text = (text or "").strip()
    if text.isascii() and text.isdigit() and len(text) <= 9:  # noqa: PLR2004 - more digits are years upon years
        wait_s = float(text)
    else:
        try:
            wait_s = email.utils.parsedate_to_datetime(text).timestamp() - time.time()
        except (ValueError, TypeError, OverflowError):
            wait_s = DEFAULT_RETRY_AFTER_S
    return min(max(wait_s, 1.0), MAX_RETRY_AFTER_S)
