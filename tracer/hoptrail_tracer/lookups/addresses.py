"""Which addresses may be asked about and connected to, and their names in reversed zones."""

import ipaddress
from collections.abc import Iterable, Sequence

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# All that IANA has given out of IPv6 for use by hosts; NAT64, site-local and discard prefixes lie outside it.
GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")


def parse_address(text: str) -> Address | None:
    """Return the address, an IPv4-mapped one as IPv4, or None where the text is none."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        return address.ipv4_mapped or address
    return address


def is_public(address: Address) -> bool:
    """Whether the address can belong to a host on the internet. 6to4 and Teredo addresses count as not."""
    if address.is_multicast or address.is_reserved or not address.is_global:
        return False
    return isinstance(address, ipaddress.IPv4Address) or (address in GLOBAL_UNICAST and address.sixtofour is None)


def within(address: Address, networks: Iterable[Network]) -> bool:
    """Whether one of the networks holds the address."""
    return any(address in network for network in networks)


def parse_networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """Networks from CIDR notation or single addresses. ValueError names the text that is neither."""
    return tuple(ipaddress.ip_network(text, strict=False) for text in texts)


def reversed_name(address: Address, zone: str) -> str:
    """Return the name under which a zone holds an address: octets or nibbles, last first (RFC 5782, 2.1 and 2.4)."""
    if isinstance(address, ipaddress.IPv4Address):
        return ".".join(reversed(str(address).split("."))) + "." + zone
    return ".".join(reversed(address.exploded.replace(":", ""))) + "." + zone


def surrounding(address: Address, prefix_v4: int, prefix_v6: int) -> Network:
    """Return the network of the given length, by family, that holds the address."""
    prefix = prefix_v4 if address.version == 4 else prefix_v6  # noqa: PLR2004 - IP versions
    return ipaddress.ip_network((address, prefix), strict=False)
