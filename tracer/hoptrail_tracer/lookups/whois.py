"""The registries' whois, for where RDAP names nobody: five servers (and Brazil's), and no referral is ever followed."""

import asyncio
import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass

from hoptrail_tracer.lookups.addresses import Address, Network, is_public
from hoptrail_tracer.lookups.errors import MalformedAnswerError, RefusedError, TemporaryError
from hoptrail_tracer.lookups.fetch import Resolve
from hoptrail_tracer.lookups.gate import Gate
from hoptrail_tracer.lookups.mailaddr import usable
from hoptrail_tracer.lookups.settings import WHOIS_PORT, parse_server

MAX_ANSWER_BYTES = 262_144
READ_BYTES = 16_384
MAX_RANGES = 32  # each may take hundreds of blocks to write down; real answers state a few


@dataclass(frozen=True, slots=True)
class WhoisServer:
    """A registry's whois and how it wants to be asked."""

    host: str
    query: str = "{ip}"


# By the registry's RDAP server. "n +" asks ARIN for the network with its contacts; "-r" keeps RIPE from sending
# personal objects, of which it hands out few a day: the abuse line comes all the same.
SERVERS = {
    "rdap.afrinic.net": WhoisServer("whois.afrinic.net"),
    "rdap.apnic.net": WhoisServer("whois.apnic.net"),
    "rdap.arin.net": WhoisServer("whois.arin.net", "n + {ip}"),
    "rdap.db.ripe.net": WhoisServer("whois.ripe.net", "-r {ip}"),
    "rdap.lacnic.net": WhoisServer("whois.lacnic.net"),
    "rdap.registro.br": WhoisServer("whois.registro.br"),
}

STATED = re.compile(r"^% Abuse contact for '[^']{1,100}' is '([^']{1,254})'", re.MULTILINE)
FIELD = re.compile(r"^([A-Za-z0-9][A-Za-z0-9 -]{0,30}):[ \t]*(\S.{0,500})$", re.MULTILINE)
ABUSE_FIELDS = ("rabuseemail", "abuse-mailbox", "orgabuseemail")  # the network's own desk before its holder's
RANGE_FIELDS = ("inetnum", "inet6num", "cidr", "netrange")
HANDLE_FIELDS = ("nic-hdl", "nic-hdl-br")


@dataclass(frozen=True, slots=True)
class WhoisAnswer:
    """The abuse contacts that a whois answer states, and the network it is about where that can be read."""

    contacts: tuple[str, ...]
    network: Network | None = None


class Whois:
    """Asks the fixed servers, or the one test server on loopback."""

    def __init__(
        self,
        resolve: Resolve,
        gate: Gate,
        *,
        timeout_s: float,
        test_server: str = "",
        may_connect: Callable[[Address], bool] = is_public,
    ) -> None:
        self._resolve = resolve
        self._gate = gate
        self._timeout_s = timeout_s
        self._test_server = parse_server(test_server, WHOIS_PORT) if test_server else None
        self._may_connect = may_connect

    async def ask(self, address: Address, registry: str) -> WhoisAnswer | None:
        """Return what the whois of a registry, named by its RDAP server, says; None where that has none known to us."""
        server = SERVERS.get(registry) or (WhoisServer("localhost") if self._test_server else None)
        if server is None:
            return None
        async with self._gate.turn(server.host):
            try:
                async with asyncio.timeout(self._timeout_s):
                    text = await self._talk(server, address)
            except TimeoutError as error:
                raise TemporaryError(f"{server.host} gave no answer within {self._timeout_s:g} s") from error
            except OSError as error:
                raise TemporaryError(f"{server.host}: {error}"[:200]) from error
        return parse_whois(text, address)

    async def _talk(self, server: WhoisServer, address: Address) -> str:
        host, port = self._test_server or (await self._checked_address(server.host), WHOIS_PORT)
        reader, writer = await asyncio.open_connection(host, port)
        try:
            writer.write(f"{server.query.format(ip=address)}\r\n".encode("ascii"))
            await writer.drain()
            answer = bytearray()
            while chunk := await reader.read(READ_BYTES):
                answer += chunk
                if len(answer) > MAX_ANSWER_BYTES:
                    raise MalformedAnswerError(f"{server.host} answered with more than {MAX_ANSWER_BYTES} bytes")
        finally:
            writer.close()
        return answer.decode("utf-8", "replace").replace("\r\n", "\n")

    async def _checked_address(self, host: str) -> str:
        found = await self._resolve(host)
        allowed = [str(address) for address in found if self._may_connect(address)]
        if found and not allowed:
            raise RefusedError(f"{host} resolves to {found[0]}, which is not a public address")
        if not allowed:
            raise TemporaryError(f"the name {host} does not resolve")
        return allowed[0]


def parse_whois(text: str, address: Address) -> WhoisAnswer:
    """Return what an answer in any registry's shape states. Only what is marked as for abuse counts.

    Seen: "% Abuse contact for 'a - b' is 'c'" (RIPE, APNIC, AFRINIC), OrgAbuseEmail and RAbuseEmail (ARIN),
    abuse-mailbox (RPSL), and at LACNIC and registro.br "abuse-c: HANDLE" with the handle's own block below.
    """
    fields = [(match[1].lower().strip(), match[2].strip()) for match in FIELD.finditer(text)]
    stated = STATED.findall(text)
    named = [value for key in ABUSE_FIELDS for name, value in fields if name == key]
    return WhoisAnswer(usable([*stated, *named, *_by_handle(fields)]), _network(fields, address))


def _by_handle(fields: list[tuple[str, str]]) -> list[str]:
    """Return the e-mail fields of those contact blocks whose handle an abuse-c field names."""
    wanted = {value.upper() for key, value in fields if key == "abuse-c"}
    found = []
    handle = ""
    for key, value in fields:
        if key in HANDLE_FIELDS:
            handle = value.upper()
        elif key == "e-mail" and handle in wanted:
            found.append(value)
    return found


def _network(fields: list[tuple[str, str]], address: Address) -> Network | None:
    """Return the smallest stated block that holds the address."""
    blocks: list[Network] = []
    ranges = [part for key, value in fields if key in RANGE_FIELDS for part in value.split(",")]
    for part in ranges[:MAX_RANGES]:
        blocks += _blocks(part)
    holding = [block for block in blocks if block.version == address.version and address in block]
    return max(holding, key=lambda block: block.prefixlen, default=None)


def _blocks(text: str) -> list[Network]:
    first, dash, last = (part.strip() for part in text.partition("-"))
    try:
        if not dash:
            return [ipaddress.ip_network(first, strict=False)]
        bounds = ipaddress.ip_address(first), ipaddress.ip_address(last)
        return list(ipaddress.summarize_address_range(*bounds))
    except (ValueError, TypeError):
        return []
