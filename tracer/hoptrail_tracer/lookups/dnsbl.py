"""What DNS lists say of an address, each list tested all the time and left alone while it is broken.

On 2021-01-31 a list that worked for twenty years put the whole world on itself, because its domain had lapsed. So a
list is asked about test entries before it is believed, and again every `zone_test_s` (RFC 5782, section 5).
"""

import asyncio
import ipaddress
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from hoptrail_tracer.lookups.addresses import Address, reversed_name
from hoptrail_tracer.lookups.dns import Answer, Dns
from hoptrail_tracer.lookups.settings import LookupSettings
from hoptrail_tracer.lookups.zones import Code, Zone
from hoptrail_tracer.model import ZoneResult

log = logging.getLogger("hoptrail.lookups")

LISTED_ENTRY: dict[int, Address] = {4: ipaddress.IPv4Address("127.0.0.2"), 6: ipaddress.IPv6Address("::ffff:7f00:2")}
CLEAR_ENTRY: dict[int, Address] = {4: ipaddress.IPv4Address("127.0.0.1"), 6: ipaddress.IPv6Address("::ffff:7f00:1")}
MAX_FAILURES = 5  # questions in a row without an answer, before a list counts as unreachable
UNREACHABLE_PAUSE_S = 60  # a list that does not answer is tried again sooner than one that answers wrongly

LOOPBACK = "127."
ORDER = ("listed", "allowed", "neutral")


@dataclass(frozen=True, slots=True)
class ZoneState:
    """Whether a list is in use for one IP version, and if not, why and for how long. Times are of the given clock."""

    zone: str
    version: Literal[4, 6]
    tested_at: float
    paused_until: float = 0.0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Fault:
    reason: str
    pause_s: float


class Blocklists:
    """The configured lists. A list that fails its test or answers wrongly is paused, which the log says once."""

    def __init__(self, zones: Sequence[Zone], dns: Dns, settings: LookupSettings, clock: Callable[[], float]) -> None:
        self.zones = tuple(zones)
        self._dns = dns
        self._settings = settings
        self._clock = clock
        self._states: dict[tuple[str, int], ZoneState] = {}
        self._failures: Counter[tuple[str, int]] = Counter()
        self._tests: dict[tuple[str, int], asyncio.Task[ZoneState]] = {}

    async def ask(self, zone: Zone, address: Address, *, connecting: bool) -> ZoneResult:
        """Return what one list says of an address. `connecting`: it is the host that connected to our own relay."""
        if not _covers(zone, address.version):
            return ZoneResult(zone.name, "neutral", text="the list holds no IPv6 addresses")
        state = await self._tested(zone, address.version)
        if state.reason:
            return ZoneResult(zone.name, "paused", text=state.reason)
        name = reversed_name(address, zone.domain)
        answer = await self._dns.ask(name, "A", ttl_max_s=self._settings.zone_pause_s)
        fault = _fault(zone, answer, self._settings.zone_pause_s)
        if fault is not None:
            self._count(zone, address.version, fault, answered=answer.state == "found")
            return ZoneResult(zone.name, "error", answer.values, fault.reason)
        self._failures[zone.name, address.version] = 0
        return _judge(zone, answer, connecting=connecting)

    async def check(self) -> tuple[ZoneState, ...]:
        """Return the state of every list and IP version, after testing those whose test is due."""
        versions: tuple[Literal[4, 6], ...] = (4, 6)
        due = [self._tested(zone, version) for zone in self.zones for version in versions if _covers(zone, version)]
        return tuple(await asyncio.gather(*due))

    @property
    def paused(self) -> tuple[ZoneState, ...]:
        """The lists that are left alone now, as far as that is known without asking. May be read on any thread."""
        return tuple(state for state in list(self._states.values()) if state.reason)

    async def aclose(self) -> None:
        """Give up the tests that run."""
        tasks = list(self._tests.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _tested(self, zone: Zone, version: Literal[4, 6]) -> ZoneState:
        """Return the list's state, tested no longer ago than `zone_test_s`; several callers wait for one test."""
        key = (zone.name, version)
        state = self._states.get(key)
        now = self._clock()
        if state and (
            now < state.paused_until or (not state.reason and now < state.tested_at + self._settings.zone_test_s)
        ):
            return state
        task = self._tests.get(key)
        if task is None:
            task = asyncio.create_task(self._test(zone, version), name=f"test {zone.name}")
            self._tests[key] = task
            task.add_done_callback(lambda _: self._tests.pop(key, None))
        return await asyncio.shield(task)

    async def _test(self, zone: Zone, version: Literal[4, 6]) -> ZoneState:
        listed, clear = await asyncio.gather(
            self._dns.ask(reversed_name(LISTED_ENTRY[version], zone.domain), "A", fresh=True),
            self._dns.ask(reversed_name(CLEAR_ENTRY[version], zone.domain), "A", fresh=True),
        )
        pause_s = self._settings.zone_pause_s
        fault = _fault(zone, listed, pause_s) or _fault(zone, clear, pause_s)
        if fault is None and clear.state == "found":
            fault = _Fault("it lists 127.0.0.1, and so everything", pause_s)
        if fault is None and listed.state == "nothing" and zone.test_entry:
            fault = _Fault("it does not hold its test entry 127.0.0.2", pause_s)
        if fault is not None:
            return self._pause(zone, version, fault)
        before = self._states.get((zone.name, version))
        if before and before.reason:
            log.warning("DNS list %s is in use again for IPv%d", zone.name, version)
        state = ZoneState(zone.name, version, self._clock())
        self._states[zone.name, version] = state
        return state

    def _count(self, zone: Zone, version: Literal[4, 6], fault: _Fault, *, answered: bool) -> None:
        """Pause a list at its first wrong answer, or when it has left several questions in a row without one."""
        self._failures[zone.name, version] += 1
        if answered or self._failures[zone.name, version] >= MAX_FAILURES:
            self._failures[zone.name, version] = 0
            self._pause(zone, version, fault)

    def _pause(self, zone: Zone, version: Literal[4, 6], fault: _Fault) -> ZoneState:
        before = self._states.get((zone.name, version))
        if before is None or before.reason != fault.reason:
            log.warning("DNS list %s is paused for IPv%d: %s", zone.name, version, fault.reason)
        now = self._clock()
        state = ZoneState(zone.name, version, now, now + fault.pause_s, fault.reason)
        self._states[zone.name, version] = state
        return state


def _covers(zone: Zone, version: int) -> bool:
    return zone.v6 or version == 4  # noqa: PLR2004 - IP versions


def _fault(zone: Zone, answer: Answer, pause_s: float) -> _Fault | None:
    """Return what is wrong with an answer whatever it is about, or None."""
    if answer.state == "failed":
        return _Fault(answer.detail, UNREACHABLE_PAUSE_S)
    for code in answer.values:
        if (refusal := zone.fault(code)) is not None:
            return _Fault(f"{code}: {refusal}", pause_s)
    for code in answer.values:
        if not code.startswith(LOOPBACK):
            return _Fault(f"it answers with {code}, which is no code of a DNS list", pause_s)
    return None


def _judge(zone: Zone, answer: Answer, *, connecting: bool) -> ZoneResult:
    """Return the verdict of an answer without fault: of several codes that count, `listed` wins over `allowed`."""
    if answer.state == "nothing":
        return ZoneResult(zone.name, "clear")
    meanings: list[Code] = [meaning for code in answer.values if (meaning := zone.meaning(code))]
    if not meanings:
        return ZoneResult(zone.name, "error", answer.values, "it gives codes whose meaning is not known")
    counting = [meaning for meaning in meanings if connecting or not meaning.connecting]
    if not counting:
        text = f"{meanings[0].text} (counts only for a host that connects to us itself)"
        return ZoneResult(zone.name, "neutral", answer.values, text)
    counting.sort(key=lambda meaning: ORDER.index(meaning.verdict))
    verdict = counting[0].verdict
    text = "; ".join(meaning.text for meaning in counting if meaning.verdict == verdict)
    return ZoneResult(zone.name, verdict, answer.values, text)
