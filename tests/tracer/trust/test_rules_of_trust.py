"""Each rule of docs/tracing.md by its name: what it decides, and that the reasons say so."""

from datetime import UTC, datetime, timedelta

import pytest

from hoptrail_tracer.chain import trace
from hoptrail_tracer.history import SeenLink, SeenShape
from hoptrail_tracer.model import Connection, Trust
from hoptrail_tracer.settings import SiteSettings

OWN = SiteSettings(networks=("192.0.2.0/24",))
DATE = "Sat, 1 Mar 2025 12:00:{:02} +0000"


def line(client: str, name: str, by: str, second: int = 0, *, protocol: str = "ESMTP", helo: str | None = None) -> str:
    """A Postfix line: `name` is what it looked up."""
    return (
        f"from {helo or name} ({name} [{client}]) by {by} (Postfix) with {protocol} id 4B5A1B2C3D{second:X}; "
        + DATE.format(59 - second)
    )


def reasons(traced, index: int) -> str:
    return " ".join(traced.hops[index].reasons)


def classes(traced) -> list[str]:
    return [hop.trust.value for hop in traced.hops]


# 1 first-stranger


def test_first_stranger_ends_belief_for_everything_older():
    traced = trace(
        [
            line("192.0.2.7", "relay.example.org", "mx.example.org"),
            line("203.0.113.5", "dsl.isp.example", "relay.example.org", 1),
            line("192.0.2.8", "mx2.example.org", "relay2.example.org", 2),
            line("198.51.100.1", "victim.example.com", "mx2.example.org", 3),
        ],
        site=OWN,
    )
    assert traced.origin.ip == "203.0.113.5"
    assert "first-stranger: " in reasons(traced, 1)
    assert not {Trust.OBSERVED, Trust.TRUSTED} & {hop.trust for hop in traced.hops[2:]}


# 2 loopback


def test_loopback_is_believed_though_excluded():
    site = SiteSettings(networks=("192.0.2.0/24", "!127.0.0.0/8"))
    traced = trace(
        [line("127.0.0.1", "localhost", "mx.example.org"), line("203.0.113.5", "unknown", "mx.example.org", 1)],
        site=site,
    )
    assert traced.origin.ip == "203.0.113.5"
    assert "loopback: " in reasons(traced, 0)


def test_loopback_with_a_foreign_line_below_is_a_local_program_that_forges():
    traced = trace(
        [
            line("192.0.2.80", "web.example.org", "mx.example.org"),
            line("127.0.0.1", "localhost", "web.example.org", 1),
            line("198.51.100.1", "unknown", "mx.bank.example", 2),
        ],
        site=OWN,
    )
    assert (traced.origin.ip, traced.origin.basis) == ("192.0.2.80", "local")


# 3 trusted-network, trusted-host: one list unset copies the other


@pytest.mark.parametrize(
    "site",
    [
        SiteSettings(networks=("192.0.2.0/24",)),
        SiteSettings(internal=("192.0.2.0/24",)),
        SiteSettings(networks=("192.0.2.0/24",), internal=("192.0.2.0/28",)),
    ],
)
def test_trusted_network_is_believed(site):
    traced = trace(
        [
            line("192.0.2.99", "relay.example.org", "mx.example.org"),
            line("203.0.113.5", "unknown", "relay.example.org", 1),
        ],
        site=site,
    )
    assert traced.origin.ip == "203.0.113.5"
    assert "trusted-network: " in reasons(traced, 0)


def test_trusted_host_is_believed_by_the_name_looked_up():
    site = SiteSettings(hosts=("*.example.org",))
    traced = trace(
        [
            line("192.0.2.7", "relay.example.org", "mx.example.org"),
            line("203.0.113.5", "unknown", "relay.example.org", 1),
        ],
        site=site,
    )
    assert traced.origin.ip == "203.0.113.5"
    assert "trusted-host: " in reasons(traced, 0)


def test_trusted_host_is_not_believed_by_its_helo():
    site = SiteSettings(hosts=("*.example.org",))
    traced = trace(
        [
            line("203.0.113.5", "unknown", "mx.example.org", helo="relay.example.org"),
            line("198.51.100.1", "unknown", "relay.example.org", 1),
        ],
        site=site,
    )
    assert traced.origin.ip == "203.0.113.5"


@pytest.mark.parametrize(
    "client",
    [
        "relay.example.org (HELO x) (203.0.113.5)",
        "relay.example.org (203.0.113.5)",
        "relay.example.org (relay.example.org [203.0.113.5] (may be forged))",
        "x (EHLO relay.example.org) ([203.0.113.5])",
        "x (HELO (relay.example.org [203.0.113.5])) (203.0.113.5)",
        "(relay.example.org [192.0.2.7]) (unknown [203.0.113.5])",
    ],
)
def test_trusted_host_is_not_believed_by_a_name_that_nobody_resolved_back(client):
    site = SiteSettings(hosts=("*.example.org",))
    top = f"from {client} by mx.example.org with ESMTP id AB12345; {DATE.format(59)}"
    traced = trace([top, line("198.51.100.1", "unknown", "relay.example.org", 1)], site=site)
    assert traced.origin.ip != "198.51.100.1"


def test_origin_has_no_name_that_its_own_line_doubts():
    client = "dial.example (bank.example [203.0.113.5] (may be forged))"
    traced = trace([f"from {client} by mx.example.org with ESMTP id AB12345; {DATE.format(59)}"])
    assert (traced.origin.ip, traced.origin.name) == ("203.0.113.5", None)


# 4 nothing declared


def test_private_handoff_is_believed_where_nothing_is_declared():
    traced = trace(
        [line("10.0.0.3", "unknown", "mail.example.org"), line("203.0.113.5", "unknown", "gw.example.org", 1)]
    )
    assert traced.origin.ip == "203.0.113.5"
    assert "private-handoff: " in reasons(traced, 0)
    assert traced.inferred


def test_private_handoff_is_not_believed_where_networks_are_declared():
    traced = trace(
        [line("10.0.0.3", "unknown", "mail.example.org"), line("203.0.113.5", "unknown", "gw.example.org", 1)], site=OWN
    )
    assert traced.origin.ip == "10.0.0.3"
    assert traced.origin.basis == "inside"


def test_authenticated_user_is_the_origin_and_his_relay_is_vouched_for():
    traced = trace(
        [
            line("203.0.113.5", "branch.example.net", "mx.example.org", protocol="ESMTPSA"),
            line("198.51.100.1", "unknown", "branch.example.net", 1),
        ]
    )
    assert traced.origin.ip == "203.0.113.5"
    assert traced.origin.basis == "submission"
    assert classes(traced) == ["trusted", "vouched"]
    assert "authenticated: " in reasons(traced, 1)
    assert traced.deeper is not None
    assert traced.deeper.ip == "198.51.100.1"


def test_authenticated_relay_of_a_declared_network_is_believed():
    traced = trace(
        [
            line("192.0.2.7", "relay.example.org", "mx.example.org", protocol="ESMTPSA"),
            line("203.0.113.5", "unknown", "relay.example.org", 1),
        ],
        site=OWN,
    )
    assert traced.origin.ip == "203.0.113.5"


def test_own_domain_is_believed_by_a_confirmed_name_no_deeper_than_the_writer():
    traced = trace(
        [
            line("198.51.100.7", "gw.example.org", "mail.example.org"),
            line("203.0.113.5", "unknown", "gw.example.org", 1),
        ]
    )
    assert traced.origin.ip == "203.0.113.5"
    assert traced.origin.basis == "inferred-relay"
    assert "own-domain: " in reasons(traced, 0)


@pytest.mark.parametrize("name", ["dsl-7.isp.example", "c-198-51-100-7.isp.example", "pc.customer.isp.example"])
def test_own_domain_does_not_stand_for_customers_of_the_provider(name):
    traced = trace([line("198.51.100.7", name, "mx.isp.example"), line("203.0.113.5", "unknown", name, 1)])
    assert traced.origin.ip == "198.51.100.7"


def test_own_neighbour_is_believed_where_address_name_and_line_agree():
    exchange = (
        "from IN01.example.org (198.51.100.7) by MB01.example.org (198.51.100.9) with Microsoft SMTP Server id 15.1.2507.9; "
        + DATE.format(50)
    )
    below = (
        "from x (203.0.113.5) by IN01.example.org (198.51.100.7) with Microsoft SMTP Server id 15.1.2507.9; "
        + DATE.format(49)
    )
    assert trace([exchange, below]).origin.ip == "203.0.113.5"
    afar = exchange.replace("198.51.100.9", "203.0.113.9")
    assert trace([afar, below]).origin.ip == "198.51.100.7"


def test_providers_inner_network_is_looked_through_for_a_reader_of_its_mailbox():
    top = (
        "from BY5PR19MB4036.namprd19.prod.outlook.com (2603:10b6:a03:228::10) by MN0PR19MB6312.namprd19.prod.outlook.com with HTTPS; "
        + DATE.format(50)
    )
    edge = (
        "from bulk.example.com (203.0.113.5) by BY5PR19MB4036.mail.protection.outlook.com (10.13.3.181) with Microsoft SMTP "
        "Server id 15.20.6631.47 via Frontend Transport; " + DATE.format(49)
    )
    assert trace([top, edge]).origin.ip == "203.0.113.5"


# 5 submission-host


def test_submission_host_makes_its_client_the_origin():
    site = SiteSettings(networks=("192.0.2.0/24",), msas=("192.0.2.25",))
    traced = trace(
        [
            line("192.0.2.25", "submit.example.org", "mx.example.org"),
            line("203.0.113.5", "home.isp.example", "submit.example.org", 1),
            line("10.1.2.3", "unknown", "home.isp.example", 2),
        ],
        site=site,
    )
    assert traced.origin.ip == "203.0.113.5"
    assert traced.origin.basis == "submission"
    assert "submission-host: " in reasons(traced, 1)
    assert traced.hops[2].trust is Trust.VOUCHED


def test_submission_host_that_is_not_trusted_is_a_stranger():
    site = SiteSettings(networks=("192.0.2.0/24",), msas=("203.0.113.5",))
    traced = trace(
        [line("203.0.113.5", "unknown", "mx.example.org"), line("198.51.100.1", "unknown", "x.example.net", 1)],
        site=site,
    )
    assert traced.origin.ip == "203.0.113.5"
    assert traced.origin.basis == "top-line"


# 6 boundary-address


def test_boundary_gives_address_and_looked_up_name_but_never_the_helo():
    traced = trace([line("203.0.113.5", "dsl.isp.example", "mx.example.org", helo="mail.bank.example")], site=OWN)
    assert (traced.origin.ip, traced.origin.name) == ("203.0.113.5", "dsl.isp.example")
    unnamed = trace([line("203.0.113.5", "unknown", "mx.example.org", helo="mail.bank.example")], site=OWN)
    assert unnamed.origin.name is None


# 7 fetch-marker

FETCHED = (
    "from pop.isp.example [203.0.113.110] by localhost with POP3 (fetchmail-6.4.2) for me@localhost (single-drop); "
)


def test_fetch_marker_at_the_top_restarts_the_walk():
    chain = [
        line("127.0.0.1", "localhost", "laptop.example.org"),
        FETCHED + DATE.format(50),
        line("198.51.100.4", "out.example.net", "mx.isp.example", 20),
        line("203.0.113.99", "unknown", "out.example.net", 30),
    ]
    for site in (SiteSettings(), OWN):
        traced = trace(chain, site=site)
        assert traced.origin.ip == "198.51.100.4"
        assert traced.origin.basis == "fetched"
        assert "fetch-marker: " in reasons(traced, 1)


def test_fetch_marker_below_the_stranger_is_ignored():
    traced = trace(
        [
            line("203.0.113.5", "unknown", "mx.example.org"),
            FETCHED + DATE.format(50),
            line("198.51.100.4", "unknown", "mx.isp.example", 20),
        ],
        site=OWN,
    )
    assert traced.origin.ip == "203.0.113.5"


# 8 originating-field, corroborated: see test_evidence


# 9 by-mismatch and numeric-helo: see test_chain_anomalies

# 10 declare-behind-nat


def test_declare_behind_nat_stops_inference_at_a_private_address_with_a_foreign_line_below():
    chain = [
        line("192.168.1.1", "unknown", "mx.example.org", helo="spam.example.net"),
        line("198.51.100.1", "unknown", "spam.example.net", 1),
    ]
    traced = trace(chain)
    assert traced.origin.ip == "192.168.1.1"
    assert traced.origin.basis == "inside"
    assert "declare-behind-nat: " in reasons(traced, 0)
    assert traced.origin.confidence < 0.5


# 11 chain-test


def test_chain_test_vouches_for_the_line_of_a_host_whose_looked_up_name_wrote_it():
    traced = trace(
        [
            line("203.0.113.5", "out.example.net", "mx.example.org"),
            line("198.51.100.1", "pc.example.net", "out.example.net", 1),
        ],
        site=OWN,
    )
    assert classes(traced) == ["trusted", "vouched"]
    assert "chain-test: " in reasons(traced, 1)
    assert traced.origin.ip == "203.0.113.5"


def test_chain_test_fails_where_the_writer_goes_by_another_name():
    traced = trace(
        [
            line("203.0.113.5", "dsl.isp.example", "mx.example.org"),
            line("198.51.100.1", "unknown", "mx.bank.example", 1),
        ],
        site=OWN,
    )
    assert classes(traced) == ["trusted", "claimed"]


# 12 new-relay, usual-shape

ARRIVED = datetime(2025, 3, 1, 12, tzinfo=UTC)


class Remembered:
    """A history that knows one host since a while, by lines of which some had the shape asked for."""

    def __init__(self, age: timedelta, count: int = 40, lines: int = 50) -> None:
        self.answer = SeenShape(count, lines, ARRIVED - age)

    def seen_shape(self, by: str, shape: str) -> SeenShape:  # noqa: ARG002
        return self.answer if by == "out.example.net" else SeenShape()

    def seen_link(self, sender: str, by: str) -> SeenLink:  # noqa: ARG002
        return SeenLink()


HONEST = [
    line("203.0.113.5", "out.example.net", "mx.example.org"),
    line("198.51.100.1", "pc.example.net", "out.example.net", 1),
]


def test_new_relay_is_not_believed_for_48_hours():
    young, old = Remembered(timedelta(hours=47)), Remembered(timedelta(hours=49))
    assert "new-relay: " in reasons(trace(HONEST, site=OWN, history=young, now=ARRIVED), 1)
    assert classes(trace(HONEST, site=OWN, history=young, now=ARRIVED)) == ["trusted", "claimed"]
    assert classes(trace(HONEST, site=OWN, history=old, now=ARRIVED)) == ["trusted", "vouched"]
    assert "usual-shape: " in reasons(trace(HONEST, site=OWN, history=old, now=ARRIVED), 1)


# 13 forwarder, mailing-list, excluded


@pytest.mark.parametrize("declared", ["198.51.100.9", "forward.alumni.example.edu", "*.example.edu"])
@pytest.mark.parametrize(("option", "rule"), [("forwarders", "forwarder: "), ("lists", "mailing-list: ")])
def test_forwarder_or_list_is_looked_past(option, rule, declared):
    site = SiteSettings(networks=("192.0.2.0/24",), **{option: (declared,)})
    traced = trace(
        [
            line("198.51.100.9", "forward.alumni.example.edu", "mx.example.org"),
            line("127.0.0.1", "localhost", "forward.alumni.example.edu", 1),
            line("10.0.0.2", "unknown", "forward.alumni.example.edu", 2),
            line("203.0.113.5", "unknown", "inner.alumni.example.edu", 3),
        ],
        site=site,
    )
    assert traced.origin.ip == "203.0.113.5"
    assert traced.origin.basis == "forwarded"
    assert rule in reasons(traced, 0)


def test_excluded_host_is_the_source():
    site = SiteSettings(networks=("!192.0.2.66", "192.0.2.0/24"))
    traced = trace(
        [
            line("192.0.2.66", "liar.example.org", "mx.example.org"),
            line("203.0.113.5", "unknown", "liar.example.org", 1),
        ],
        site=site,
    )
    assert traced.origin.ip == "192.0.2.66"
    assert "excluded: " in reasons(traced, 0)


# 14 undeclared-receiver


def test_undeclared_receiver_is_not_believed_though_a_declared_name_delivered_its_line():
    site = SiteSettings(hosts=("relay.example.org",))
    traced = trace(
        [
            line("192.0.2.7", "relay.example.org", "mx.example.org"),
            line("203.0.113.5", "unknown", "mx.bank.example", 1),
        ],
        site=site,
    )
    assert traced.origin.ip == "192.0.2.7"
    assert "undeclared-receiver: possible forgery" in reasons(traced, 0)
    assert traced.origin.basis == "inside"


# 15 own-hop

CONNECTION = Connection(ip="203.0.113.5", helo="x", rdns="dsl.isp.example", by="mx.example.org")


def test_own_hop_stands_on_top_of_lines_that_came_along():
    traced = trace([line("198.51.100.1", "unknown", "mx.bank.example")], connection=CONNECTION)
    assert classes(traced) == ["observed", "claimed"]
    assert [hop.line for hop in traced.hops] == [None, 0]
    assert (traced.origin.ip, traced.origin.name, traced.origin.basis) == (
        "203.0.113.5",
        "dsl.isp.example",
        "connection",
    )
    assert traced.origin.trust is Trust.OBSERVED


def test_own_hop_is_not_doubled_where_the_top_line_records_the_connection():
    traced = trace(
        [line("203.0.113.5", "unknown", "mx.example.org"), line("198.51.100.1", "unknown", "x.example.net", 1)],
        connection=CONNECTION,
    )
    assert [hop.line for hop in traced.hops] == [0, 1]
    assert classes(traced)[0] == "observed"


@pytest.mark.parametrize(
    "connection",
    [Connection(ip="203.0.113.6", by="mx.example.org"), Connection(ip="203.0.113.5", by="other.example.com")],
)
def test_own_hop_is_added_where_the_top_line_records_another_connection(connection):
    traced = trace([line("203.0.113.5", "unknown", "mx.example.org")], connection=connection)
    assert len(traced.hops) == 2
    assert traced.origin.ip == connection.ip


def test_own_hop_does_not_take_a_name_from_a_top_line_that_the_client_may_have_written():
    forged = line("203.0.113.5", "relay.example.org", "mx.example.org")
    site = SiteSettings(hosts=("relay.example.org",))
    traced = trace([forged, line("198.51.100.1", "unknown", "relay.example.org", 1)], connection=CONNECTION, site=site)
    assert traced.origin.ip == "203.0.113.5"


# 16 single-received: see test_chain_anomalies

# The walk itself


def test_top_line_is_believed_without_a_connection():
    assert trace([line("203.0.113.5", "unknown", "mx.example.org")], site=OWN).origin.basis == "top-line"


def test_unreadable_line_of_a_believed_host_ends_the_walk_without_an_origin():
    traced = trace(
        [
            line("192.0.2.7", "relay.example.org", "mx.example.org"),
            ";;;",
            line("203.0.113.5", "unknown", "relay.example.org", 1),
        ],
        site=OWN,
    )
    assert (traced.origin.ip, traced.origin.basis, traced.origin.confidence) == (None, "unreadable", 0.0)


def test_a_local_program_that_delivered_itself_is_said_once():
    traced = trace(
        [line("127.0.0.1", "localhost", "mx.example.org"), line("198.51.100.1", "unknown", "mx.bank.example", 1)],
        site=OWN,
    )
    assert (traced.origin.ip, traced.origin.basis) == ("127.0.0.1", "local")
    assert len(traced.origin.reasons) == len(set(traced.origin.reasons))


def test_local_pickup_with_a_foreign_line_below_is_the_end():
    pickup = "by web.example.org (Postfix, from userid 33) id 4B5A1B2C3D; " + DATE.format(50)
    traced = trace(
        [
            line("192.0.2.80", "web.example.org", "mx.example.org"),
            pickup,
            line("198.51.100.1", "unknown", "mx.bank.example", 1),
        ],
        site=OWN,
    )
    assert (traced.origin.ip, traced.origin.basis) == ("192.0.2.80", "local")
    assert "local-pickup: " in " ".join(traced.origin.reasons)


def test_filter_that_hands_back_on_the_same_host_is_passed():
    pickup = "by mx.example.org (Postfix, from userid 1001) id 4B5A1B2C3D; " + DATE.format(50)
    traced = trace([pickup, line("203.0.113.5", "unknown", "mx.example.org", 10)], site=OWN)
    assert traced.origin.ip == "203.0.113.5"


def test_mail_that_began_inside_says_so():
    traced = trace(
        [
            line("192.0.2.7", "relay.example.org", "mx.example.org"),
            line("192.0.2.55", "pc.example.org", "relay.example.org", 1),
        ],
        site=OWN,
    )
    assert (traced.origin.ip, traced.origin.basis) == ("192.0.2.55", "inside")


def test_chain_without_lines_has_no_origin():
    traced = trace([])
    assert (traced.origin.ip, traced.origin.basis, traced.hops) == (None, "none", ())


def test_teaching_lab_spam_comes_from_the_address_in_the_comment():
    traced = trace(
        [
            "(qmail 26557 invoked by uid 7794); 4 Nov 2003 15:29:18 -0000",
            "from jpaterr@yahoo.com by mail.voxmail.com.br by uid 7791 with qmail-scanner-1.16 (clamscan: 0.60. Clear:. Processed in 0.4 secs); 04 Nov 2003 15:29:17 -0000",
            "from pe244065.user.veloxzone.com.br (HELO smtp0391.mail.yahoo.com) (webmaster@200.164.244.65) by mail.voxmail.com.br with SMTP; 4 Nov 2003 15:29:17 -0000",
        ]
    )
    assert traced.origin.ip == "200.164.244.65"
    assert [hop.received.status for hop in traced.hops] == ["skipped", "skipped", "parsed"]


def test_long_lines_past_the_bound_are_left_out_and_said_so():
    traced = trace([line("203.0.113.5", "unknown", "mx.example.org") + " (" + "()" * 16_000] * 20, site=OWN)
    assert len(traced.hops) == 8
    assert "chain-cut" in {anomaly.code for anomaly in traced.anomalies}


def test_chain_that_was_cut_is_never_believed_to_its_end():
    lines = [line("192.0.2.9", "relay.example.org", "mx.example.org")] * 1500
    fields = [*(("Received", text) for text in lines), ("X-Originating-IP", "[203.0.113.77]")]
    assert trace(lines, site=OWN, fields=fields).origin.ip != "203.0.113.77"


def test_lines_past_the_bound_are_left_out_and_said_so():
    traced = trace([line("203.0.113.5", "unknown", "mx.example.org")] * 1500, site=OWN)
    assert len(traced.hops) == 1000
    assert "chain-cut" in {anomaly.code for anomaly in traced.anomalies}
