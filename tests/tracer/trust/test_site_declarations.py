"""What a site declares: networks, names, exclusions, and what is refused."""

import pytest

from hoptrail_tracer.addresses import Scope, near, scope
from hoptrail_tracer.errors import SiteError, TracerError
from hoptrail_tracer.names import registrable, same_host, same_owner
from hoptrail_tracer.settings import SiteSettings
from hoptrail_tracer.sitematch import compile_site, host_list


@pytest.mark.parametrize(
    ("declared", "ip", "believed"),
    [
        (("192.0.2.0/24",), "192.0.2.9", True),
        (("192.0.2.0/24",), "192.0.3.9", False),
        (("192.0.2.0/24",), "192.0.2.1", True),
        (("!192.0.2.9", "192.0.2.0/24"), "192.0.2.9", False),
        (("192.0.2.0/24", "!192.0.2.9"), "192.0.2.9", True),
        (("2001:db8::/32",), "2001:db8:1::1", True),
        (("[2001:db8::1]",), "2001:db8::1", True),
        (("::ffff:192.0.2.0/120",), "192.0.2.9", True),
        (("0.0.0.0/0",), "2001:db8::1", False),
        ((), "192.0.2.9", False),
    ],
)
def test_first_network_that_fits_decides(declared, ip, believed):
    assert host_list(declared).has(ip, None) is believed


@pytest.mark.parametrize(
    ("declared", "name", "believed"),
    [
        ("mx1.example.org", "MX1.example.org.", True),
        ("mx1.example.org", "x.mx1.example.org", False),
        ("*.example.org", "a.b.example.org", True),
        (".example.org", "a.example.org", True),
        ("*.example.org", "example.org", False),
        ("*.example.org", "notexample.org", False),
        ("*.example.org", "mx.example.org.evil.example", False),
    ],
)
def test_name_stands_for_itself_or_all_below(declared, name, believed):
    assert host_list([declared]).has(None, name) is believed


@pytest.mark.parametrize(
    "wrong", ["", "!", "192.0.2.0/33", "192.0.2", "300.1.1.1", "2001:db8::/200", "a.*.example.org", "a b", "x/y"]
)
def test_what_names_no_host_is_refused_with_the_text(wrong):
    with pytest.raises(SiteError, match="write") as refusal:
        compile_site(SiteSettings(networks=(wrong,)))
    assert repr(wrong) in str(refusal.value)
    assert isinstance(refusal.value, TracerError)


@pytest.mark.parametrize(
    ("ip", "expected"),
    [
        ("127.9.9.9", Scope.LOOPBACK),
        ("::1", Scope.LOOPBACK),
        ("172.31.255.255", Scope.PRIVATE),
        ("172.32.0.0", Scope.GLOBAL),
        ("100.64.0.1", Scope.PRIVATE),
        ("fe80::1%14", Scope.PRIVATE),
        ("2002:a05:7208::1", Scope.PRIVATE),
        ("203.0.113.5", Scope.GLOBAL),
        ("2001:db8::1", Scope.GLOBAL),
        ("::ffff:10.0.0.1", Scope.PRIVATE),
        ("255.255.255.255", Scope.RESERVED),
        ("0.0.0.0", Scope.RESERVED),
        ("no address", None),
        (None, None),
    ],
)
def test_scope_of_an_address(ip, expected):
    assert scope(ip) is expected


def test_near_compares_only_what_is_alike():
    assert near("192.0.2.1", "192.0.2.200", v4_bits=24, v6_bits=48)
    assert not near("192.0.2.1", "192.0.3.1", v4_bits=24, v6_bits=48)
    assert near("2001:db8::1", "2001:db8:0:1::1", v4_bits=24, v6_bits=48)
    assert not near("192.0.2.1", "2001:db8::1", v4_bits=0, v6_bits=0)
    assert not near("192.0.2.1", None, v4_bits=0, v6_bits=0)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mx1.mail.example.com", "example.com"),
        ("MX.Example.CO.UK.", "example.co.uk"),
        ("a.b.firm.com.br", "firm.com.br"),
        ("web.de", "web.de"),
        ("mx.web.de", "web.de"),
        ("localhost", None),
        ("host.lan", None),
        ("[192.0.2.1]", None),
        ("192.0.2.1", None),
        ("2001:db8::1", None),
        ("x" * 300 + ".org", None),
        ("MN0PR19MB6312.namprd19.prod.outlook.com", "outlook.com"),
        ("BN9PR03CA0223.outlook.office365.com", "outlook.com"),
    ],
)
def test_registrable_domain(name, expected):
    assert registrable(name) == expected


def test_owners_and_hosts_are_compared_by_name():
    assert same_owner("a.example.org", "b.example.org")
    assert not same_owner("a.example.org", "a.example.com")
    assert not same_owner(None, None)
    assert same_owner("mailhub", "MAILHUB")
    assert same_host("mx.inner.example.org", "mx.example.org")
    assert not same_host("mx1.example.org", "mx2.example.org")
