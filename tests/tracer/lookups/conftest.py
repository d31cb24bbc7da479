"""A small world on loopback: lists that work and lists that do not, hosts with and without names."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from hoptrail_tracer.lookups.settings import LookupSettings
from testbed.dnsservers import Rbldnsd, Unbound

ZEN = "zen.spamhaus.org"
SPAMCOP = "bl.spamcop.net"
DNSWL = "list.dnswl.org"
WILD = "wild.example.org"
UNTESTED = "empty.example.org"
OFFICE = "office.example.org"
OVER_QUOTA = "psbl.surriel.com"
STRANGE = "strange.example.org"
PARKED = "parked.example.org"
SLOW = "slow.example.org"

LISTS = {
    ZEN: {
        "203.0.113.9": ["127.0.0.4", "127.0.0.9"],
        "203.0.113.10": "127.0.0.10",
        "203.0.113.11": "127.0.0.77",
        "203.0.113.12": "127.255.255.254",
        "2001:db8::5": "127.0.0.2",
    },
    SPAMCOP: {"203.0.113.9": "127.0.0.2"},
    DNSWL: {"203.0.113.20": "127.0.5.3", "203.0.113.21": "127.0.5.0", "203.0.113.22": "127.0.5.1"},
    WILD: {"*": "127.0.0.2"},
    UNTESTED: {"203.0.113.9": "127.0.0.2"},
    OFFICE: {"203.0.113.9": "127.0.0.6"},
    OVER_QUOTA: {},
    STRANGE: {"203.0.113.9": "127.0.0.99"},
    PARKED: {"*": "203.0.113.80"},
    SLOW: {},
}

LONG_TEXT = "x" * 250

RECORDS = (
    "mail.example.net. 300 A 203.0.113.9",
    "mail.example.net. 300 AAAA 2001:db8::5",
    "9.113.0.203.in-addr.arpa. 300 PTR Mail.Example.NET.",
    f"{'.'.join(reversed('20010db8000000000000000000000005'))}.ip6.arpa. 300 PTR mail.example.net.",
    "10.113.0.203.in-addr.arpa. 300 PTR liar.example.com.",
    "liar.example.com. 300 A 192.0.2.1",
    "11.113.0.203.in-addr.arpa. 300 PTR liar.example.com.",
    "11.113.0.203.in-addr.arpa. 300 PTR eleven.example.net.",
    "eleven.example.net. 300 A 203.0.113.11",
    "12.113.0.203.in-addr.arpa. 300 PTR host.silent.example.",
    "13.113.0.203.in-addr.arpa. 300 PTR \\032\\059evil\\013.example.net.",
    "example.net. 300 MX 10 mail.example.net.",
    "example.net. 300 A 203.0.113.80",
    "plain.example.net. 300 A 203.0.113.9",
    *(f'long.example.net. 300 TXT "{n:02}{LONG_TEXT}"' for n in range(20)),
    *(f"many.example.net. 300 A 203.0.113.{n}" for n in range(200)),
    "short.example.net. 5 A 203.0.113.30",
    "example.com. 300 SOA ns.example.com. root.example.com. 1 3600 600 86400 120",
    '9.113.0.203.origin.asn.cymru.com. 300 TXT "64501 | 203.0.112.0/20 | DE | ripencc | 2001-01-01"',
    '9.113.0.203.origin.asn.cymru.com. 300 TXT "64500 64499 | 203.0.113.0/24 | NL | ripencc | 2001-01-01"',
    'as64500.asn.cymru.com. 300 TXT "64500 | NL | ripencc | 2001-01-01 | EXAMPLE-AS Example Networks, NL"',
    f'{".".join(reversed("20010db8000000000000000000000005"))}.origin6.asn.cymru.com. 300 TXT "64500 | 2001:db8::/32 | NL | x | "',
)


@dataclass(frozen=True)
class World:
    """The servers, and settings that ask only them."""

    lists: Rbldnsd
    resolver: Unbound
    settings: Callable[..., LookupSettings]


def settings_for(resolver: Unbound, **changes: object) -> LookupSettings:
    given = {
        "nameservers": (resolver.address,),
        "test_networks": ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32"),
        "dns_timeout_s": 2.0,
        "registry_per_minute": 6_000,
    }
    return LookupSettings(**(given | changes))


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    with Rbldnsd(LISTS, untested=[UNTESTED, PARKED]) as lists:
        stubs = dict.fromkeys(LISTS, lists.port)
        policies = {
            "silent": ["silent.example", "silent.example.org", f"113.0.203.{SLOW}"],
            "refused": ["refused.example.org"],
        }
        with Unbound(RECORDS, stubs=stubs, **policies) as resolver:
            yield World(lists, resolver, lambda **changes: settings_for(resolver, **changes))
