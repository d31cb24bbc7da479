"""Clients that try out recipients: who is recognised, who never is, and what both MTAs tell them at connect."""

import os
import smtplib
import time
from dataclasses import replace

import pytest

from hoptrail_milter.clients import PROBES, SLOTS, Clients, Recipients, network_key, network_text
from hoptrail_milter.harvest import Harvest
from hoptrail_milter.settings import HarvestSettings
from hoptrail_milter.shared import Shared
from hoptrail_tracer.settings import SiteSettings
from testbed.daemon import running_daemon, send
from testbed.places import wait_for
from testbed.postfix import Postfix
from testbed.sendmail import Sendmail

CLIENT, STRANGER = "203.0.113.9", "198.51.100.7"
OURS, HARVESTER = "127.0.0.1", "127.0.0.2"


class Clock:
    now = 1_000_000.0

    def __call__(self):
        return self.now


def harvest(clock=None, clients=None, site=None, **changes):
    settings = HarvestSettings(action="refuse", **changes)
    return Harvest(settings, site or SiteSettings(), clients or Clients(1), clock or Clock())


def count(harvest, ip=CLIENT, *, accepted=0, refused=50, has_user=False):
    harvest.count(ip, None, accepted=accepted, refused=refused, has_user=has_user)


def is_harvester(harvest, ip=CLIENT, name=None, port="25"):
    return harvest.harvester(ip, name, port) is not None


@pytest.mark.parametrize(
    ("accepted", "refused", "found"),
    [(0, 49, False), (0, 50, True), (12, 50, True), (13, 50, False), (19, 1_000, True), (20, 1_000_000, False)],
)
def test_network_harvests_by_number_and_share_unless_it_delivers(accepted, refused, found):
    judge = harvest()
    count(judge, accepted=accepted, refused=refused)
    assert is_harvester(judge) is found


def test_neighbours_count_together_as_far_as_the_site_says():
    for bits, together in ((24, True), (32, False)):
        judge = harvest(ipv4_bits=bits)
        count(judge, "203.0.113.1", refused=30)
        count(judge, "203.0.113.2", refused=30)
        assert is_harvester(judge, "203.0.113.3" if together else "203.0.113.1") is together


def test_ipv6_customer_is_one_network():
    judge = harvest()
    for number in range(50):
        count(judge, f"2001:db8:1:2::{number:x}", refused=1)
    found = judge.harvester("2001:db8:1:2:ffff::1", None, "25")
    assert found.network == "2001:db8:1:2::/64"
    assert not is_harvester(judge, "2001:db8:1:3::1")


def test_network_is_forgiven_with_time():
    clock = Clock()
    judge = harvest(clock, window_s=100)
    count(judge, refused=60)
    clock.now += 100
    assert is_harvester(judge) == (clock.now % 100 < 16)
    clock.now += 100
    assert not is_harvester(judge)


@pytest.mark.parametrize(
    ("ip", "name", "port"),
    [
        ("127.0.0.1", None, "25"),
        ("::1", None, "25"),
        ("192.0.2.7", None, "25"),
        ("192.0.3.7", None, "25"),
        ("192.0.4.7", "out.forward.example", "25"),
        ("192.0.5.7", "a.lists.example", "25"),
        ("192.0.6.7", "mx2.example.org", "25"),
        ("192.0.7.7", "x.partner.example", "25"),
        (CLIENT, None, "587"),
        (None, None, "25"),
        ("no address", None, "25"),
    ],
)
def test_who_may_be_innocent_is_never_acted_upon(ip, name, port):
    site = SiteSettings(
        networks=("192.0.2.0/24",),
        hosts=("mx2.example.org",),
        msas=("192.0.3.7",),
        forwarders=(".forward.example",),
        lists=("*.lists.example",),
    )
    judge = harvest(site=site, never=("*.partner.example",))
    count(judge, refused=1_000)
    judge.count(ip, name, accepted=0, refused=1_000, has_user=False)
    assert not is_harvester(judge, ip, name, port)
    assert is_harvester(judge)


def test_network_of_users_is_left_alone_and_their_typing_errors_do_not_count():
    clock = Clock()
    judge = harvest(clock, window_s=100)
    count(judge, refused=1_000)
    count(judge, refused=1_000, has_user=True)
    assert not is_harvester(judge)
    clock.now += 200
    count(judge, refused=50)
    assert is_harvester(judge)


def test_workers_judge_by_what_all_of_them_saw():
    shared = Shared(3)
    for worker in (1, 2):
        if (child := os.fork()) == 0:
            count(harvest(clients=shared.sit(worker).clients), refused=30)
            os._exit(0)
        os.waitpid(child, 0)
    shared.sit(0)
    judge = harvest(clients=shared.clients)
    assert judge.harvester(CLIENT, None, "25").recipients == Recipients(0, 60)
    assert [found.network for found in judge.worst()] == ["203.0.113.0/24"]


def test_full_table_forgets_those_with_fewest_recipients():
    clients = Clients(1)
    heavy = network_key(CLIENT, 24)
    clients.add(heavy, 1, 0, 1_000)
    for number in range(4 * SLOTS * PROBES // 8):
        clients.add(2 + (number << 8), 1, 0, 1)
    assert clients.read(heavy, 1, 1.0).refused == 1_000


@pytest.mark.parametrize(
    ("ip", "bits", "network"),
    [
        ("203.0.113.9", 24, "203.0.113.0/24"),
        ("255.255.255.255", 32, "255.255.255.255/32"),
        ("0.0.0.1", 16, "0.0.0.0/16"),
        ("2001:db8:ff:1::5", 24, "2001:db8:ff:1::/64"),
    ],
)
def test_network_is_written_as_it_was_counted(ip, bits, network):
    assert network_text(network_key(ip, bits), bits) == network


@pytest.fixture(scope="module", params=[Postfix, Sendmail], ids=lambda kind: kind.name)
def beds(request):
    with (
        running_daemon(harvest={"action": "refuse", "refusals": 5, "never": (f"!{HARVESTER}",)}) as daemon,
        request.param(milters=[daemon.socket]) as mta,
    ):
        yield daemon, mta


def try_out(mta, daemon, source):
    before = daemon.counter("recipients_refused")
    with mta.smtp(source=source) as smtp:
        smtp.docmd("MAIL FROM:<harvester@example.net>")
        for number in range(6):
            assert smtp.docmd(f"RCPT TO:<nobody{number}@example.test>")[0] == 550
    wait_for(lambda: daemon.counter("recipients_refused") == before + 6, "the session to be counted")


@pytest.mark.mta
class TestBesideAnMta:
    def test_harvester_is_refused_with_421_at_connect_and_others_are_not(self, beds):
        daemon, mta = beds
        try_out(mta, daemon, OURS)
        assert daemon.status()["harvesters"] == []
        try_out(mta, daemon, HARVESTER)
        with pytest.raises(smtplib.SMTPConnectError) as refused:
            mta.smtp(source=HARVESTER)
        assert refused.value.smtp_code == 421
        with mta.smtp(source=OURS) as smtp:
            assert send(smtp).code == 250
        assert daemon.counter("harvest_refused") >= 1
        [shown] = daemon.status()["harvesters"]
        assert (shown["network"], shown["refused"] >= 6) == ("127.0.0.0/24", True)
        assert "harvester client=127.0.0.2 network=127.0.0.0/24" in daemon.log()

    def test_observing_only_counts_and_delivered_mail_redeems(self, beds):
        daemon, mta = beds
        settings = daemon.settings
        daemon.reload(replace(settings, milter=replace(settings.milter, observe_only=True)))
        daemon.wait_for_workers(1)
        seen, refused = daemon.counter("harvest_seen"), daemon.counter("harvest_refused")
        with mta.smtp(source=HARVESTER) as smtp:
            for _ in range(10):
                assert send(smtp, recipients=("alice@example.test", "bob@example.test")).code == 250
        assert daemon.counter("harvest_seen") == seen + 1
        assert daemon.counter("harvest_refused") == refused
        daemon.reload(settings)
        daemon.wait_for_workers(2)
        wait_for(lambda: not daemon.status()["harvesters"], "the delivered mail to count")
        with mta.smtp(source=HARVESTER) as smtp:
            assert send(smtp).code == 250


@pytest.mark.mta
def test_harvester_waits_for_its_greeting_where_it_is_slowed():
    settings = {"action": "slow", "refusals": 5, "delay_s": 1.0, "never": (f"!{HARVESTER}",)}
    with running_daemon(harvest=settings) as daemon, Postfix(milters=[daemon.socket]) as mta:
        try_out(mta, daemon, HARVESTER)
        begun = time.monotonic()
        with mta.smtp(source=HARVESTER) as smtp:
            waited_s = time.monotonic() - begun
            assert send(smtp).code == 250
        assert waited_s >= 1.0
        assert daemon.counter("harvest_slowed") == 1


@pytest.mark.mta
@pytest.mark.parametrize("kind", [Postfix, Sendmail], ids=lambda kind: kind.name)
def test_submission_is_open_to_users_of_a_harvesting_network(kind):
    settings = {"action": "refuse", "refusals": 5, "never": (f"!{HARVESTER}",)}
    with running_daemon(harvest=settings) as daemon, kind(milters=[daemon.socket]) as mta:
        ports = (str(mta.submission_port),)
        daemon.reload(replace(daemon.settings, harvest=replace(daemon.settings.harvest, never_ports=ports)))
        daemon.wait_for_workers(1)
        try_out(mta, daemon, HARVESTER)
        with pytest.raises(smtplib.SMTPConnectError):
            mta.smtp(source=HARVESTER)
        with mta.smtp(source=HARVESTER, submission=True) as smtp:
            smtp.login("alice@example.test", "correct horse")
            assert send(smtp).code == 250
        wait_for(lambda: not daemon.status()["harvesters"], "the user to redeem the network")
        with mta.smtp(source=HARVESTER) as smtp:
            assert send(smtp).code == 250
