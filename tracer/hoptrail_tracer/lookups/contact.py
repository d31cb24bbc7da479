"""Whom to write to about an address: the registry's abuse role, else Abusix, else whois, else a person decides.

A source is asked only when those before it name nobody. Where one could not be asked and no other one answered, the
state is "failed": that is not the same as "unknown", which says that all were asked.
"""

import asyncio
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from hoptrail_tracer.lookups.addresses import Address, Network, reversed_name, surrounding
from hoptrail_tracer.lookups.cache import Cache
from hoptrail_tracer.lookups.dns import Dns
from hoptrail_tracer.lookups.errors import LookupsError, TemporaryError
from hoptrail_tracer.lookups.mailaddr import seen_in
from hoptrail_tracer.lookups.rdap import Rdap, Registration
from hoptrail_tracer.lookups.settings import LookupSettings
from hoptrail_tracer.lookups.whois import Whois
from hoptrail_tracer.model import Contact, ContactAnswer

log = logging.getLogger("hoptrail.lookups")

ABUSIX_ZONE = "abuse-contacts.abusix.zone"

NETWORK_CONFIDENCE = 0.95  # the abuse desk of the network itself
HOLDER_CONFIDENCE = 0.85  # that of its holder, further down in the answer
ABUSIX_CONFIDENCE = 0.8
WHOIS_CONFIDENCE = 0.75

SHORT_TTL_S = 3_600.0  # where a source failed, or nobody was named: ask again soon
FAILED_TTL_S = 300.0
AT_A_TIME = 4  # questions for contacts; each registry is asked one by one anyway

# An answer is remembered for its network, but for no more than this around the address: large blocks hold customers'
# blocks with desks of their own, and a registry that knows nothing closer may answer with half the internet.
WIDEST_V4 = 16
WIDEST_V6 = 32
UNNAMED_V4 = 24  # what an answer without a network is remembered for
UNNAMED_V6 = 48


class Contacts:
    """Finds contacts, and remembers them by network."""

    def __init__(self, settings: LookupSettings, dns: Dns, rdap: Rdap, whois: Whois, cache: Cache) -> None:
        self._settings = settings
        self._dns = dns
        self._rdap = rdap
        self._whois = whois
        self._cache = cache
        self._slots = asyncio.Semaphore(AT_A_TIME)

    async def find(self, address: Address) -> ContactAnswer:
        """Return the contacts of a public address, from memory where its network is there."""
        async with self._slots:
            kept = self._remembered(address)
            if kept is not None:
                return kept
            answer = await self._ask(address)
        self._remember(address, answer)
        return answer

    async def _ask(self, address: Address) -> ContactAnswer:
        answer = ContactAnswer(str(address), "unknown")
        failures: list[str] = []
        hints: tuple[str, ...] = ()
        registration: Registration | None = None
        if self._settings.rdap:
            try:
                registration = await self._rdap.ask(address)
            except LookupsError as error:
                failures.append(f"RDAP: {error}")
        if registration is not None:
            answer = _from_registration(answer, registration)
            hints = registration.answer.hints
        for source in (self._from_abusix, self._from_whois):
            if answer.contacts:
                break
            try:
                answer = await source(answer, address, registration)
            except LookupsError as error:
                failures.append(str(error))
        if failures:
            log.warning("looking for the contact of %s: %s", address, "; ".join(failures))
        return _concluded(answer, failures, hints)

    async def _from_abusix(
        self, answer: ContactAnswer, address: Address, _registration: Registration | None
    ) -> ContactAnswer:
        if not self._settings.abusix:
            return answer
        told = await self._dns.ask(reversed_name(address, ABUSIX_ZONE), "TXT")
        if told.state == "failed":
            raise TemporaryError(f"{ABUSIX_ZONE}: {told.detail}")
        return _with(answer, seen_in("\n".join(told.values)), "abusix", ABUSIX_CONFIDENCE)

    async def _from_whois(
        self, answer: ContactAnswer, address: Address, registration: Registration | None
    ) -> ContactAnswer:
        if not self._settings.whois:
            return answer
        registry = registration.host if registration else self._rdap.bootstrap.host(address)
        told = await self._whois.ask(address, registry)
        if told is None:
            return answer
        network = answer.network or (str(told.network) if told.network else None)
        return _with(replace(answer, network=network), told.contacts, "whois", WHOIS_CONFIDENCE)

    def _remembered(self, address: Address) -> ContactAnswer | None:
        """Return what is remembered for the smallest network around the address."""
        for prefix in range(address.max_prefixlen, 0, -1):
            text = self._cache.get("contact", str(surrounding(address, min(prefix, 32), prefix)))
            if text is not None:
                return replace(_decoded(json.loads(text)), ip=str(address))
        return None

    def _remember(self, address: Address, answer: ContactAnswer) -> None:
        complete = answer.state == "found" and not answer.detail
        ttl_s = self._settings.contact_days * 86_400 if complete else SHORT_TTL_S
        if answer.state == "failed":
            ttl_s = FAILED_TTL_S
        self._cache.put("contact", str(_scope(address, answer.network)), json.dumps(asdict(answer)), ttl_s)


def _from_registration(answer: ContactAnswer, registration: Registration) -> ContactAnswer:
    told = registration.answer
    network = str(told.network) if told.network else None
    contacts = tuple(
        Contact(
            address,
            "rdap",
            NETWORK_CONFIDENCE if depth == 1 else HOLDER_CONFIDENCE,
            network,
            told.organisation,
        )
        for address, depth in told.contacts
    )
    return replace(answer, contacts=contacts, network=network, organisation=told.organisation, country=told.country)


def _with(answer: ContactAnswer, addresses: Sequence[str], source: str, confidence: float) -> ContactAnswer:
    contacts = tuple(Contact(address, source, confidence, answer.network, answer.organisation) for address in addresses)
    return replace(answer, contacts=contacts)


def _concluded(answer: ContactAnswer, failures: Sequence[str], hints: Sequence[str]) -> ContactAnswer:
    """Return the answer with its state, and a sentence for a person on what failed or was seen elsewhere."""
    detail = "; ".join(failures) or None
    if answer.contacts:
        return replace(answer, state="found", detail=detail)
    if failures:
        return replace(answer, state="failed", detail=detail)
    if hints:
        return replace(answer, detail=f"no abuse contact is registered; seen there in other roles: {', '.join(hints)}")
    return replace(answer, detail="no abuse contact is registered")


def _scope(address: Address, network: str | None) -> Network:
    """Return the block that an answer is remembered for."""
    if network is None:
        return surrounding(address, UNNAMED_V4, UNNAMED_V6)
    prefix = int(network.rpartition("/")[2])
    return surrounding(address, max(prefix, WIDEST_V4), max(prefix, WIDEST_V6))


def _decoded(value: dict[str, Any]) -> ContactAnswer:
    contacts = tuple(Contact(**contact) for contact in value.pop("contacts"))
    return ContactAnswer(contacts=contacts, **value)
