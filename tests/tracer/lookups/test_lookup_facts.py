import asyncio
import time

import pytest

from hoptrail_tracer.lookups import Lookups
from hoptrail_tracer.model import AddressFacts
from hoptrail_tracer.settings import SiteSettings

pytestmark = pytest.mark.services

ZONES = ("zen.spamhaus.org", "bl.spamcop.net", "list.dnswl.org")


def run(world, scenario, site=None, **changes):
    async def main():
        lookups = Lookups(world.settings(**changes), site=site)
        try:
            return await scenario(lookups)
        finally:
            await lookups.aclose()

    return asyncio.run(main())


def facts(world, ip, budget_s=None, *, site=None, **changes):
    return run(world, lambda lookups: lookups.facts(ip, budget_s), site, **changes)


def test_facts_hold_all_that_is_known(world):
    found = facts(world, "203.0.113.9", zones=ZONES, cymru=True)
    assert (found.ip, found.name, found.name_confirmed) == ("203.0.113.9", "mail.example.net", True)
    assert (found.asn, found.as_name, found.country) == (64500, "EXAMPLE-AS Example Networks, NL", "NL")
    assert [(zone.zone, zone.verdict) for zone in found.zones] == [
        ("zen.spamhaus.org", "listed"),
        ("bl.spamcop.net", "listed"),
        ("list.dnswl.org", "clear"),
    ]
    assert found.missing == ()


def test_facts_of_an_ipv6_address(world):
    found = facts(world, "2001:0DB8::5", zones=ZONES, cymru=True)
    assert (found.ip, found.name, found.name_confirmed, found.asn) == ("2001:db8::5", "mail.example.net", True, 64500)
    assert [zone.verdict for zone in found.zones] == ["listed", "neutral", "clear"]


def test_address_without_a_name_lacks_nothing(world):
    found = facts(world, "203.0.113.99")
    assert found == AddressFacts("203.0.113.99")


def test_name_that_does_not_resolve_back_is_said_to_be_unconfirmed(world):
    found = facts(world, "203.0.113.10")
    assert (found.name, found.name_confirmed, found.missing) == ("liar.example.com", False, ())


def test_what_is_late_is_said_and_the_rest_is_there(world):
    started = time.monotonic()
    found = facts(world, "203.0.113.12", 0.4, zones=("bl.spamcop.net", "l.silent.example.org=127.0.0.2"))
    assert time.monotonic() - started < 1.5
    assert found.name == "host.silent.example"
    assert found.name_confirmed is None
    assert [zone.verdict for zone in found.zones] == ["clear", "late"]
    assert found.missing == (("name_confirmed", "late"),)


def test_no_time_at_all_makes_everything_late(world):
    found = facts(world, "203.0.113.9", 0, zones=ZONES, cymru=True)
    assert [zone.verdict for zone in found.zones] == ["late"] * 3
    assert dict(found.missing) == {"name": "late", "place": "late"}


def test_late_answer_is_there_for_the_next_message(world):
    async def scenario(lookups):
        first = await lookups.facts("203.0.113.9", 0)
        await asyncio.gather(*lookups._late)
        return first, await lookups.facts("203.0.113.9", 0.5)

    first, second = run(world, scenario)
    assert (first.name, second.name) == (None, "mail.example.net")


def test_resolver_that_is_not_there_leaves_facts_missing(world):
    found = facts(world, "203.0.113.9", 5, nameservers=("127.0.0.1@1",), dns_timeout_s=0.3, zones=ZONES, cymru=True)
    assert found.name is None
    assert {what for what, _ in found.missing} == {"name", "place"}
    assert {zone.verdict for zone in found.zones} == {"paused"}


@pytest.mark.parametrize(
    "ip", ["10.1.2.3", "127.0.0.1", "169.254.169.254", "::1", "fd00::1", "100.64.1.1", "nonsense", ""]
)
def test_address_that_is_not_public_is_never_asked_about(world, ip):
    async def scenario(lookups):
        found = await lookups.facts(ip)
        return found, (await lookups.contact(ip)).state, len(lookups._dns._open), lookups._late

    found, contact, questions, tasks = run(world, scenario, zones=ZONES)
    assert (found.missing[0][0], found.zones, contact, questions, tasks) == ("address", (), "refused", 0, set())


def test_own_address_is_never_asked_about(world):
    site = SiteSettings(networks=("!203.0.113.9", "203.0.113.0/24"))
    assert facts(world, "203.0.113.10", site=site).missing == (("address", "203.0.113.10 is one of our own"),)
    assert facts(world, "203.0.113.9", site=site).name == "mail.example.net"


def test_reserved_address_is_asked_about_only_where_tests_say_so(world):
    assert "reserved" in facts(world, "203.0.113.9", test_networks=()).missing[0][1]


def test_watching_tests_the_lists_before_any_message(world):
    async def scenario(lookups):
        watcher = asyncio.create_task(lookups.watch_zones())
        for _ in range(3):  # until the watcher has started its tests
            await asyncio.sleep(0)
        await asyncio.gather(*lookups._blocklists._tests.values())
        watcher.cancel()
        return [(state.zone, state.reason) for state in lookups._blocklists._states.values()]

    assert run(world, scenario, zones=("bl.spamcop.net",)) == [("bl.spamcop.net", "")]


def test_mail_host_of_a_domain_is_told_through_the_same_door(world):
    async def scenario(lookups):
        return await lookups.is_mail_host_of("203.0.113.9", "example.net"), await lookups.is_mail_host_of(
            "10.0.0.1", "x.y"
        )

    assert run(world, scenario) == (True, None)


def test_closing_gives_up_what_is_still_asked(world):
    async def scenario(lookups):
        await lookups.facts(
            "203.0.113.12",
            0,
        )
        await lookups.aclose()
        return lookups._late, lookups._dns._open

    assert run(world, scenario) == (set(), {})
