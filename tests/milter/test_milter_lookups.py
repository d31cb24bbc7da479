"""What is looked up about a client while its message arrives, with a real Postfix, resolver and DNS list."""

import pytest

from testbed.daemon import delivered, running_daemon, send, unfolded
from testbed.dnsservers import Rbldnsd, Unbound
from testbed.postfix import Postfix

pytestmark = [pytest.mark.mta, pytest.mark.services]

ZONE = "dnsbl.example.net"
RECORDS = ["9.113.0.203.in-addr.arpa. PTR out.example.net.", "out.example.net. A 203.0.113.9"]


@pytest.fixture(scope="module")
def beds():
    with (
        Rbldnsd({ZONE: {"203.0.113.9": "127.0.0.4"}}) as lists,
        Unbound(RECORDS, stubs={ZONE: lists.port}, silent=["100.51.198.in-addr.arpa"]) as dns,
        running_daemon(
            lookups={
                "nameservers": (dns.address,),
                "zones": (f"{ZONE}=127.0.0.2-4",),
                "test_networks": ("203.0.113.0/24", "198.51.100.0/24"),
                "budget_s": 1.0,
            },
            site={"networks": ("192.0.2.0/24",)},
        ) as daemon,
        Postfix(milters=[daemon.socket]) as mta,
    ):
        yield daemon, mta


def origin_and_list(mta, ip, head=b""):
    with mta.smtp() as smtp:
        smtp.ehlo()
        smtp.docmd(f"XCLIENT ADDR={ip} NAME=[UNAVAILABLE] HELO=helo.example.net")
        fields = unfolded(delivered(mta, send(smtp, head)))
    return fields["x-hoptrail-origin"][0], fields["x-hoptrail-dnsbl"][0]


def test_listed_client_is_stamped_with_its_confirmed_name(beds):
    _daemon, mta = beds
    origin, listed = origin_and_list(mta, "203.0.113.9")
    assert "; ip=203.0.113.9; name=out.example.net; class=observed;" in origin
    assert listed == f"mx.example.test; {ZONE}=listed/127.0.0.4"


def test_origin_behind_a_trusted_relay_is_asked_about_in_its_place(beds):
    _daemon, mta = beds
    head = (
        b"Received: from out.example.net (out.example.net [203.0.113.9]) by relay.example.test (Postfix) with ESMTP"
        b" id 4dD1Zx0YqGz9vNP; Mon, 04 May 2026 12:00:00 +0000\r\n"
    )
    origin, listed = origin_and_list(mta, "192.0.2.7", head)
    assert "; ip=203.0.113.9;" in origin
    assert "listed/127.0.0.4" in listed


def test_silent_resolver_makes_the_name_late_and_the_mail_flows(beds):
    daemon, mta = beds
    origin, listed = origin_and_list(mta, "198.51.100.7")
    assert "; ip=198.51.100.7; name=unknown;" in origin
    assert listed == f"mx.example.test; {ZONE}=clear"
    assert daemon.counter("lookups_late") == 1


def test_private_client_is_not_asked_about(beds):
    _daemon, mta = beds
    assert origin_and_list(mta, "10.1.2.3")[1] == "mx.example.test; none=none"
