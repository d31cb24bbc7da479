import asyncio
import time
from ipaddress import ip_address

import pytest

from hoptrail_tracer.lookups.errors import LookupsError, MalformedAnswerError, RefusedError, TemporaryError
from hoptrail_tracer.lookups.gate import Gate
from hoptrail_tracer.lookups.whois import SERVERS, Whois, parse_whois
from testbed.registry import Reply, WhoisServer, sample


@pytest.mark.parametrize(
    ("name", "ip", "contacts", "network"),
    [
        ("ripe", "192.0.2.9", ("report@isp.example.net",), "192.0.2.0/25"),
        ("arin", "192.0.2.200", ("abuse@hosting.example.com", "abuse@holder.example.com"), "192.0.2.128/25"),
        ("apnic-krnic", "203.0.113.70", (), "203.0.113.64/26"),
        ("afrinic", "198.51.100.200", ("abuse@business.example.za",), "198.51.100.128/25"),
        ("lacnic", "198.51.100.9", ("redes@universidad.example",), "198.51.100.0/25"),
        ("registro-br", "203.0.113.200", ("abuse@provedor.example.br",), "203.0.113.192/26"),
    ],
)
def test_answer_of_each_registry_gives_what_is_marked_as_for_abuse(name, ip, contacts, network):
    answer = parse_whois(sample(f"{name}.txt").decode(), ip_address(ip))
    assert answer.contacts == contacts
    assert str(answer.network) == network


def test_technical_contact_is_never_taken():
    answer = parse_whois("OrgTechEmail: noc@isp.example\ne-mail: x@isp.example\ntech-c: A\n", ip_address("192.0.2.9"))
    assert answer.contacts == ()


def test_referral_is_never_followed():
    text = "ReferralServer: whois://whois.evil.example:43\nrefer: whois.evil.example\n"
    assert parse_whois(text, ip_address("192.0.2.9")).contacts == ()
    assert all(server.host.startswith("whois.") for server in SERVERS.values())


def ask(replies, registry="rdap.arin.net", ip="192.0.2.200", timeout_s=5.0):
    async def no_address(_host):
        return ()

    with WhoisServer(replies) as server:
        whois = Whois(no_address, Gate(6_000, time.monotonic), timeout_s=timeout_s, test_server=server.address)
        return asyncio.run(whois.ask(ip_address(ip), registry)), server.questions


def test_server_is_asked_in_its_registrys_way():
    answer, questions = ask({})
    assert questions == ["n + 192.0.2.200"]
    assert answer.contacts[0] == "abuse@hosting.example.com"


def test_server_that_knows_nothing_names_nobody():
    answer, _ = ask({}, ip="203.0.113.130")
    assert answer.contacts == ()


def test_endless_answer_is_cut_off():
    with pytest.raises(MalformedAnswerError, match="more than"):
        ask({"192.0.2.200": Reply(body=b"% x\n" * 1_000, endless=True)})


def test_slow_answer_is_cut_off():
    started = time.monotonic()
    with pytest.raises(TemporaryError, match=r"within 0\.3 s"):
        ask({"192.0.2.200": Reply(body=b"x" * 1_000, drip_s=0.02)}, timeout_s=0.3)
    assert time.monotonic() - started < 5


def test_of_thousands_of_ranges_the_first_few_are_read():
    text = "inetnum: 192.0.2.0 - 192.0.2.255\n" * 5_000 + "inetnum: 192.0.2.0 - 192.0.2.15\n"
    assert str(parse_whois(text, ip_address("192.0.2.9")).network) == "192.0.2.0/24"


def test_bytes_that_are_no_text_are_survived():
    answer, _ = ask({"192.0.2.200": Reply(body=bytes(range(256)) * 100)})
    assert answer.contacts == ()


def whois_resolving_to(*addresses):
    async def resolve(_host):
        return [ip_address(address) for address in addresses]

    return Whois(resolve, Gate(6_000, time.monotonic), timeout_s=1)


def test_registry_without_a_known_server_is_not_asked():
    whois = whois_resolving_to("127.0.0.1")
    assert asyncio.run(whois.ask(ip_address("192.0.2.9"), "rdap.example.net")) is None


@pytest.mark.parametrize(("addresses", "error"), [(["127.0.0.1", "10.0.0.1"], RefusedError), ([], TemporaryError)])
def test_server_without_a_public_address_is_not_connected_to(addresses, error):
    with pytest.raises(error):
        asyncio.run(whois_resolving_to(*addresses).ask(ip_address("192.0.2.9"), "rdap.arin.net"))


def test_errors_have_one_root():
    assert all(issubclass(error, LookupsError) for error in (MalformedAnswerError, RefusedError, TemporaryError))
