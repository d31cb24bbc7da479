import asyncio
import logging
from ipaddress import ip_address

import pytest

from hoptrail_tracer.lookups.cache import MemoryCache
from hoptrail_tracer.lookups.dns import Dns
from hoptrail_tracer.lookups.dnsbl import Blocklists
from hoptrail_tracer.lookups.zones import parse_zones
from testbed.dnsservers import Rbldnsd

pytestmark = pytest.mark.services


class Clock:
    now = 1_000.0

    def __call__(self):
        return self.now


def run(world, lists, scenario, **changes):
    """What `scenario(blocklists, clock)` returns."""
    clock = Clock()

    async def main():
        settings = world.settings(**changes)
        dns = Dns(settings, MemoryCache(clock=clock))
        blocklists = Blocklists(parse_zones(lists), dns, settings, clock)
        try:
            return await scenario(blocklists, clock)
        finally:
            await blocklists.aclose()
            await dns.aclose()

    return asyncio.run(main())


def ask(world, name, ip, *, connecting=True, **changes):
    async def scenario(blocklists, _clock):
        return await blocklists.ask(blocklists.zones[0], ip_address(ip), connecting=connecting)

    return run(world, [name], scenario, **changes)


@pytest.mark.parametrize(
    ("name", "ip", "verdict", "codes"),
    [
        ("zen.spamhaus.org", "203.0.113.9", "listed", {"127.0.0.4", "127.0.0.9"}),
        ("zen.spamhaus.org", "203.0.113.99", "clear", set()),
        ("zen.spamhaus.org", "2001:db8::5", "listed", {"127.0.0.2"}),
        ("zen.spamhaus.org", "2001:db8::6", "clear", set()),
        ("zen.spamhaus.org", "203.0.113.11", "error", {"127.0.0.77"}),
        ("list.dnswl.org", "203.0.113.20", "allowed", {"127.0.5.3"}),
        ("list.dnswl.org", "203.0.113.21", "neutral", {"127.0.5.0"}),
        ("office.example.org=127.0.0.5-7", "203.0.113.9", "listed", {"127.0.0.6"}),
        ("strange.example.org=127.0.0.2", "203.0.113.9", "error", {"127.0.0.99"}),
        ("bl.spamcop.net", "2001:db8::5", "neutral", set()),
    ],
)
def test_list_says_what_its_codes_mean(world, name, ip, verdict, codes):
    result = ask(world, name, ip)
    assert (result.verdict, set(result.codes)) == (verdict, codes)


def test_home_network_counts_only_for_the_host_that_connects(world):
    assert ask(world, "zen.spamhaus.org", "203.0.113.10", connecting=True).verdict == "listed"
    deeper = ask(world, "zen.spamhaus.org", "203.0.113.10", connecting=False)
    assert deeper.verdict == "neutral"
    assert "connects to us itself" in deeper.text


def test_codes_for_any_host_still_count_deeper(world):
    result = ask(world, "zen.spamhaus.org", "203.0.113.9", connecting=False)
    assert result.verdict == "listed"
    assert result.text.startswith("DROP")


def test_list_that_lists_everything_is_paused(world):
    result = ask(world, "wild.example.org=127.0.0.2", "203.0.113.9")
    assert result.verdict == "paused"
    assert "127.0.0.1" in result.text


def test_list_without_its_test_entry_is_paused(world):
    result = ask(world, "empty.example.org=127.0.0.2", "203.0.113.9")
    assert result.verdict == "paused"
    assert "127.0.0.2" in result.text


def test_list_that_documents_no_test_entry_is_not_paused_for_lacking_one(world):
    with Rbldnsd({"rep.mailspike.net": {"203.0.113.9": "127.0.0.18"}}, untested=["rep.mailspike.net"]) as lists:
        result = ask(world, "rep.mailspike.net", "203.0.113.9", nameservers=(lists.address,))
    assert result.verdict == "allowed"


def test_parked_domain_is_paused(world):
    result = ask(world, "parked.example.org=127.0.0.2", "203.0.113.9")
    assert result.verdict == "paused"
    assert "203.0.113.80" in result.text


def test_list_that_refuses_is_paused_for_a_short_while(world):
    async def scenario(blocklists, clock):
        result = await blocklists.ask(blocklists.zones[0], ip_address("203.0.113.9"), connecting=True)
        (state, *_) = await blocklists.check()
        return result, state.paused_until - clock()

    result, pause_s = run(world, ["l.refused.example.org=127.0.0.2"], scenario)
    assert result.verdict == "paused"
    assert "REFUSED" in result.text
    assert pause_s == 60


def test_list_that_stops_answering_is_paused_after_a_few_questions(world):
    async def scenario(blocklists, _clock):
        (zone,) = blocklists.zones
        return [(await blocklists.ask(zone, ip_address(f"203.0.113.{n}"), connecting=True)).verdict for n in range(7)]

    verdicts = run(world, ["slow.example.org=127.0.0.2"], scenario, dns_timeout_s=0.1)
    assert verdicts == ["error"] * 5 + ["paused"] * 2


def test_error_code_is_no_listing_and_pauses_the_list_for_others(world):
    async def scenario(blocklists, _clock):
        (zone,) = blocklists.zones
        first = await blocklists.ask(zone, ip_address("203.0.113.12"), connecting=True)
        return first, await blocklists.ask(zone, ip_address("203.0.113.9"), connecting=True)

    first, second = run(world, ["zen.spamhaus.org"], scenario)
    assert first.verdict == "error"
    assert "public resolver" in first.text
    assert second.verdict == "paused"


def test_pause_ends_with_a_new_test(world):
    async def scenario(blocklists, clock):
        (zone,) = blocklists.zones
        await blocklists.ask(zone, ip_address("203.0.113.12"), connecting=True)
        clock.now += 901
        return await blocklists.ask(zone, ip_address("203.0.113.9"), connecting=True)

    assert run(world, ["zen.spamhaus.org"], scenario).verdict == "listed"


def test_list_that_breaks_later_is_found_out_and_comes_back(world, caplog):
    """As bl.spamcop.net did in 2021: working for years, then everything, then working again."""
    address = ip_address("203.0.113.99")

    async def scenario(blocklists, clock, lists):
        (zone,) = blocklists.zones
        verdicts = [(await blocklists.ask(zone, address, connecting=True)).verdict]
        for content in ({"*": "127.0.0.2"}, {}):
            lists.publish("bl.spamcop.net", content)
            clock.now += 1_000
            verdicts.append((await blocklists.ask(zone, address, connecting=True)).verdict)
        return verdicts

    with Rbldnsd({"bl.spamcop.net": {}}) as lists, caplog.at_level(logging.WARNING, "hoptrail.lookups"):
        verdicts = run(
            world, ["bl.spamcop.net"], lambda blocklists, clock: scenario(blocklists, clock, lists),
            nameservers=(lists.address,),
        )  # fmt: skip
    assert verdicts == ["clear", "paused", "clear"]
    assert [record.getMessage() for record in caplog.records] == [
        "DNS list bl.spamcop.net is paused for IPv4: it lists 127.0.0.1, and so everything",
        "DNS list bl.spamcop.net is in use again for IPv4",
    ]


def test_answer_of_a_broken_list_does_not_outlive_its_pause(world):
    async def scenario(blocklists, clock, lists):
        (zone,) = blocklists.zones
        await blocklists.check()
        lists.publish("bl.spamcop.net", {"*": "127.0.0.2"})
        during = await blocklists.ask(zone, ip_address("203.0.113.99"), connecting=True)
        lists.publish("bl.spamcop.net", {})
        clock.now += 901
        return during, await blocklists.ask(zone, ip_address("203.0.113.99"), connecting=True)

    with Rbldnsd({"bl.spamcop.net": {}}) as lists:
        during, after = run(
            world, ["bl.spamcop.net"], lambda blocklists, clock: scenario(blocklists, clock, lists),
            nameservers=(lists.address,),
        )  # fmt: skip
    assert (during.verdict, after.verdict) == ("listed", "clear")


def test_check_gives_the_state_of_every_list_and_version(world):
    async def scenario(blocklists, _clock):
        return await blocklists.check()

    states = run(world, ["zen.spamhaus.org", "bl.spamcop.net", "wild.example.org=127.0.0.2"], scenario)
    assert [(state.zone, state.version, bool(state.reason)) for state in states] == [
        ("zen.spamhaus.org", 4, False),
        ("zen.spamhaus.org", 6, False),
        ("bl.spamcop.net", 4, False),
        ("wild.example.org", 4, True),
        ("wild.example.org", 6, True),
    ]


def test_several_messages_wait_for_one_test(world):
    async def scenario(blocklists, _clock):
        (zone,) = blocklists.zones
        asked = [blocklists.ask(zone, ip_address(f"203.0.113.{n}"), connecting=True) for n in range(100, 120)]
        tasks = [asyncio.create_task(each) for each in asked]
        await asyncio.sleep(0)
        tests = len(blocklists._tests)
        return tests, {result.verdict for result in await asyncio.gather(*tasks)}

    assert run(world, ["zen.spamhaus.org"], scenario) == (1, {"clear"})
