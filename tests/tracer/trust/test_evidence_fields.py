"""Fields beside Received: what a believed host added counts, what came along does not."""

import pytest

from hoptrail_tracer.chain import trace
from hoptrail_tracer.evidence import read
from hoptrail_tracer.settings import SiteSettings

OWN = SiteSettings(networks=("192.0.2.0/24",))
STRANGER = "from x (unknown [203.0.113.5]) by mx.example.org (Postfix) with ESMTP id 4B5A1B2C3D; Sat, 1 Mar 2025 12:00:00 +0000"
INSIDE = "from web (web.example.org [192.0.2.80]) by mx.example.org (Postfix) with ESMTP id 4B5A1B2C3D; Sat, 1 Mar 2025 12:00:00 +0000"
UNREADABLE = "from outside by some means"
SPF = (
    "Received-SPF",
    "pass (mx.example.org: domain of a@b designates 203.0.113.5 as permitted sender) client-ip=203.0.113.5;",
)
USER = ("X-Originating-IP", "[198.51.100.77]")


def traced(*fields: tuple[str, str], site: SiteSettings = OWN):
    return trace([value for name, value in fields if name == "Received"], site=site, fields=fields)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (
            "Received-SPF",
            "Pass (protection.outlook.com: domain of x designates 203.0.113.5 as permitted sender) receiver=y; client-ip=203.0.113.5; helo=z",
        ),
        ("Authentication-Results", "spf=fail (sender IP is 203.0.113.5) smtp.mailfrom=x.example; dkim=none"),
        ("Authentication-Results", "mx.example.org; iprev=pass policy.iprev=203.0.113.5 (x)"),
        (
            "ARC-Authentication-Results",
            "i=1; mx.google.com; spf=pass (google.com: domain of x designates 203.0.113.5 as permitted sender)",
        ),
        ("X-Forefront-Antispam-Report", "CIP:203.0.113.5;CTRY:US;LANG:en;SCL:1"),
        ("X-Originating-IP", "[203.0.113.5]"),
        ("X-Sender-IP", "203.0.113.5"),
        ("X-Originating-IP", "::ffff:203.0.113.5"),
    ],
)
def test_read_finds_the_address(name, value):
    assert {found.ip for found in read([(name, value)])} == {"203.0.113.5"}


@pytest.mark.parametrize("value", ["", "[10.0.0.1]", "localhost", "[999.1.1.1]", "\x00" * 50, "[" * 20000, "fe80::1"])
def test_read_passes_over_what_names_no_place_in_the_world(value):
    assert read([("X-Originating-IP", value), ("Received-SPF", f"client-ip={value}")]) == ()


def test_field_above_our_own_line_corroborates():
    plain, agreed = traced(("Received", STRANGER)), traced(SPF, ("Received", STRANGER))
    assert agreed.origin.ip == plain.origin.ip
    assert agreed.origin.confidence > plain.origin.confidence
    assert "corroborated: " in " ".join(agreed.origin.reasons)


def test_field_below_our_own_line_is_ignored():
    assert traced(("Received", STRANGER), SPF).origin == traced(("Received", STRANGER)).origin


def test_field_is_ignored_where_received_fields_are_not_among_the_fields():
    assert trace([STRANGER], site=OWN, fields=[SPF]).origin.confidence == trace([STRANGER], site=OWN).origin.confidence


def test_originating_field_of_a_declared_host_is_the_oldest_hop():
    found = traced(("Received", INSIDE), USER)
    assert (found.origin.ip, found.origin.basis) == ("198.51.100.77", "originating-field")
    assert found.hops[-1].line is None
    assert found.hops[-1].received.reason == "X-Originating-IP"
    assert "originating-field: " in " ".join(found.origin.reasons)


@pytest.mark.parametrize("site", [OWN, SiteSettings()])
def test_originating_field_of_a_stranger_is_ignored(site):
    found = traced(("Received", STRANGER), USER, site=site)
    assert found.origin.ip == "203.0.113.5"
    assert len(found.hops) == 1


def test_originating_field_is_ignored_where_the_last_host_was_only_inferred():
    private = STRANGER.replace("203.0.113.5", "10.0.0.5")
    assert traced(("Received", private), USER, site=SiteSettings()).origin.ip == "10.0.0.5"


def test_field_names_the_client_where_our_own_line_does_not():
    found = traced(("X-Forefront-Antispam-Report", "CIP:203.0.113.5;"), ("Received", UNREADABLE))
    assert (found.origin.ip, found.origin.basis) == ("203.0.113.5", "evidence")
    ignored = traced(("Received", UNREADABLE), ("X-Forefront-Antispam-Report", "CIP:203.0.113.5;"))
    assert ignored.origin.ip is None
