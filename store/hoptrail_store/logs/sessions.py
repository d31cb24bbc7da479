"""Recipients that an MTA refused, as its log tells: counted per client network and hour, each session once.

A session is known by a digest, so that a log imported twice counts nothing twice.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network
from typing import Final

from hoptrail_store.logs.events import Session

OPEN_MAX: Final = 20_000
_SILENT: Final = timedelta(
    minutes=10
)  # SMTP's longest timeout for a client between commands is five (RFC 5321, 4.5.3.2)
_IPV4_BITS, _IPV6_BITS = 24, 64  # as RefusalCount says


@dataclass(frozen=True, slots=True)
class Refusals:
    """One session in which recipients were refused, or, with none refused, a message's accepted recipients."""

    host: str
    network: str
    hour: datetime
    refused: int
    digest: int


@dataclass(slots=True)
class _Open:
    ip: str | None
    begun: datetime
    last: datetime
    refused: int = 0


class Sessions:
    """The sessions whose lines are still coming in."""

    def __init__(self) -> None:
        """Begin with none."""
        self._open: OrderedDict[tuple[str, str], _Open] = OrderedDict()

    def add(self, host: str, at: datetime, event: Session) -> Iterator[Refusals]:
        """Take up what one line says; yield the sessions that it ends."""
        key = (host, event.key)
        session = self._open.get(key)
        if session is not None and at - session.last > _SILENT:
            yield from self._end(key)
            session = None
        if session is None:
            if event.ends:
                return
            session = self._open[key] = _Open(event.ip, at, at)
        session.last = at
        session.ip = session.ip or event.ip
        session.refused += event.refused
        self._open.move_to_end(key)
        if event.ends:
            yield from self._end(key)
        while len(self._open) > OPEN_MAX:
            yield from self._end(next(iter(self._open)))

    def rest(self) -> Iterator[Refusals]:
        """Yield what is still open, at the end of the last log."""
        while self._open:
            yield from self._end(next(iter(self._open)))

    def _end(self, key: tuple[str, str]) -> Iterator[Refusals]:
        session = self._open.pop(key)
        if session.refused and session.ip is not None:
            named = f"{key[0]}\0{key[1]}\0{session.ip}\0{session.begun.isoformat()}"
            digest = int.from_bytes(hashlib.sha256(named.encode("utf-8", "replace")).digest()[:8], "big", signed=True)
            yield Refusals(key[0], network_of(session.ip), hour_of(session.begun), session.refused, digest)


def network_of(ip: str) -> str:
    """The network that refusals from an address are counted for."""
    bits = _IPV4_BITS if ip_address(ip).version == 4 else _IPV6_BITS  # noqa: PLR2004 - IP's own number
    return str(ip_network(f"{ip}/{bits}", strict=False))


def hour_of(at: datetime) -> datetime:
    """The beginning of the hour."""
    return at.replace(minute=0, second=0, microsecond=0)
