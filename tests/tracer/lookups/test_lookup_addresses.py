from ipaddress import ip_address

import pytest

from hoptrail_tracer.lookups.addresses import is_public, parse_address, reversed_name


@pytest.mark.parametrize(
    "text",
    [
        *("127.0.0.1", "10.1.2.3", "192.168.0.1", "172.16.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"),
        *("203.0.113.9", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"),
        *("::1", "::", "fe80::1", "fec0::1", "fd00::1", "ff02::1", "2001:db8::1", "64:ff9b::7f00:1"),
        *("2002:7f00:1::", "2002:808:808::1", "2001:0:808:808::1", "5f00::1"),
    ],
)
def test_address_that_no_host_of_the_internet_has_is_not_public(text):
    assert not is_public(ip_address(text))


@pytest.mark.parametrize("text", ["8.8.8.8", "185.0.0.1", "2001:4860:4860::8888", "2a00:2381:ffff::1"])
def test_address_of_the_internet_is_public(text):
    assert is_public(ip_address(text))


def test_mapped_address_is_read_as_ipv4():
    assert parse_address("::ffff:127.0.0.1") == ip_address("127.0.0.1")


def test_text_that_is_no_address_gives_none():
    assert parse_address("999.1.1.1") is None


def test_reversed_name_of_ipv4():
    assert reversed_name(ip_address("192.0.2.99"), "list.example") == "99.2.0.192.list.example"


def test_reversed_name_of_ipv6_has_32_nibbles():
    name = reversed_name(ip_address("2001:db8:1:2:3:4:567:89ab"), "list.example")
    assert name == "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.list.example"
