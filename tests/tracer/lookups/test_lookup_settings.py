import dataclasses

import pytest

from hoptrail_tracer.lookups.settings import (
    LookupSettings,
    check_nameservers,
    check_rdap_test_servers,
    check_whois_test_server,
    parse_server,
)
from hoptrail_tracer.lookups.zones import KNOWN, MAX_ZONES, parse_zone, parse_zones, weigh
from hoptrail_tracer.model import ZoneResult


def test_every_option_of_lookups_has_its_text():
    for field in dataclasses.fields(LookupSettings):
        assert field.metadata["text"].endswith("."), field.name


def test_default_settings_pass_their_own_checks():
    for field in dataclasses.fields(LookupSettings):
        if check := field.metadata["check"]:
            check(field.default)


@pytest.mark.parametrize(
    "dead",
    [
        *(
            "dnsbl.sorbs.net",
            "spam.dnsbl.sorbs.net",
            "dnsbl.njabl.org",
            "dnsbl.ahbl.org",
            "dul.ru",
            "ix.dnsbl.manitu.net",
        ),
        *("db.wpbl.info", "dnsbl.inps.de", "virbl.dnsbl.bit.nl", "bl.spamcannibal.org", "cbl.abuseat.org"),
        "DNSBL.SORBS.NET.",
    ],
)
def test_dead_list_is_refused_with_what_to_do(dead):
    with pytest.raises(ValueError, match="take it out"):
        parse_zone(dead)


@pytest.mark.parametrize("text", ["", "localhost", "a b.example.org", "x.example.org=10.0.0.1", "x.example.org=127.0.0",
                                  "x.example.org=127.0.0.300", "x.example.org=", "-.-"])  # fmt: skip
def test_entry_that_names_no_list_is_refused(text):
    with pytest.raises(ValueError, match="write"):
        parse_zone(text)


def test_too_many_lists_are_refused():
    with pytest.raises(ValueError, match="too many"):
        parse_zones(f"l{n}.example.org=127.0.0.2" for n in range(MAX_ZONES + 1))


def test_known_list_brings_its_codes():
    zone = parse_zone("Zen.Spamhaus.org.")
    assert zone.meaning("127.0.0.4").connecting
    assert not zone.meaning("127.0.0.9").connecting
    assert zone.meaning("127.0.0.8") is None
    assert "public resolver" in zone.fault("127.255.255.254")


def test_keyed_list_is_shown_without_its_key():
    zone = parse_zone("secretkey.zen.dq.spamhaus.net")
    assert (zone.name, zone.domain) == ("zen.spamhaus.org", "secretkey.zen.dq.spamhaus.net")


def test_own_list_accepts_only_the_codes_given():
    zone = parse_zone("dnsbl.example.org=127.0.0.2, 127.0.1.4-8")
    assert [code for code in ("127.0.0.2", "127.0.0.3", "127.0.1.5", "127.0.1.9") if zone.meaning(code)] == [
        "127.0.0.2",
        "127.0.1.5",
    ]


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("dnsbl.example.org", "write its codes too, as in 'dnsbl.example.org=127.0.0.2'"),
        ("zen.spamhause.org", "did you mean zen.spamhaus.org"),
    ],
)
def test_list_that_is_not_known_needs_its_codes(text, remedy):
    with pytest.raises(ValueError, match=remedy):
        parse_zone(text)


def test_no_code_of_a_known_list_is_an_error_code_as_well():
    for zone in KNOWN:
        for fault in zone.faults:
            assert zone.meaning(fault.pattern) is None


def test_weight_of_a_result_is_that_of_its_strongest_code():
    assert weigh(ZoneResult("zen.spamhaus.org", "listed", ("127.0.0.10", "127.0.0.9"))) == 1.0
    assert weigh(ZoneResult("list.dnswl.org", "allowed", ("127.0.5.3",))) == -1.0
    assert weigh(ZoneResult("dnsbl.example.org", "listed", ("127.0.0.2",))) == 0.5


@pytest.mark.parametrize("verdict", ["clear", "neutral", "error", "late", "paused"])
def test_result_that_says_nothing_weighs_nothing(verdict):
    assert weigh(ZoneResult("zen.spamhaus.org", verdict, ("127.0.0.2",))) == 0


def test_server_is_read_with_and_without_port():
    assert parse_server("127.0.0.1@5353", 53) == ("127.0.0.1", 5353)
    assert parse_server("2001:db8::1", 53) == ("2001:db8::1", 53)


@pytest.mark.parametrize("text", ["resolver.example", "127.0.0.1:53", "127.0.0.1@", "127.0.0.1@70000", "127.0.0.1@x"])
def test_server_that_is_no_address_is_refused(text):
    with pytest.raises(ValueError, match="@5353"):
        check_nameservers([text])


@pytest.mark.parametrize(
    "url", ["http://192.0.2.1/", "https://rdap.example/", "http://localhost/", "http://127.0.0.1:1"]
)
def test_rdap_test_server_off_loopback_is_refused(url):
    with pytest.raises(ValueError, match="test server"):
        check_rdap_test_servers([url])


def test_whois_test_server_off_loopback_is_refused():
    with pytest.raises(ValueError, match="test server"):
        check_whois_test_server("192.0.2.1@43")
