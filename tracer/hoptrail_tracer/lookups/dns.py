"""Questions to the DNS, each answered once, within a time, and remembered; nothing here raises for what a server does.

The same question asked twice at a time is sent once. A question nobody waits for any more still runs to its own end,
so that its answer is there for the next message.
"""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import dns.asyncresolver
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.nameserver
import dns.rdatatype
import dns.resolver

from hoptrail_tracer.lookups.addresses import Address, parse_address, reversed_name
from hoptrail_tracer.lookups.cache import Cache
from hoptrail_tracer.lookups.settings import DNS_PORT, LookupSettings, parse_server
from hoptrail_tracer.lookups.zones import HOST_NAME

RecordType = Literal["A", "AAAA", "MX", "PTR", "TXT"]

MAX_VALUES = 32  # no honest answer of ours is longer; a hostile one may hold thousands of records
MAX_VALUE_CHARS = 1_000
MAX_PTR_NAMES = 3  # names of one address that are confirmed; more only make work
MAX_MX_HOSTS = 8
EDNS_PAYLOAD_BYTES = 1_232  # what passes every path unfragmented (DNS flag day 2020)
WAITING_PER_SLOT = 20  # questions that may wait for each open one, before new ones are turned away


@dataclass(frozen=True, slots=True)
class Answer:
    """What the DNS said. `nothing` is an answer (NXDOMAIN or no such record); `failed` says nothing about the name."""

    state: Literal["found", "nothing", "failed"]
    values: tuple[str, ...] = ()
    detail: str = ""  # why it failed, for a person


def make_resolver(settings: LookupSettings) -> dns.asyncresolver.Resolver:
    """Return dnspython's resolver, set up to ask the configured servers or the system's, and to remember nothing."""
    try:
        resolver = dns.asyncresolver.Resolver(configure=not settings.nameservers)
    except dns.resolver.NoResolverConfiguration:
        resolver = dns.asyncresolver.Resolver(configure=False)
        resolver.nameservers = ["127.0.0.1"]  # what resolv.conf(5) says of a missing file
    if settings.nameservers:
        servers = [parse_server(text, DNS_PORT) for text in settings.nameservers]
        resolver.nameservers = [dns.nameserver.Do53Nameserver(address, port) for address, port in servers]
    resolver.timeout = settings.dns_timeout_s / 2  # leaves time for a second try, or a second server
    resolver.lifetime = settings.dns_timeout_s
    resolver.use_edns(0, 0, EDNS_PAYLOAD_BYTES)
    return resolver


class Dns:
    """Asks, remembers, and keeps the number of open questions bounded. It belongs to one event loop."""

    def __init__(
        self, settings: LookupSettings, cache: Cache, resolver: dns.asyncresolver.Resolver | None = None
    ) -> None:
        self._settings = settings
        self._cache = cache
        self._resolver = resolver or make_resolver(settings)
        self._slots = asyncio.Semaphore(settings.in_flight)
        self._open: dict[tuple[str, RecordType], asyncio.Task[Answer]] = {}

    async def ask(
        self, name: str, record: RecordType, *, ttl_max_s: float | None = None, fresh: bool = False
    ) -> Answer:
        """Return the records of exactly this name and type, from memory where they are there and `fresh` is not set."""
        if not fresh and (kept := self._cache.get("dns", f"{name} {record}")) is not None:
            state, values, detail = json.loads(kept)
            return Answer(state, tuple(values), detail)
        task = self._open.get((name, record))
        if task is None:
            if len(self._open) >= self._settings.in_flight * WAITING_PER_SLOT:
                return Answer("failed", detail="too many questions are open")
            task = asyncio.create_task(self._ask_and_keep(name, record, ttl_max_s), name=f"dns {record} {name}")
            self._open[name, record] = task
            task.add_done_callback(lambda _: self._open.pop((name, record), None))
        return await asyncio.shield(task)

    async def _ask_and_keep(self, name: str, record: RecordType, ttl_max_s: float | None) -> Answer:
        limit_s = self._settings.dns_timeout_s
        try:
            async with asyncio.timeout(limit_s):
                async with self._slots:
                    answer, ttl_s = await self._query(name, record)
        except TimeoutError:
            answer, ttl_s = Answer("failed", detail=f"no answer within {limit_s:g} s"), self._settings.failure_ttl_s
        self._cache.put("dns", f"{name} {record}", _encoded(answer), min(ttl_s, ttl_max_s or ttl_s))
        return answer

    async def _query(self, name: str, record: RecordType) -> tuple[Answer, float]:
        """Return the answer and for how long it may be kept."""
        kept = self._settings
        try:
            found = await self._resolver.resolve(name + ".", record, search=False, raise_on_no_answer=False)
        except dns.resolver.NXDOMAIN as error:
            return Answer("nothing"), min(_negative_ttl_s(error), kept.negative_ttl_max_s)
        except (dns.exception.Timeout, TimeoutError):
            return Answer("failed", detail=f"no answer within {kept.dns_timeout_s:g} s"), kept.failure_ttl_s
        except dns.resolver.NoNameservers as error:
            return Answer("failed", detail=_refusal(error)), kept.failure_ttl_s
        except (dns.exception.DNSException, OSError, ValueError) as error:
            return Answer("failed", detail=f"{type(error).__name__}: {error}"[:200]), kept.failure_ttl_s
        ttl_s = min(max(found.chaining_result.minimum_ttl, kept.ttl_min_s), kept.ttl_max_s)
        values = tuple(_values(found.rrset or ()))
        if not values:
            return Answer("nothing"), min(ttl_s, kept.negative_ttl_max_s)
        return Answer("found", values), ttl_s

    async def names(self, address: Address) -> Answer:
        """Return the names that the address' reverse zone gives it, lower case; what is no host name is left out."""
        zone = "in-addr.arpa" if address.version == 4 else "ip6.arpa"  # noqa: PLR2004 - IP versions
        answer = await self.ask(reversed_name(address, zone), "PTR")
        names = [name.lower() for name in answer.values if HOST_NAME.fullmatch(name)]
        if answer.state == "found" and not names:
            return Answer("nothing", detail="the reverse zone gives something that is no host name")
        return Answer(answer.state, tuple(names[:MAX_PTR_NAMES]), answer.detail)

    async def resolves_to(self, name: str, address: Address) -> bool | None:
        """Whether the name has the address, or None where that could not be asked."""
        answer = await self.ask(name.lower(), "A" if address.version == 4 else "AAAA")  # noqa: PLR2004 - as above
        if answer.state == "failed":
            return None
        return address in map(parse_address, answer.values)

    async def confirmed_name(self, address: Address, names: tuple[str, ...]) -> tuple[str, bool | None]:
        """Return the first of the names that resolves back to the address; else the first one, and what is known."""
        found = await asyncio.gather(*(self.resolves_to(name, address) for name in names))
        for name, confirmed in zip(names, found, strict=True):
            if confirmed:
                return name, True
        return names[0], None if None in found else False

    async def is_mail_host_of(self, address: Address, domain: str) -> bool | None:
        """Whether a host that takes mail for the domain has the address, or None where that could not be asked.

        A domain without MX is its own mail host (RFC 5321, 5.1).
        """
        if not HOST_NAME.fullmatch(domain):
            return False
        answer = await self.ask(domain.lower(), "MX")
        if answer.state == "failed":
            return None
        hosts = [host for host in answer.values if HOST_NAME.fullmatch(host)] if answer.values else [domain]
        found = await asyncio.gather(*(self.resolves_to(host, address) for host in hosts[:MAX_MX_HOSTS]))
        return True if True in found else None if None in found else False

    async def addresses(self, name: str) -> tuple[Address, ...]:
        """Return all addresses of a host, IPv4 first; empty where it has none or the DNS does not say."""
        answers = await asyncio.gather(self.ask(name.lower(), "A"), self.ask(name.lower(), "AAAA"))
        return tuple(address for answer in answers for text in answer.values if (address := parse_address(text)))

    async def aclose(self) -> None:
        """Give up every open question."""
        tasks = list(self._open.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _encoded(answer: Answer) -> str:
    return json.dumps([answer.state, answer.values, answer.detail])


def _negative_ttl_s(error: dns.resolver.NXDOMAIN) -> float:
    """Return the TTL that the zone's SOA gives for there being no such name (RFC 2308)."""
    response: dns.message.QueryMessage = next(iter(error.kwargs["responses"].values()))
    return float(response.resolve_chaining().minimum_ttl)


def _refusal(error: dns.resolver.NoNameservers) -> str:
    """Return in words why every server was given up: "SERVFAIL", "REFUSED" or what else came."""
    reasons = {str(entry[3]) for entry in error.kwargs.get("errors", ())}
    return f"the resolver answered {', '.join(sorted(reasons)) or 'nothing of use'}"[:200]


def _values(records: Any) -> Iterator[str]:  # noqa: ANN401 - dnspython types no record by its kind
    for record in list(records)[:MAX_VALUES]:
        if record.rdtype in (dns.rdatatype.A, dns.rdatatype.AAAA):
            yield record.address
        elif record.rdtype == dns.rdatatype.PTR:
            yield record.target.to_text(omit_final_dot=True)
        elif record.rdtype == dns.rdatatype.MX:
            yield record.exchange.to_text(omit_final_dot=True)
        else:
            yield b"".join(record.strings).decode("ascii", "backslashreplace")[:MAX_VALUE_CHARS]
