import asyncio
import time
from ipaddress import ip_address

import pytest

from hoptrail_tracer.lookups.cache import MemoryCache
from hoptrail_tracer.lookups.dns import MAX_VALUES, Dns

pytestmark = pytest.mark.services


class CountingCache(MemoryCache):
    """Remembers with which lifetime each answer was put."""

    def __init__(self, **options):
        super().__init__(**options)
        self.lifetimes = {}

    def put(self, kind, key, value, ttl_s):
        self.lifetimes[key] = ttl_s
        super().put(kind, key, value, ttl_s)


def run(world, question, **changes):
    """What `question(dns)` returns, and the cache behind it."""
    cache = CountingCache()

    async def main():
        dns = Dns(world.settings(**changes), cache)
        try:
            return await question(dns)
        finally:
            await dns.aclose()

    return asyncio.run(main()), cache


def test_records_are_found(world):
    answer, _ = run(world, lambda dns: dns.ask("mail.example.net", "A"))
    assert (answer.state, answer.values) == ("found", ("203.0.113.9",))


def test_name_that_does_not_exist_is_an_answer_and_remembered(world):
    answer, cache = run(world, lambda dns: dns.ask("no.example.com", "A"))
    assert answer.state == "nothing"
    assert 0 < cache.lifetimes["no.example.com A"] <= 1_800


def test_name_without_such_records_is_an_answer(world):
    answer, _ = run(world, lambda dns: dns.ask("liar.example.com", "MX"))
    assert answer.state == "nothing"


def test_refusing_server_is_a_failure_that_says_so(world):
    answer, cache = run(world, lambda dns: dns.ask("x.refused.example.org", "A"))
    assert answer.state == "failed"
    assert "REFUSED" in answer.detail
    assert cache.lifetimes["x.refused.example.org A"] == 30


def test_silent_server_is_a_failure_within_the_time(world):
    started = time.monotonic()
    answer, _ = run(world, lambda dns: dns.ask("x.silent.example", "A"), dns_timeout_s=0.5)
    assert (answer.state, answer.detail) == ("failed", "no answer within 0.5 s")
    assert time.monotonic() - started < 5


def test_server_that_is_not_there_is_a_failure(world):
    answer, _ = run(
        world, lambda dns: dns.ask("mail.example.net", "A"), nameservers=("127.0.0.1@1",), dns_timeout_s=0.5
    )
    assert answer.state == "failed"


def test_second_server_answers_where_the_first_one_is_silent(world):
    servers = ("127.0.0.1@1", world.resolver.address)
    answer, _ = run(world, lambda dns: dns.ask("mail.example.net", "A"), nameservers=servers)
    assert answer.state == "found"


def test_answer_too_long_for_udp_comes_over_tcp(world):
    answer, _ = run(world, lambda dns: dns.ask("long.example.net", "TXT"))
    assert len(answer.values) == 20
    assert sum(map(len, answer.values)) > 4_096


def test_records_of_a_huge_answer_are_cut_off(world):
    answer, _ = run(world, lambda dns: dns.ask("many.example.net", "A"))
    assert len(answer.values) == MAX_VALUES


def test_same_question_is_sent_once_at_a_time(world):
    async def ask_often(dns):
        tasks = [asyncio.create_task(dns.ask("mail.example.net", "A")) for _ in range(50)]
        await asyncio.sleep(0)
        open_questions = len(dns._open)
        return open_questions, await asyncio.gather(*tasks)

    (open_questions, answers), _ = run(world, ask_often)
    assert open_questions == 1
    assert {answer.values for answer in answers} == {("203.0.113.9",)}


def test_remembered_answer_needs_no_server(world):
    async def ask_twice(dns):
        first = await dns.ask("mail.example.net", "A")
        dns._resolver.nameservers = ["127.0.0.2"]
        return first, await dns.ask("mail.example.net", "A")

    (first, second), _ = run(world, ask_twice)
    assert first == second


def test_lifetime_is_the_records_own_within_bounds(world):
    async def ask_both(dns):
        await dns.ask("mail.example.net", "A")
        await dns.ask("short.example.net", "A")

    _, cache = run(world, ask_both)
    assert cache.lifetimes["mail.example.net A"] == 300
    assert cache.lifetimes["short.example.net A"] == 60


def test_storm_of_names_that_do_not_exist_is_survived(world):
    async def storm(dns):
        answers = await asyncio.gather(*(dns.ask(f"n{n}.example.com", "A") for n in range(3_000)))
        return answers, await dns.ask("mail.example.net", "A"), len(dns._open)

    (answers, after, still_open), _ = run(world, storm, in_flight=50, dns_timeout_s=10)
    turned_away = [answer for answer in answers if answer.detail == "too many questions are open"]
    assert len(turned_away) == 2_000
    assert {answer.state for answer in answers} == {"nothing", "failed"}
    assert after.state == "found"
    assert still_open == 0


def test_caller_that_gives_up_leaves_the_answer_to_the_next_one(world):
    async def give_up(dns):
        task = asyncio.create_task(dns.ask("mail.example.net", "A"))
        await asyncio.sleep(0)
        task.cancel()
        (question,) = dns._open.values()
        return await question

    answer, cache = run(world, give_up)
    assert answer.state == "found"
    assert cache.get("dns", "mail.example.net A")


def test_names_of_an_address_are_lower_case(world):
    answer, _ = run(world, lambda dns: dns.names(ip_address("203.0.113.9")))
    assert answer.values == ("mail.example.net",)


def test_name_that_is_no_host_name_is_left_out(world):
    answer, _ = run(world, lambda dns: dns.names(ip_address("203.0.113.13")))
    assert (answer.state, answer.values) == ("nothing", ())
    assert "no host name" in answer.detail


@pytest.mark.parametrize(
    ("ip", "names", "expected"),
    [
        ("203.0.113.9", ("mail.example.net",), ("mail.example.net", True)),
        ("2001:db8::5", ("mail.example.net",), ("mail.example.net", True)),
        ("203.0.113.10", ("liar.example.com",), ("liar.example.com", False)),
        ("203.0.113.11", ("liar.example.com", "eleven.example.net"), ("eleven.example.net", True)),
        ("203.0.113.12", ("x.refused.example.org",), ("x.refused.example.org", None)),
    ],
)
def test_name_is_confirmed_by_resolving_back(world, ip, names, expected):
    found, _ = run(world, lambda dns: dns.confirmed_name(ip_address(ip), names))
    assert found == expected


@pytest.mark.parametrize(
    ("ip", "domain", "expected"),
    [
        ("203.0.113.9", "example.net", True),
        ("203.0.113.80", "example.net", False),
        ("203.0.113.9", "plain.example.net", True),
        ("203.0.113.9", "x.refused.example.org", None),
        ("203.0.113.9", "no such domain", False),
    ],
)
def test_mail_host_of_a_domain_is_its_mx(world, ip, domain, expected):
    found, _ = run(world, lambda dns: dns.is_mail_host_of(ip_address(ip), domain))
    assert found is expected
