"""Which registry's RDAP server answers for an address: IANA's table (RFC 9224), a copy of which is shipped."""

import ipaddress
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

from hoptrail_tracer.lookups.addresses import Address, Network
from hoptrail_tracer.lookups.errors import MalformedAnswerError

IANA_HOST = "data.iana.org"
IANA_URLS = {family: f"https://{IANA_HOST}/rdap/{family}.json" for family in ("ipv4", "ipv6")}
MAX_NETWORKS = 5_000  # the real tables have 300
MAX_URL_CHARS = 200

# Servers that registries are known to redirect to and that IANA's table does not name.
OTHER_HOSTS = ("rdap.registro.br",)


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """RDAP bases by network."""

    bases: tuple[tuple[Network, str], ...]

    def base(self, address: Address) -> str | None:
        """Return the base URL of the registry that answers for the address, or None where IANA names none."""
        holding = [(network.prefixlen, url) for network, url in self.bases if address in network]
        return max(holding)[1] if holding else None

    def host(self, address: Address) -> str:
        """Return the host of that server; empty where IANA names none."""
        return urlsplit(self.base(address) or "").hostname or ""

    def knows_host(self, host: str) -> bool:
        """Whether a host is a registry's: one of the table, one below it (jpnic.rdap.apnic.net), or a known other."""
        known = {urlsplit(url).hostname or "" for _, url in self.bases} | set(OTHER_HOSTS)
        return any(host == name or host.endswith("." + name) for name in known)


def parse_bootstrap(tables: Mapping[str, Any]) -> Bootstrap:
    """Return the table from IANA's two files, under "ipv4" and "ipv6". MalformedAnswerError where they are not it."""
    try:
        bases = tuple(row for family in IANA_URLS for row in _rows(tables[family]["services"]))
    except (KeyError, TypeError, ValueError) as error:
        raise MalformedAnswerError(f"this is not IANA's table of RDAP servers: {error!r}"[:200]) from error
    if not bases or len(bases) > MAX_NETWORKS:
        raise MalformedAnswerError(f"IANA's table of RDAP servers has {len(bases)} rows")
    return Bootstrap(bases)


def _rows(services: Any) -> Iterator[tuple[Network, str]]:  # noqa: ANN401 - JSON from outside
    for networks, urls in services:
        base = next((url for url in urls if url.startswith("https://") and len(url) <= MAX_URL_CHARS), None)
        if base is None:
            continue
        for network in networks:
            yield ipaddress.ip_network(network), base if base.endswith("/") else base + "/"


def shipped_bootstrap() -> Bootstrap:
    """Return the table that came with this release."""
    text = files("hoptrail_tracer.lookups").joinpath("bootstrap.json").read_text(encoding="utf-8")
    return parse_bootstrap(json.loads(text))
