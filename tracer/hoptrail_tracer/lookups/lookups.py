"""All look-ups of one process behind two questions: what is known about this address, and whom to write to about it."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import dns.asyncresolver
import httpx

from hoptrail_tracer.lookups.addresses import Address, is_public, parse_address, parse_networks, within
from hoptrail_tracer.lookups.cache import Cache, MemoryCache
from hoptrail_tracer.lookups.contact import Contacts
from hoptrail_tracer.lookups.dns import Answer, Dns
from hoptrail_tracer.lookups.dnsbl import Blocklists, ZoneState
from hoptrail_tracer.lookups.fetch import Fetcher
from hoptrail_tracer.lookups.gate import Gate
from hoptrail_tracer.lookups.place import Place, Places
from hoptrail_tracer.lookups.rdap import Rdap
from hoptrail_tracer.lookups.settings import LookupSettings
from hoptrail_tracer.lookups.whois import Whois
from hoptrail_tracer.lookups.zones import Zone, parse_zones
from hoptrail_tracer.memory import remembered
from hoptrail_tracer.model import AddressFacts, ContactAnswer, ZoneResult
from hoptrail_tracer.settings import SiteSettings
from hoptrail_tracer.sitematch import compile_site

log = logging.getLogger("hoptrail.lookups")

T = TypeVar("T")
_REFUSALS_MAX = 4_096


class Lookups:
    """Built once per process, used on one event loop. No method raises for what the network does.

    At construction LookupsError says that an MMDB file cannot be read, ValueError that a setting is malformed.
    """

    def __init__(
        self,
        settings: LookupSettings | None = None,
        *,
        site: SiteSettings | None = None,
        resolver: dns.asyncresolver.Resolver | None = None,
        http: httpx.AsyncClient | None = None,
        cache: Cache | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings = settings or LookupSettings()
        self._own = compile_site(site or SiteSettings()).trusted
        self._test_networks = parse_networks(settings.test_networks)
        cache = MemoryCache(settings.cache_entries, clock) if cache is None else cache
        self._dns = Dns(settings, cache, resolver)
        self._blocklists = Blocklists(parse_zones(settings.zones), self._dns, settings, clock)
        self._places = Places(settings.mmdb, self._dns if settings.cymru else None)
        gate = Gate(settings.registry_per_minute, clock)
        self._fetcher = Fetcher(
            self._dns.addresses,
            gate,
            timeout_s=settings.registry_timeout_s,
            test_servers=settings.rdap_test_servers,
            client=http,
        )
        self._rdap = Rdap(self._fetcher, cache, settings.rdap_test_servers)
        whois = Whois(
            self._dns.addresses, gate, timeout_s=settings.registry_timeout_s, test_server=settings.whois_test_server
        )
        self._contacts = Contacts(settings, self._dns, self._rdap, whois, cache)
        self._late: set[asyncio.Task[Any]] = set()
        self._refusals = remembered(_REFUSALS_MAX)(self._refusal)

    def refusal(self, ip: str) -> str | None:
        """Return why an address is never asked about, in words, or None where it may be."""
        return self._refusals(ip)

    def _refusal(self, ip: str) -> str | None:
        address = parse_address(ip)
        if address is None:
            return f"{ip[:80]!r} is no address"
        if self._own.has(str(address), None):
            return f"{address} is one of our own"
        if not is_public(address) and not within(address, self._test_networks):
            return f"{address} is a private or reserved address"
        return None

    async def facts(self, ip: str, budget_s: float | None = None, *, connecting: bool = True) -> AddressFacts:
        """Return what is known about an address within a time, by default the configured one.

        What is late is said to be, goes on in the background, and is remembered. `connecting`: the address connected to
        one's own relay; lists of home networks count only for such a one.
        """
        address = parse_address(ip)
        refusal = self.refusal(ip)
        if address is None or refusal:
            return AddressFacts(ip, missing=(("address", refusal or ""),))
        names = self._task(self._dns.names(address), "names")
        confirmed = self._task(self._confirm(address, names), "confirm")
        place = self._task(self._places.find(address), "place")
        zones = {
            zone: self._task(self._blocklists.ask(zone, address, connecting=connecting), zone.name)
            for zone in self._blocklists.zones
        }
        limit_s = self._settings.budget_s if budget_s is None else budget_s
        await asyncio.wait([names, confirmed, place, *zones.values()], timeout=limit_s)
        missing: list[tuple[str, str]] = []
        name, is_confirmed = _name(names, confirmed, missing)
        found = _place(place, missing)
        results = tuple(_zone_result(zone, task) for zone, task in zones.items())
        return AddressFacts(
            str(address), name, is_confirmed, found.asn, found.as_name, found.country, results, tuple(missing)
        )

    async def contact(self, ip: str) -> ContactAnswer:
        """Return whom to write to about an address. It may take minutes: registries are asked slowly."""
        address = parse_address(ip)
        refusal = self.refusal(ip)
        if address is None or refusal:
            return ContactAnswer(ip, "refused", detail=refusal)
        return await self._contacts.find(address)

    async def is_mail_host_of(self, ip: str, domain: str) -> bool | None:
        """Whether the address takes mail for the domain (its MX); None where that could not be asked."""
        address = parse_address(ip)
        if address is None or self.refusal(ip):
            return None
        return await self._dns.is_mail_host_of(address, domain)

    async def check_zones(self) -> tuple[ZoneState, ...]:
        """Return the state of every DNS list, after testing those whose test is due."""
        return await self._blocklists.check()

    @property
    def paused_zones(self) -> tuple[ZoneState, ...]:
        """The DNS lists that are left alone now, and why. May be read on any thread."""
        return self._blocklists.paused

    async def watch_zones(self) -> None:
        """Test every DNS list again and again, so that no message waits for it. Runs until cancelled."""
        while True:
            await self.check_zones()
            await asyncio.sleep(self._settings.zone_test_s / 2)

    async def refresh_bootstrap(self) -> bool:
        """Fetch IANA's table of RDAP servers if ours is over a week old; whether a fresh one is in use."""
        return self._settings.rdap and await self._rdap.refresh()

    async def aclose(self) -> None:
        """Give up everything that is still asked."""
        tasks = list(self._late)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._blocklists.aclose()
        await self._dns.aclose()
        await self._fetcher.aclose()

    def _task(self, coroutine: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        """Start something that may outlive the question it belongs to."""
        task = asyncio.create_task(coroutine, name=f"lookups {name}")
        self._late.add(task)
        task.add_done_callback(self._late.discard)
        return task

    async def _confirm(self, address: Address, names: asyncio.Task[Answer]) -> tuple[str, bool | None] | None:
        answer = await names
        return await self._dns.confirmed_name(address, answer.values) if answer.values else None


def _name(
    names: asyncio.Task[Answer],
    confirmed: "asyncio.Task[tuple[str, bool | None] | None]",
    missing: list[tuple[str, str]],
) -> tuple[str | None, bool | None]:
    """Return the PTR name and whether it is confirmed, as far as that is known by now."""
    if not names.done():
        missing.append(("name", "late"))
        return None, None
    answer = names.result()
    if not answer.values:
        if answer.state == "failed" or answer.detail:
            missing.append(("name", answer.detail))
        return None, None
    if not confirmed.done():
        missing.append(("name_confirmed", "late"))
        return answer.values[0], None
    name, known = confirmed.result() or (answer.values[0], None)
    if known is None:
        missing.append(("name_confirmed", f"whether {name} has the address could not be asked"))
    return name, known


def _place(task: asyncio.Task[tuple[Place, str]], missing: list[tuple[str, str]]) -> Place:
    if not task.done():
        missing.append(("place", "late"))
        return Place()
    place, failure = task.result()
    if failure:
        missing.append(("place", failure))
    return place


def _zone_result(zone: Zone, task: asyncio.Task[ZoneResult]) -> ZoneResult:
    return task.result() if task.done() else ZoneResult(zone.name, "late", text="no answer in time")
