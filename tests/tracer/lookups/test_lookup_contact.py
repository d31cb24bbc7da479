import asyncio
import json
from dataclasses import replace

import pytest

from hoptrail_tracer.lookups import Lookups
from hoptrail_tracer.lookups.bootstrap import IANA_URLS, shipped_bootstrap
from hoptrail_tracer.lookups.cache import MemoryCache
from hoptrail_tracer.lookups.settings import LookupSettings
from testbed.dnsservers import Unbound
from testbed.registry import RdapServer, Reply, WhoisServer, redirect

pytestmark = pytest.mark.services

ABUSIX = "abuse-contacts.abusix.zone"
RECORDS = (
    f'70.113.0.203.{ABUSIX}. 300 TXT "abuse@abusix-knows.example"',
    f'200.100.51.198.{ABUSIX}. 300 TXT "hostmaster@afrinic.net"',
    "rdap.db.ripe.net. 300 A 10.9.8.7",
    "rdap.db.ripe.net. 300 AAAA fd00::1",
    "whois.ripe.net. 300 A 127.0.0.1",
    "data.iana.org. 300 A 127.0.0.1",
)


@pytest.fixture(scope="module")
def resolver():
    with Unbound(RECORDS, refused=[f"200.2.0.192.{ABUSIX}"]) as server:
        yield server


class Bench:
    """Both registries' servers, and look-ups that ask only them."""

    def __init__(self, resolver, rdap, whois):
        self.rdap = rdap
        self.whois = whois
        self.cache = MemoryCache()
        self.settings = LookupSettings(
            nameservers=(resolver.address,),
            test_networks=("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32"),
            rdap_test_servers=(rdap.base,),
            whois_test_server=whois.address,
            registry_per_minute=6_000,
            registry_timeout_s=3,
            dns_timeout_s=2,
        )

    def contacts(self, *ips, **changes):
        async def main():
            lookups = Lookups(replace(self.settings, **changes), cache=self.cache)
            try:
                return await asyncio.gather(*map(lookups.contact, ips))
            finally:
                await lookups.aclose()

        return asyncio.run(main())

    def contact(self, ip, **changes):
        (answer,) = self.contacts(ip, **changes)
        return answer


@pytest.fixture
def bench(resolver):
    with RdapServer() as rdap, WhoisServer() as whois:
        yield Bench(resolver, rdap, whois)


def test_abuse_role_of_the_registry_comes_first(bench):
    answer = bench.contact("192.0.2.200")
    assert answer.state == "found"
    assert [(contact.address, contact.source, contact.confidence) for contact in answer.contacts] == [
        ("abuse@hosting.example.com", "rdap", 0.95),
        ("abuse@holder.example.com", "rdap", 0.85),
    ]
    assert (answer.network, answer.organisation) == ("192.0.2.128/25", "Example Hosting Inc.")
    assert bench.whois.questions == []


def test_abusix_is_asked_where_the_registry_names_only_itself(bench):
    answer = bench.contact("203.0.113.70")
    assert [(contact.address, contact.source) for contact in answer.contacts] == [
        ("abuse@abusix-knows.example", "abusix")
    ]
    assert answer.network == "203.0.113.64/26"
    assert bench.whois.questions == []


def test_whois_is_asked_where_abusix_names_the_registry(bench):
    answer = bench.contact("198.51.100.200")
    assert [(contact.address, contact.source) for contact in answer.contacts] == [
        ("abuse@business.example.za", "whois")
    ]


def test_person_decides_where_nobody_is_named(bench):
    answer = bench.contact("203.0.113.70", abusix=False)
    assert (answer.state, answer.contacts) == ("unknown", ())
    assert "abuse@isp.example.kr" in answer.detail
    assert "other roles" in answer.detail


def test_nobody_anywhere_is_said_plainly(bench):
    answer = bench.contact("203.0.113.130")
    assert (answer.state, answer.contacts, answer.detail) == ("unknown", (), "no abuse contact is registered")
    assert answer.country == "JP"


def test_address_that_the_registry_does_not_know_is_unknown(bench):
    bench.rdap.replies["/ip/203.0.113.130"] = Reply(404)
    assert bench.contact("203.0.113.130").state == "unknown"


def test_failure_of_a_source_is_not_unknown(bench):
    bench.rdap.replies["/ip/203.0.113.130"] = Reply(500)
    answer = bench.contact("203.0.113.130")
    assert answer.state == "failed"
    assert "status 500" in answer.detail


def test_failure_of_abusix_is_not_unknown(bench):
    bench.rdap.replies["/ip/192.0.2.200"] = Reply(404)
    answer = bench.contact("192.0.2.200", whois=False)
    assert answer.state == "failed"
    assert "REFUSED" in answer.detail


def test_contact_found_after_a_failure_says_what_failed(bench):
    bench.rdap.replies["/ip/203.0.113.70"] = Reply(500)
    answer = bench.contact("203.0.113.70")
    assert answer.state == "found"
    assert "status 500" in answer.detail


@pytest.mark.parametrize(
    "reply",
    [
        Reply(body=b"{"),
        Reply(body=b"[" * 900_000),
        Reply(body=b"x" * 70_000, endless=True),
        Reply(body=b" " * 1_000, drip_s=0.05),
        Reply(429, b"", {"Retry-After": "60"}),
        redirect("http://169.254.169.254/"),
        redirect("https://rdap.db.ripe.net/ip/198.51.100.200"),
    ],
    ids=["invalid", "nested", "endless", "drip", "busy", "internal", "internal-by-name"],
)
def test_hostile_rdap_server_is_survived_and_logged_and_whois_answers(bench, reply, caplog):
    bench.rdap.replies["/ip/198.51.100.200"] = reply
    answer = bench.contact("198.51.100.200", registry_timeout_s=1)
    assert answer.state == "found"
    assert answer.contacts[0].source == "whois"
    assert answer.detail.startswith("RDAP: ")
    assert [record.getMessage() for record in caplog.records if record.name == "hoptrail.lookups"] == [
        f"looking for the contact of 198.51.100.200: {answer.detail}"
    ]


def test_hostile_whois_server_is_survived(bench):
    bench.whois.replies["203.0.113.130"] = Reply(body=b"% x\n" * 1_000, endless=True)
    assert bench.contact("203.0.113.130").state == "failed"


def test_contact_is_remembered_for_its_network(bench):
    first = bench.contact("192.0.2.200")
    second = bench.contact("192.0.2.201")
    assert len(bench.rdap.requests) == 1
    assert second == replace(first, ip="192.0.2.201")
    bench.contact("192.0.2.9")
    assert len(bench.rdap.requests) == 2


def test_network_of_an_ipv6_address_is_remembered_too(bench):
    assert bench.contact("2001:db8:2::1").network == "2001:db8:2::/48"
    assert bench.contact("2001:db8:2:ffff::1").contacts[0].address == "abuse@holder.example.com"
    assert len(bench.rdap.requests) == 1


def test_answer_for_half_the_internet_is_remembered_for_a_part_only(bench):
    body = json.dumps({"startAddress": "0.0.0.0", "endAddress": "255.255.255.255"}).encode()
    bench.rdap.replies["/ip/203.0.113.130"] = Reply(body=body)
    bench.contact("203.0.113.130")
    bench.contact("192.0.2.200")
    assert [path for path, _ in bench.rdap.requests] == ["/ip/203.0.113.130", "/ip/192.0.2.200"]


def test_unknown_is_remembered_too(bench):
    bench.contact("203.0.113.130")
    bench.contact("203.0.113.131")
    assert len(bench.rdap.requests) == 1


def test_many_addresses_of_one_network_ask_little(bench):
    answers = bench.contacts(*(f"192.0.2.{n}" for n in range(130, 170)))
    assert {answer.contacts[0].address for answer in answers} == {"abuse@hosting.example.com"}
    assert len(bench.rdap.requests) <= 4


def test_nothing_is_asked_where_all_sources_are_off(bench):
    answer = bench.contact("192.0.2.200", rdap=False, abusix=False, whois=False)
    assert (answer.state, bench.rdap.requests, bench.whois.questions) == ("unknown", [], [])


@pytest.mark.parametrize("ip", ["185.0.0.1", "2a00::1"])
def test_registry_that_resolves_to_an_internal_address_is_never_connected_to(bench, ip):
    answer = bench.contact(ip, rdap_test_servers=(), whois_test_server="", abusix=False)
    assert answer.state == "failed"
    assert "not a public address" in answer.detail


def test_iana_table_that_cannot_be_had_leaves_the_shipped_one(bench):
    async def main():
        lookups = Lookups(replace(bench.settings, rdap_test_servers=()), cache=bench.cache)
        fresh = await lookups.refresh_bootstrap()
        await lookups.aclose()
        return fresh, lookups._rdap.bootstrap

    assert asyncio.run(main()) == (False, shipped_bootstrap())


def test_no_table_is_fetched_where_the_registries_are_named_or_not_asked(bench):
    async def fetched(settings):
        lookups = Lookups(settings, cache=bench.cache)
        try:
            return await lookups.refresh_bootstrap()
        finally:
            await lookups.aclose()

    assert asyncio.run(fetched(bench.settings)) is True
    assert asyncio.run(fetched(replace(bench.settings, rdap=False))) is False


def test_iana_table_that_was_fetched_is_used_after_a_restart(bench):
    table = {"services": [[["203.0.113.0/24"], ["https://new.example/"]]]}
    for family in IANA_URLS:
        bench.cache.put("rdap-bootstrap", family, json.dumps(table), 3_600)

    async def main():
        lookups = Lookups(bench.settings, cache=bench.cache)
        fresh = await lookups.refresh_bootstrap()
        await lookups.aclose()
        return fresh, {url for _, url in lookups._rdap.bootstrap.bases}

    assert asyncio.run(main()) == (True, {"https://new.example/"})
