"""Cases of SpamAssassin's kind, in our words: its first untrusted relay is our origin, else its last trusted one."""

import pytest

from hoptrail_tracer.chain import trace
from hoptrail_tracer.settings import SiteSettings


def relay(ip: str) -> str:
    return f"from client.example.net ({ip}) by mx.example.org with SMTP; 10 Nov 2025 00:00:01 -0000"


@pytest.mark.parametrize(
    ("settings", "relays", "origin", "basis"),
    [
        ({}, ["127.0.1.2"], "127.0.1.2", "inside"),
        ({"networks": ("1.2.0.0/16", "!127.0.0.0/8")}, ["127.0.1.2"], "127.0.1.2", "inside"),
        ({}, ["10.0.1.2"], "10.0.1.2", "inside"),
        ({}, ["::1"], "::1", "inside"),
        ({"networks": ("1.2.0.0/16", "!1.2.0.0/16")}, ["1.2.3.2"], "1.2.3.2", "inside"),
        ({"networks": ("!1.0.0.0/8", "1.0.0.0/8")}, ["1.1.1.1"], "1.1.1.1", "top-line"),
        ({"networks": ("1.2.0.0/16",)}, ["1.1.1.2"], "1.1.1.2", "top-line"),
        ({"internal": ("1.1.0.0/16",)}, ["1.1.1.2"], "1.1.1.2", "inside"),
        (
            {"networks": ("1.1.0.0/16",), "msas": ("1.1.1.2",)},
            ["1.1.1.1", "1.1.1.2", "5.5.5.5"],
            "5.5.5.5",
            "submission",
        ),
        (
            {"networks": ("!1.1.1.2", "1.1.0.0/16", "5.5.5.5"), "msas": ("5.5.5.5",)},
            ["1.1.1.1", "1.1.1.2", "5.5.5.5"],
            "1.1.1.2",
            "trusted-relay",
        ),
        (
            {"networks": ("1.1.0.0/16",), "msas": ("5.5.5.5",)},
            ["1.1.1.1", "1.1.1.2", "5.5.5.5"],
            "5.5.5.5",
            "trusted-relay",
        ),
        (
            {"networks": ("dead:beef:0:102:304:506:700:0/108",)},  # SpamAssassin's has host bits, which we refuse
            ["dead:beef:0:102:304:506:708:a0b"],
            "dead:beef:0:102:304:506:708:a0b",
            "inside",
        ),
        ({"networks": ("dead:beef::1",)}, ["2002:abcd:ef10::1"], "2002:abcd:ef10::1", "top-line"),
    ],
)
def test_origin_agrees(settings, relays, origin, basis):
    traced = trace([relay(ip) for ip in relays], site=SiteSettings(**settings))
    assert (traced.origin.ip, traced.origin.basis) == (origin, basis)


def test_originating_field_becomes_the_origin_behind_a_trusted_relay():
    fields = [("Received", relay("1.1.1.1")), ("X-Originating-IP", "2.2.2.2")]
    for settings in ({}, {"msas": ("1.0.0.0/8",)}, {"internal": ("1.0.0.0/8",)}):
        traced = trace([fields[0][1]], fields=fields, site=SiteSettings(networks=("1.0.0.0/8",), **settings))
        assert traced.origin.ip == "2.2.2.2"
