"""[lookups]: who is asked about an address, how long an answer may take, and how long it is remembered."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from hoptrail_tracer.lookups.addresses import parse_networks
from hoptrail_tracer.lookups.zones import parse_zones
from hoptrail_tracer.options import option

DNS_PORT = 53
WHOIS_PORT = 43
MAX_PORT = 65_535


def parse_server(text: str, port: int) -> tuple[str, int]:
    """Return the address and port of "ADDRESS" or "ADDRESS@PORT". ValueError says what to write instead."""
    address, at, number = text.partition("@")
    try:
        ipaddress.ip_address(address)
        chosen = int(number) if at else port
    except ValueError:
        chosen = 0
    if not 0 < chosen <= MAX_PORT:
        raise ValueError(f"{text!r} is not an address with a port: write it as in '127.0.0.1@5353'")
    return address, chosen


def check_nameservers(texts: Sequence[str]) -> None:
    """Refuse what is not "ADDRESS" or "ADDRESS@PORT"."""
    for text in texts:
        parse_server(text, DNS_PORT)


def check_rdap_test_servers(urls: Sequence[str]) -> None:
    """Refuse any base that is not on a loopback address: plain HTTP elsewhere could be read and changed on its way."""
    for url in urls:
        parts = urlsplit(url)
        try:
            loopback = ipaddress.ip_address(parts.hostname or "").is_loopback
        except ValueError:
            loopback = False
        if parts.scheme != "http" or not loopback or not url.endswith("/"):
            raise ValueError(f"{url!r} is no test server: write it as in 'http://127.0.0.1:8080/'")


def check_whois_test_server(text: str) -> None:
    """Refuse what is not "ADDRESS@PORT" on loopback."""
    if text and not ipaddress.ip_address(parse_server(text, WHOIS_PORT)[0]).is_loopback:
        raise ValueError(f"{text!r} is no test server: write it as in '127.0.0.1@4343'")


@dataclass(frozen=True, slots=True)
class LookupSettings:
    """[lookups]: questions about the address a message came from. docs/lookups.md says what is asked of whom."""

    nameservers: tuple[str, ...] = option(
        (),
        "Resolvers to ask, 'ADDRESS' or 'ADDRESS@PORT'. Empty: those of /etc/resolv.conf. DNS lists refuse to answer "
        "public resolvers, so run your own.",
        example='["127.0.0.1", "127.0.0.1@5353"]',
        check=check_nameservers,
    )
    budget_s: float = option(
        3.0,
        "How long a message may wait for all look-ups together. What comes later is left out, said so, and "
        "remembered for the next message.",
        at_least=0.05,
        at_most=60,
    )
    dns_timeout_s: float = option(4.0, "How long one DNS question may take, retries and all.", at_least=0.1, at_most=30)
    in_flight: int = option(64, "At most this many DNS questions are open at a time.", at_least=1, at_most=1_000)
    zones: tuple[str, ...] = option(
        (),
        "DNS lists to ask about an address, known ones by name, others as 'NAME=CODES'. Empty: none; each list has "
        "terms of use that you must accept first, and each learns who sends you mail.",
        example='["zen.spamhaus.org", "bl.spamcop.net", "list.dnswl.org", "dnsbl.example.org=127.0.0.2,127.0.0.4-8"]',
        check=parse_zones,
    )
    zone_test_s: float = option(
        600,
        "How often each DNS list is tested: 127.0.0.2 must be on it and 127.0.0.1 must not (RFC 5782).",
        at_least=10,
        at_most=86_400,
    )
    zone_pause_s: float = option(
        900,
        "How long a DNS list is left alone that failed its test or refused to answer; also how long its answers "
        "are remembered at most, so that no answer of a broken list outlives its pause.",
        at_least=10,
        at_most=86_400,
    )
    mmdb: tuple[str, ...] = option(
        (),
        "Address databases (MMDB files) with AS numbers, countries or both, from a source whose licence suits you. "
        "Replace them by renaming; a new file is taken up within a minute.",
        example='["/var/lib/hoptrail/asn.mmdb", "/var/lib/hoptrail/country.mmdb"]',
    )
    cymru: bool = option(
        False,  # noqa: FBT003 - an option's default
        "Ask Team Cymru over DNS for AS number and country where no MMDB file has them. It then learns who sends "
        "you mail.",
    )
    rdap: bool = option(True, "Ask the registry of an address whom to write to (RDAP).")  # noqa: FBT003 - as above
    abusix: bool = option(True, "Ask Abusix' contact list over DNS where the registry names nobody.")  # noqa: FBT003
    whois: bool = option(True, "Ask the registry's whois where both others name nobody.")  # noqa: FBT003
    registry_timeout_s: float = option(
        15.0,
        "How long one answer of a registry's server may take; one behind a redirect counts anew.",
        at_least=0.1,
        at_most=120,
    )
    registry_per_minute: float = option(
        20, "At most this many questions a minute to one registry's server.", at_least=0.1, at_most=6_000
    )
    contact_days: float = option(
        7, "Days for which a contact is remembered for its whole network.", at_least=0.01, at_most=90
    )
    cache_entries: int = option(
        20_000, "Answers kept in memory; those not used for longest go first.", at_least=100, at_most=10_000_000
    )
    ttl_min_s: float = option(60, "An answer is remembered for at least this long.", at_least=1, at_most=3_600)
    ttl_max_s: float = option(86_400, "An answer is remembered for at most this long.", at_least=60, at_most=604_800)
    negative_ttl_max_s: float = option(
        1_800, "That there is no answer is remembered for at most this long.", at_least=10, at_most=86_400
    )
    failure_ttl_s: float = option(
        30,
        "That a question failed is remembered for this long, so that a dead server costs one wait, not many.",
        at_least=0,
        at_most=300,
    )
    test_networks: tuple[str, ...] = option(
        (),
        "For tests: reserved networks (documentation or private ones) that are asked about all the same.",
        example='["203.0.113.0/24", "2001:db8::/32"]',
        check=parse_networks,
    )
    rdap_test_servers: tuple[str, ...] = option(
        (),
        "For tests: RDAP servers on loopback that are asked instead of the registries'.",
        example='["http://127.0.0.1:8080/"]',
        check=check_rdap_test_servers,
    )
    whois_test_server: str = option(
        "",
        "For tests: a whois server on loopback that is asked instead of the registries'.",
        example='"127.0.0.1@4343"',
        check=check_whois_test_server,
    )
