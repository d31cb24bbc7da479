"""Recipients accepted from and refused to each client network in the last while, shared by all worker processes.

Each worker adds to a table of its own and reads all of them, so there is no lock between processes and nothing that a
killed worker could leave locked. The tables have a fixed size: where one is full, the networks with the fewest
recipients make room.
"""

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from threading import Lock
from typing import Final

SLOTS: Final = 8_192  # networks a worker remembers: 512 KB, of which only what is used takes memory
PROBES: Final = 8  # slots that a network may lie in
_CELLS: Final = 8  # of 8 bytes a slot
_KEY, _PERIOD, _REFUSED, _ACCEPTED, _REFUSED_BEFORE, _ACCEPTED_BEFORE, _USER_PERIOD = range(7)
_SPREAD: Final = 0x9E3779B97F4A7C15  # 2**64 by the golden ratio: spreads neighbours over the table
_IPV6_BITS: Final = 64  # what one customer has; the top half of an address fits a cell


@dataclass(frozen=True, slots=True)
class Recipients:
    """How many recipients of one network; `has_user` where somebody authenticated from there."""

    accepted: int = 0
    refused: int = 0
    has_user: bool = False


class Clients:
    """The tables of all workers, seen from one of them."""

    def __init__(self, workers: int) -> None:
        """Map anonymous memory that children inherit; made by the parent before it forks."""
        size = SLOTS * _CELLS
        cells = memoryview(mmap.mmap(-1, workers * size * 8)).cast("Q")
        self._tables = [cells[start : start + size] for start in range(0, workers * size, size)]
        self._own = self._tables[0]
        self._lock = Lock()

    def become(self, worker: int) -> None:
        """Add to the table of this worker from now on; where it replaces a dead one, to what that one left."""
        self._own = self._tables[worker]

    def add(self, key: int, period: int, accepted: int, refused: int, *, has_user: bool = False) -> None:
        """Count the recipients of one session in a period, which is a number that grows."""
        with self._lock:
            table, start = self._own, self._place(key)
            _turn(table, start, period)
            table[start + _ACCEPTED] += accepted
            table[start + _REFUSED] += refused
            if has_user:
                table[start + _USER_PERIOD] = period

    def read(self, key: int, period: int, share_before: float) -> Recipients:
        """Return the sums over all workers: of this period, and of `share_before` of the one before it."""
        accepted = refused = 0.0
        has_user = False
        for table in self._tables:
            start = _find(table, key)
            if start is None:
                continue
            age = period - table[start + _PERIOD]
            if age == 0:
                accepted += table[start + _ACCEPTED] + share_before * table[start + _ACCEPTED_BEFORE]
                refused += table[start + _REFUSED] + share_before * table[start + _REFUSED_BEFORE]
            elif age == 1:
                accepted += share_before * table[start + _ACCEPTED]
                refused += share_before * table[start + _REFUSED]
            has_user = has_user or 0 <= period - table[start + _USER_PERIOD] <= 1
        return Recipients(int(accepted), int(refused), has_user)

    def keys(self, least_refused: int) -> Iterator[int]:
        """Yield the networks that any one worker counted this many refusals of, each once."""
        seen = set()
        for table in self._tables:
            for start in range(0, len(table), _CELLS):
                refused = table[start + _REFUSED] + table[start + _REFUSED_BEFORE]
                if refused and refused >= least_refused and table[start] not in seen:
                    seen.add(table[start])
                    yield table[start]

    def _place(self, key: int) -> int:
        """Return where the network's row begins in the own table, making room for it where it is new."""
        table = self._own
        found = _find(table, key)
        if found is not None:
            return found
        start = min(_probes(key), key=lambda place: _weight(table, place))
        table[start] = 0  # no reader takes what follows for the old network's
        for cell in range(1, _CELLS):
            table[start + cell] = 0
        table[start] = key
        return start


def network_key(ip: str, ipv4_bits: int) -> int | None:
    """Return the number under which a client's network is counted, None where `ip` is no address."""
    try:
        address = ip_address(ip)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        return int(address) >> _IPV6_BITS or None
    return (int(address) >> (32 - ipv4_bits) << (32 - ipv4_bits)) + 1  # 0 is an empty slot


def network_text(key: int, ipv4_bits: int) -> str:
    """Return the network that a key stands for."""
    if key <= 1 << 32:
        return str(ip_network((IPv4Address(key - 1), ipv4_bits)))
    return str(ip_network((IPv6Address(key << _IPV6_BITS), _IPV6_BITS)))


def _probes(key: int) -> Iterator[int]:
    first = (key * _SPREAD & (1 << 64) - 1) >> 40
    return ((first + step) % SLOTS * _CELLS for step in range(PROBES))


def _find(table: memoryview, key: int) -> int | None:
    return next((start for start in _probes(key) if table[start] == key), None)


def _weight(table: memoryview, start: int) -> tuple[int, int]:
    """What is overwritten first: an empty slot, an old one, one with few recipients."""
    return table[start + _PERIOD], sum(table[start + _REFUSED : start + _USER_PERIOD])


def _turn(table: memoryview, start: int, period: int) -> None:
    """Begin a new period in a row where that is due."""
    age = period - table[start + _PERIOD]
    if age <= 0:
        return
    for now, before in ((_REFUSED, _REFUSED_BEFORE), (_ACCEPTED, _ACCEPTED_BEFORE)):
        table[start + before] = table[start + now] if age == 1 else 0
        table[start + now] = 0
    table[start + _PERIOD] = period
