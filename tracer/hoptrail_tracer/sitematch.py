"""What a site declared, compiled once and asked at each hop: whether a host is ours, believed, or looked past.

Lists are read from the left and the first match decides, as in SpamAssassin: `!192.0.2.66` before `192.0.2.0/24`
excludes the one host, after it does nothing.
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from hoptrail_tracer.addresses import address
from hoptrail_tracer.errors import SiteError
from hoptrail_tracer.names import canonical
from hoptrail_tracer.settings import SiteSettings


@dataclass(frozen=True, slots=True)
class Entry:
    """One declared network or name. `text` is how the site wrote it, for the reasons."""

    text: str
    excludes: bool
    version: int = 0  # 4 or 6; 0 for a name
    low: int = 0
    high: int = 0
    name: str = ""
    below: bool = False  # the name stands for every host below it too


@dataclass(frozen=True, slots=True)
class HostList:
    """Networks and names in the order of their declaration."""

    entries: tuple[Entry, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything was declared."""
        return bool(self.entries)

    def match(self, ip: str | None, name: str | None) -> Entry | None:
        """The first entry that fits an address or a looked-up name, also one that excludes it."""
        if not self.entries:
            return None
        found = address(ip)
        host = canonical(name) if name else None
        for entry in self.entries:
            if entry.version:
                if found is not None and entry.version == found.version and entry.low <= found.value <= entry.high:
                    return entry
            elif host is not None and _name_fits(entry, host):
                return entry
        return None

    def has(self, ip: str | None, name: str | None) -> bool:
        """Whether the first entry that fits includes the host."""
        entry = self.match(ip, name)
        return entry is not None and not entry.excludes


@dataclass(frozen=True, slots=True)
class Site:
    """A site's declarations, ready to be asked.

    `declared` tells whether any host of its own is among them, else these are inferred; `names_hosts` whether any is.
    """

    hostname: str | None
    trusted: HostList
    internal: HostList
    msas: HostList
    forwarders: HostList
    lists: HostList
    below: tuple[str, ...]  # the mail domains, each with a dot before it
    declared: bool
    names_hosts: bool

    def is_own_name(self, name: str | None) -> bool:
        """Whether a name is this host's, a declared host's, or lies in one of the site's mail domains."""
        host = canonical(name) if name else None
        if host is None:
            return False
        if host == self.hostname or (self.trusted.entries and self.trusted.has(None, host)):
            return True
        return f".{host}".endswith(self.below)


@lru_cache(maxsize=64)
def compile_site(settings: SiteSettings) -> Site:
    """The declarations of a site, checked. Raises SiteError for a network that is none."""
    networks = settings.networks or settings.internal  # SpamAssassin: one list unset copies the other
    trusted = host_list((*networks, *settings.hosts))
    return Site(
        hostname=canonical(settings.hostname) if settings.hostname else None,
        trusted=trusted,
        internal=host_list(settings.internal or (*networks, *settings.hosts)),
        msas=host_list(settings.msas),
        forwarders=host_list(settings.forwarders),
        lists=host_list(settings.lists),
        below=tuple(f".{domain}" for domain in map(canonical, settings.domains) if domain),
        declared=bool(trusted),
        names_hosts=bool(trusted or settings.msas or settings.forwarders or settings.lists),
    )


def host_list(texts: Iterable[str]) -> HostList:
    """Networks and names as they stand in a configuration. Raises SiteError."""
    return HostList(tuple(map(_entry, texts)))


def _entry(text: str) -> Entry:
    body = text.strip()
    excludes = body.startswith("!")
    body = body.removeprefix("!").strip()
    if not body:
        raise SiteError(f"{text!r} names no host: write a network, an address or a host name")
    network = _network(text, body)
    if network is not None:
        low, high = int(network.network_address), int(network.broadcast_address)
        return Entry(text, excludes, version=network.version, low=low, high=high)
    below = body.startswith((".", "*."))
    name = canonical(body.removeprefix("*").removeprefix("."))
    if name is None or "*" in name or "/" in name:
        raise SiteError(f"{text!r} is neither a network nor a host name: write 192.0.2.0/24 or *.example.org")
    return Entry(text, excludes, name=name, below=below)


def _network(text: str, body: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        network = ipaddress.ip_network(body.strip("[]"), strict=False)
    except ValueError:
        if "/" in body or ":" in body or body.replace(".", "").isdigit():
            raise SiteError(f"{text!r} is no network: write 192.0.2.0/24 or 2001:db8::/32") from None
        return None
    host = ipaddress.ip_interface(body.strip("[]")).ip
    if "/" in body and host != network.network_address:
        raise SiteError(f"{text!r} is one host and a whole network: write {network}, or {host} for the one host")
    mapped_bits = 96
    if isinstance(network, ipaddress.IPv6Network) and network.network_address.ipv4_mapped is not None:
        if network.prefixlen < mapped_bits:
            return network
        return ipaddress.IPv4Network((network.network_address.ipv4_mapped, network.prefixlen - mapped_bits))
    return network


def _name_fits(entry: Entry, host: str) -> bool:
    if not entry.below:
        return host == entry.name
    return host.endswith(f".{entry.name}")
