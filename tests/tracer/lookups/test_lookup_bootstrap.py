from ipaddress import ip_address

import pytest

from hoptrail_tracer.lookups.bootstrap import parse_bootstrap, shipped_bootstrap
from hoptrail_tracer.lookups.errors import MalformedAnswerError


@pytest.mark.parametrize(
    ("ip", "base"),
    [
        ("41.0.0.1", "https://rdap.afrinic.net/rdap/"),
        ("1.1.1.1", "https://rdap.apnic.net/"),
        ("8.8.8.8", "https://rdap.arin.net/registry/"),
        ("185.0.0.1", "https://rdap.db.ripe.net/"),
        ("200.160.2.3", "https://rdap.lacnic.net/rdap/"),
        ("2001:4860::1", "https://rdap.arin.net/registry/"),
        ("2a00::1", "https://rdap.db.ripe.net/"),
        ("2800::1", "https://rdap.lacnic.net/rdap/"),
        ("10.0.0.1", None),
        ("3000::1", None),
    ],
)
def test_shipped_table_names_the_registry_of_an_address(ip, base):
    assert shipped_bootstrap().base(ip_address(ip)) == base


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("rdap.arin.net", True),
        ("jpnic.rdap.apnic.net", True),
        ("rdap.registro.br", True),
        ("evilrdap.arin.net", False),
        ("rdap.arin.net.evil.example", False),
        ("arin.net", False),
        ("", False),
        ("127.0.0.1", False),
    ],
)
def test_only_registries_hosts_are_known(host, known):
    assert shipped_bootstrap().knows_host(host) is known


def test_closest_network_of_the_table_decides():
    services = [[["192.0.0.0/8"], ["https://wide.example/"]], [["192.0.2.0/24"], ["http://x/", "https://near.example"]]]
    table = parse_bootstrap({"ipv4": {"services": services}, "ipv6": {"services": []}})
    assert table.base(ip_address("192.0.2.1")) == "https://near.example/"
    assert table.base(ip_address("192.0.3.1")) == "https://wide.example/"


@pytest.mark.parametrize("value", [{}, [], {"ipv4": {"services": []}, "ipv6": {"services": []}}, {"ipv4": 5, "ipv6": 5},
                                   {"ipv4": {"services": [[["x"], ["https://a/"]]]}, "ipv6": {"services": []}}])  # fmt: skip
def test_table_that_is_none_is_refused(value):
    with pytest.raises(MalformedAnswerError):
        parse_bootstrap(value)
