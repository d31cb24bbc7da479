"""Refused recipients, counted in memory per client network: how directory harvesting shows. No disk, no thread."""

from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_network
from threading import Lock
from typing import Final

from hoptrail_store.records import RefusalCount

NETWORKS_MAX: Final = 20_000  # about 5 MB; an hour with more client networks than this counts only the first of them


class Refusals:
    """One process's tally."""

    def __init__(self, host: str) -> None:
        """Count for the MTA `host`."""
        self._host = host
        self._lock = Lock()
        self._tally: dict[tuple[str, datetime], _Row] = {}

    def count(self, ip: str | None, at: datetime, *, accepted: int, refused: int) -> None:
        """Count one session's recipients. Sessions without any, and clients without an address, are left out."""
        if ip is None or not accepted + refused:
            return
        key = (_network(ip), _hour(at))
        with self._lock:
            row = self._tally.get(key)
            if row is None:
                if len(self._tally) >= NETWORKS_MAX:
                    return
                row = self._tally[key] = _Row()
            row.sessions += 1
            row.accepted += accepted
            row.refused += refused
            row.is_due = row.is_due or refused > 0

    def drain(self, now: datetime) -> list[RefusalCount]:
        """Return what is new of each network that had refusals, and forget the hours that are over.

        Accepted recipients of a network without refusals wait: they count as soon as one is refused in the same hour.
        """
        counts = []
        with self._lock:
            for (network, hour), row in self._tally.items():
                if row.is_due and row.sessions:
                    counts.append(RefusalCount(self._host, network, hour, row.sessions, row.accepted, row.refused))
                    row.sessions = row.accepted = row.refused = 0
            self._tally = {key: row for key, row in self._tally.items() if key[1] >= _hour(now)}
        return counts


@dataclass(slots=True)
class _Row:
    sessions: int = 0
    accepted: int = 0
    refused: int = 0
    is_due: bool = False


def _hour(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)


def _network(ip: str) -> str:
    """Return the /24 or /64 of a canonical address; that of IPv4 by cutting it, since each session asks."""
    return str(ip_network(f"{ip}/64", strict=False)) if ":" in ip else f"{ip.rpartition('.')[0]}.0/24"
