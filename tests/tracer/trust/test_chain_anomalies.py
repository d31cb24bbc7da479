"""Each anomaly by its code: what raises it, and what honest mail does that must not."""

from datetime import UTC, datetime

import pytest

from hoptrail_tracer.anomalies import WEIGHTS
from hoptrail_tracer.chain import trace
from hoptrail_tracer.history import SeenLink, SeenShape
from hoptrail_tracer.model import Connection, Trust
from hoptrail_tracer.settings import SiteSettings

OWN = SiteSettings(hostname="mx.example.org", networks=("192.0.2.0/24",))
TOP = "from out.example.net (out.example.net [203.0.113.5]) by mx.example.org (Postfix) with ESMTP id 4B5A1B2C3D; Sat, 1 Mar 2025 12:00:00 +0000"
NEXT = "from pc.example.net (pc.example.net [198.51.100.1]) by out.example.net (Postfix) with ESMTP id 5B5A1B2C3D; Sat, 1 Mar 2025 11:59:00 +0000"


def codes(*lines: str, **known) -> dict[str, int | None]:
    """The codes found, with the hop of each."""
    traced = trace(lines, **{"site": OWN, **known})
    return {anomaly.code: anomaly.hop for anomaly in traced.anomalies}


def test_honest_chain_has_none():
    assert codes(TOP, NEXT) == {}


def test_every_weight_is_a_share():
    assert all(0 < weight < 1 for weight in WEIGHTS.values())


@pytest.mark.parametrize("ip", ["0.1.2.3", "240.0.0.1", "239.1.2.3", "ff02::1"])
def test_impossible_address_is_none_a_host_can_have(ip):
    assert codes(TOP, NEXT.replace("198.51.100.1", ip)) == {"impossible-address": 1}


@pytest.mark.parametrize(
    ("software", "good", "bad"),
    [
        ("(Postfix) with ESMTP id {}", "4ZXyz94cCBz9rxs", "1uQRPQ-00000006mAv-1Yzv"),
        ("(8.15.2/8.15.2) with ESMTP id {}", "521Bx0Xa012345", "4B5A1B2C3D"),
        ("with esmtps (Exim 4.98) id {}", "1toLNk-00000006mAv-1Yzv", "4B5A1B2C3D"),
        ("with Microsoft SMTP Server id {}", "15.20.8511.12", "4B5A1B2C3D"),
        ("(OpenSMTPD) with ESMTP id {}", "fda43b42", "521Bx0Xa012345"),
    ],
)
def test_id_shape_is_the_software_s_own(software, good, bad):
    below = "from pc.example.net (pc.example.net [198.51.100.1]) by out.example.net {}; Sat, 1 Mar 2025 11:59:00 +0000"
    assert "id-shape" not in codes(TOP, below.format(software.format(good)))
    assert codes(TOP, below.format(software.format(bad))) == {"id-shape": 1}


@pytest.mark.parametrize(
    ("line", "fits"),
    [
        ("by out.example.net (8.15.2/8.15.2) with ESMTP id 521Bx0Xa012345", True),
        ("by out.example.net (8.15.2/8.15.2) with ESMTP id g7MBYrZ04811", False),
        ("by out.example.net with esmtp (Exim 4.94) id 1toLNk-0004bW-2s", True),
        ("by out.example.net with esmtp (Exim 4.94) id 1X58pB-0004bW-2s", False),
        ("by out.example.net (Postfix) with ESMTP id 4MYYTN4fNnz9vNPL", False),
    ],
)
def test_id_time_is_the_line_s_own(line, fits):
    below = f"from pc.example.net (pc.example.net [198.51.100.1]) {line}; Sat, 1 Mar 2025 11:59:00 +0000"
    traced = trace([TOP, below], site=OWN)
    assert ("id-time" not in {anomaly.code for anomaly in traced.anomalies}) is fits
    assert (traced.hops[1].trust is Trust.FORGED) is not fits


def test_line_shape_is_the_software_s_own_spelling():
    assert codes(TOP, NEXT.replace("with ESMTP", "with smtp")) == {"line-shape": 1}


def test_by_mismatch_is_a_writer_of_another_owner():
    assert codes(TOP, NEXT.replace("by out.example.net", "by mx.bank.example")) == {"by-mismatch": 1}


@pytest.mark.parametrize("by", ["smtp.example.net", "localhost", "mailhub", "inner.lan"])
def test_by_mismatch_is_no_matter_of_inner_names(by):
    assert codes(TOP, NEXT.replace("by out.example.net", f"by {by}")) == {}


def test_chain_break_is_a_writer_with_another_address():
    below = "from pc ([198.51.100.1]) by mx.bank.example (198.51.100.77) with Microsoft SMTP Server id 15.1.2507.9; Sat, 1 Mar 2025 11:59:00 +0000"
    assert codes(TOP, below) == {"chain-break": 1}


def test_private_address_cannot_deliver_for_another_owner():
    inside = NEXT.replace("pc.example.net (pc.example.net [198.51.100.1])", "x (unknown [10.1.2.3])")
    foreign = NEXT.replace("by out.example.net", "by mx.bank.example")
    assert codes(TOP, inside, foreign)["private-address"] == 2


def test_numeric_helo_is_far_from_the_address():
    assert codes(TOP.replace("from out.example.net", "from [45.67.89.1]")) == {
        "numeric-helo": 0,
        "single-received": None,
    }


@pytest.mark.parametrize("helo", ["[203.0.200.9]", "[192.168.1.20]", "[203.0.113.5]"])
def test_numeric_helo_is_no_matter_near_by_or_behind_nat(helo):
    assert "numeric-helo" not in codes(TOP.replace("from out.example.net", f"from {helo}"))


def test_helo_own_is_the_receiver_s_name():
    assert (
        codes(TOP.replace("from out.example.net (out.example.net", "from mx.example.org (unknown"), NEXT)["helo-own"]
        == 0
    )


def test_helo_own_is_no_matter_of_the_site_s_own_relays():
    relay = "from mx.example.org (mx.example.org [192.0.2.9]) by mx.example.org (Postfix) with ESMTP id 4B5A1B2C3D; Sat, 1 Mar 2025 12:00:00 +0000"
    assert "helo-own" not in codes(relay, TOP, NEXT)


def test_clock_skew_is_minutes_and_date_backwards_is_more():
    assert codes(TOP, NEXT.replace("11:59", "12:04")) == {}
    assert codes(TOP, NEXT.replace("11:59", "13:00")) == {"clock-skew": 1}
    assert codes(TOP, NEXT.replace("1 Mar 2025 11", "2 Mar 2025 11")) == {"date-backwards": 1}


def test_date_future_makes_a_line_forged():
    traced = trace([TOP, NEXT.replace("2025", "2035")], site=OWN)
    assert [anomaly.code for anomaly in traced.anomalies] == ["date-future"]
    assert traced.hops[1].trust is Trust.FORGED
    assert "contradicted: date-future" in " ".join(traced.hops[1].reasons)


def test_date_future_is_measured_from_now_where_that_is_known():
    assert codes(TOP, NEXT, now=datetime(2025, 2, 1, tzinfo=UTC)) == {"date-future": 1}


def test_date_past_is_a_month():
    assert codes(TOP, NEXT.replace("1 Mar 2025", "1 Jan 2025")) == {"date-past": 1}


def test_copied_line_is_forged():
    traced = trace([TOP, NEXT, NEXT.replace("5B5A", "6B5A"), NEXT.replace(" by", "\n\tby")], site=OWN)
    assert {anomaly.code: anomaly.hop for anomaly in traced.anomalies}["copied-line"] == 3
    assert traced.hops[3].trust is Trust.FORGED


def test_copy_of_a_believed_line_leaves_the_original_believed():
    traced = trace([TOP, NEXT, TOP], site=OWN)
    assert [hop.trust.value for hop in traced.hops] == ["trusted", "vouched", "forged"]


def test_duplicate_line_in_a_row_is_some_provider_s_habit():
    traced = trace([TOP, NEXT, NEXT], site=OWN)
    assert [anomaly.code for anomaly in traced.anomalies] == ["duplicate-line"]
    assert [hop.trust.value for hop in traced.hops] == ["trusted", "vouched", "claimed"]


def test_lines_without_an_id_are_no_duplicates():
    api = "from 929832418881 named unknown by gmailapi.google.com with HTTPREST; Sat, 1 Mar 2025 11:59:00 +0000"
    assert codes(TOP, api, api) == {}


def test_loop_is_a_link_passed_twice():
    there = "from a.example.net (a.example.net [203.0.113.5]) by b.example.com (Postfix) with ESMTP id {}; Sat, 1 Mar 2025 12:00:00 +0000"
    back = "from b.example.com (b.example.com [198.51.100.7]) by a.example.net (Postfix) with ESMTP id {}; Sat, 1 Mar 2025 12:00:00 +0000"
    lines = [there.format("ABCDEF1"), back.format("ABCDEF2"), there.format("ABCDEF3"), back.format("ABCDEF4")]
    assert codes(*lines)["loop"] == 3
    assert "loop" not in codes(lines[0], lines[1])


def test_single_received_is_said_of_mail_that_nobody_submitted():
    assert codes(TOP) == {"single-received": None}
    assert codes(connection=Connection(ip="203.0.113.5")) == {"single-received": None}
    assert codes(TOP.replace("with ESMTP", "with ESMTPSA")) == {}
    assert codes(TOP.replace("203.0.113.5", "10.0.0.5")) == {}


def test_long_chain_is_more_than_any_mta_passes_on():
    link = "from h{0}.example.net (h{0}.example.net [203.0.113.{0}]) by h{1}.example.net (Postfix) with ESMTP id AB{0:06X}; Sat, 1 Mar 2025 12:00:00 +0000"
    assert "long-chain" in codes(*[link.format(number + 1, number) for number in range(60)])
    assert "long-chain" not in codes(*[link.format(number + 1, number) for number in range(40)])


def test_unreadable_line_is_said():
    assert codes(TOP, NEXT, "") == {"unreadable": 2}


def test_accusations_add_up_to_forged():
    """None of them alone is proof."""
    line = (
        NEXT.replace("by out.example.net", "by mx.bank.example")
        .replace("5B5A1B2C3D", "wrong-id")
        .replace("1 Mar 2025 11", "2 Mar 2025 18")
    )
    traced = trace([TOP, line], site=OWN)
    assert {anomaly.code for anomaly in traced.anomalies} == {"by-mismatch", "id-shape", "date-backwards"}
    assert traced.hops[1].trust is Trust.FORGED


def test_believed_lines_are_never_forged():
    odd = TOP.replace("4B5A1B2C3D", "wrong-id").replace("2025", "2035")
    traced = trace([odd, NEXT], site=OWN)
    assert traced.hops[0].trust is Trust.TRUSTED


class Memory:
    """A history in which mx.example.org and out.example.net are well known."""

    def __init__(self, *, shapes: int = 100, links: int = 100, skew_s: float | None = None) -> None:
        self.shape = SeenShape(shapes, 100, datetime(2024, 1, 1, tzinfo=UTC))
        self.link = SeenLink(links, 100, 100, skew_s)

    def seen_shape(self, by: str, shape: str) -> SeenShape:  # noqa: ARG002
        return self.shape

    def seen_link(self, sender: str, by: str) -> SeenLink:  # noqa: ARG002
        return self.link


def test_history_that_knows_everything_finds_nothing():
    assert codes(TOP, NEXT, history=Memory()) == {}


def test_unseen_shape_is_a_line_such_as_the_host_never_wrote():
    assert set(codes(TOP, NEXT, history=Memory(shapes=0))) == {"unseen-shape"}


def test_unseen_link_is_one_between_two_known_hosts():
    assert set(codes(TOP, NEXT, history=Memory(links=0))) == {"unseen-link"}


def test_link_skew_is_more_than_the_link_ever_had():
    ahead = NEXT.replace("11:59", "12:20")
    assert "link-skew" in codes(TOP, ahead, history=Memory(skew_s=60.0))
    assert "link-skew" not in codes(TOP, ahead, history=Memory(skew_s=1200.0))
