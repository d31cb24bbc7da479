"""IP addresses in every spelling seen, and numbers that are none."""

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hoptrail_tracer.received import parse
from hoptrail_tracer.received.address import canonical, endpoint

SPELLINGS = {
    "203.0.113.9": ("203.0.113.9", None),
    "[203.0.113.9]": ("203.0.113.9", None),
    "[203.0.113.9]:4025": ("203.0.113.9", 4025),
    "[203.0.113.9:4025]": ("203.0.113.9", 4025),
    "[203.0.113.9.4025]": ("203.0.113.9", 4025),
    "/203.0.113.9": ("203.0.113.9", None),
    "203.000.113.009": ("203.0.113.9", None),
    "[IPv6:2001:DB8::1]": ("2001:db8::1", None),
    "IPv6:2001:0db8:0000::0001": ("2001:db8::1", None),
    "[2001:db8::1]:25": ("2001:db8::1", 25),
    "fe80::1%eth0": ("fe80::1", None),
    "[fe80::1%14]": ("fe80::1", None),
    "::ffff:203.0.113.9": ("203.0.113.9", None),
    "::FFFF:cb00:7109": ("203.0.113.9", None),
    "IPv6:::1": ("::1", None),
    "203.0.113.9:99999": ("203.0.113.9", None),
}

NO_ADDRESSES = (
    "",
    "mx.example.org",
    "203.0.113",
    "203.0.113.256",
    "7.0.030.2",
    "15.20.9052.8",
    "1:2:3",
    "[]",
    "::g",
    "²03.0.113.9",
)


@pytest.mark.parametrize(("written", "expected"), SPELLINGS.items())
def test_address_is_canonical_whatever_its_spelling(written, expected):
    assert endpoint(written) == expected


@pytest.mark.parametrize("written", NO_ADDRESSES)
def test_address_is_none_where_the_text_is_none(written):
    assert endpoint(written) is None


@settings(deadline=None)
@given(st.ip_addresses(v=4))
def test_every_ipv4_address_is_its_own_canonical_form(address: IPv4Address):
    assert canonical(str(address)) == str(address)


@settings(deadline=None)
@given(st.ip_addresses(v=6))
def test_every_ipv6_address_takes_the_form_of_ipaddress(address: IPv6Address):
    expected = str(address.ipv4_mapped or address)
    assert canonical(address.exploded) == expected
    assert canonical(str(address).upper()) == expected


@settings(deadline=None)
@given(st.text(max_size=60))
def test_text_is_canonical_or_no_address(text):
    found = canonical(text)
    assert found is None or str(ip_address(found)) == found


@settings(deadline=None)
@given(st.ip_addresses())
def test_address_in_a_line_is_read_back(address):
    tag = "IPv6:" if address.version == 6 else ""
    line = f"from a.example (b.example [{tag}{address}]) by mx.example.org (Postfix) with ESMTP id 4B1B; Mon, 1 Feb 2021 10:11:12 +0100"
    assert parse(line).ip == str(getattr(address, "ipv4_mapped", None) or address)
