from dataclasses import replace
from datetime import timedelta

import pytest

from hoptrail_reports.abuse.reportable import judge, objection
from hoptrail_reports.abuse.settings import AbuseSettings
from hoptrail_tracer.model import AddressFacts, Trust, ZoneResult
from hoptrail_tracer.settings import SiteSettings
from reports.abuse.samples import NAME, NOON, SPAM, SPAMMER
from reports.abuse.spam import LATER, SITE, spam

COURT = judge(SITE, AbuseSettings(never_report=("67.168.0.0/16",)), LATER)
OPEN_COURT = judge(SITE, AbuseSettings(), LATER)


def code(record, court=OPEN_COURT, facts=None):
    found = objection(record, court, facts or record.facts)
    return found.code if found else None


def test_stranger_on_the_connection_may_be_reported():
    assert code(spam()) is None


def test_host_that_a_declared_relay_saw_may_be_reported():
    lines = (
        f"from x (pool.isp.example [{SPAMMER}]) by in.relays.example.net with ESMTP id 2; Fri, 20 Nov 2026 11:59:00 +0000",
    )
    record = spam("11.0.0.9", rdns="in.relays.example.net", received=lines)
    assert (record.trace.origin.ip, record.trace.origin.trust) == (SPAMMER, Trust.TRUSTED)
    assert code(record) is None


@pytest.mark.parametrize(
    ("ip", "rdns", "expected"),
    [
        ("11.0.0.7", None, "own-network"),
        ("11.0.1.25", None, "own-network"),
        ("11.0.2.9", None, "forwarder"),
        ("12.1.2.3", "out.forward.example.edu", "forwarder"),
        ("12.1.2.3", "lists.example.net", "list-host"),
        ("12.1.2.3", "www.example.org", "own-name"),
        ("10.1.2.3", None, "special"),
        ("192.0.2.77", None, "special"),
        ("127.0.0.1", None, "special"),
        ("100.64.3.2", None, "special"),
        ("169.254.1.1", None, "special"),
        ("224.0.0.5", None, "special"),
        ("fe80::1", None, "special"),
        ("fd00::1", None, "special"),
        ("2002:43a8:bf29::1", None, "special"),
        ("2001:0:53aa:64c::1", None, "special"),
        ("64:ff9b::43a8:bf29", None, "special"),
        ("::ffff:10.0.0.1", None, "special"),
        ("::fff", None, "special"),
        ("4000::1", None, "special"),
    ],
)
def test_own_declared_and_special_addresses_are_never_reported(ip, rdns, expected):
    # traced as a stranger's, as if the site had declared it only afterwards
    record = spam(ip, rdns=rdns, site=SiteSettings(hostname="mx.example.org"))
    record = replace(record, trace=replace(record.trace, inferred=False))
    assert code(record) in (expected, "no-origin", "not-believed", "no-line", "not-the-relay", "local")


@pytest.mark.parametrize("trust", [Trust.VOUCHED, Trust.CLAIMED, Trust.FORGED])
def test_line_that_is_not_believed_accuses_nobody(trust):
    record = spam()
    trace = replace(record.trace, origin=replace(record.trace.origin, trust=trust))
    assert code(replace(record, trace=trace)) == "not-believed"


def test_origin_that_no_line_names_accuses_nobody():
    record = spam()
    trace = replace(record.trace, origin=replace(record.trace.origin, ip="12.1.2.3"))
    assert code(replace(record, trace=trace)) == "no-line"
    trace = replace(record.trace, origin=replace(record.trace.origin, hop=7))
    assert code(replace(record, trace=trace)) == "no-line"


def test_line_below_one_that_is_not_believed_accuses_nobody():
    record = spam()
    below = replace(record.trace.hops[1], trust=Trust.TRUSTED)
    above = replace(record.trace.hops[0], trust=Trust.CLAIMED)
    origin = replace(record.trace.origin, ip=below.received.ip, hop=1)
    assert code(replace(record, trace=replace(record.trace, hops=(above, below), origin=origin))) == "broken-chain"


@pytest.mark.parametrize(
    ("relay", "name"), [("11.0.0.9", "in.relays.example.net"), ("12.9.9.9", "out.forward.example.edu")]
)
def test_line_on_top_that_the_declared_relay_did_not_write_accuses_nobody(relay, name):
    lines = ("from a (b.example [12.3.4.5]) by mail.bank.example with SMTP id 1; Fri, 20 Nov 2026 11:59:00 +0000",)
    record = spam(relay, rdns=name, helo=name, received=lines)
    assert record.trace.origin.ip in ("12.3.4.5", relay)
    assert code(record) in ("not-the-relay", "own-network", "forwarder")


def test_lines_of_scanners_between_a_relay_and_the_stranger_are_looked_past():
    lines = (
        "(qmail 26557 invoked by uid 7794); 4 Nov 2003 15:29:18 -0000",
        "from jpaterr@yahoo.com by mail.voxmail.com.br by uid 7791 with qmail-scanner-1.16 (clamscan: 0.60. Clear:.); 04 Nov 2003 15:29:18 -0000",
        "from pe244065.user.veloxzone.com.br (HELO smtp0391.mail.yahoo.com) (webmaster@200.164.244.65) by mail.voxmail.com.br with SMTP; 4 Nov 2003 15:29:17 -0000",
    )
    record = spam("11.0.0.8", rdns="mail.voxmail.com.br", helo="mail.voxmail.com.br", received=lines)
    assert record.trace.origin.ip == "200.164.244.65"
    assert code(record) is None


def test_line_without_its_writer_accuses_nobody():
    record = spam(
        "12.9.9.9", rdns="out.forward.example.edu", helo="out.forward.example.edu", received=("from x ([12.3.4.5])",)
    )
    assert code(record) in ("no-line", "not-believed", "not-the-relay", "forwarder")


def test_program_on_this_host_that_invents_lines_accuses_nobody():
    lines = ("from a (b.example [12.3.4.5]) by mx.example.org with SMTP id 1; Fri, 20 Nov 2026 11:59:00 +0000",)
    assert code(spam("127.0.0.1", rdns="localhost", helo="mx.example.org", received=lines)) == "local"


def test_lines_that_record_no_handover_are_looked_past():
    lines = (
        "(qmail 26557 invoked by uid 7794); 20 Nov 2026 11:59:04 -0000",
        "from a@b.example by in.relays.example.net by uid 7791 with qmail-scanner-1.16 (clamscan: 0.60); 20 Nov 2026 11:59:03 -0000",
        f"from x (HELO mail.bank.example) ({SPAMMER}) by in.relays.example.net with SMTP; 20 Nov 2026 11:59:00 -0000",
    )
    record = spam("11.0.0.9", rdns="in.relays.example.net", received=lines)
    assert record.trace.origin.ip == SPAMMER
    assert code(record) is None


def test_filter_beside_a_declared_relay_is_looked_past():
    lines = (
        "from localhost (localhost [127.0.0.1]) by in.relays.example.net with ESMTP id 3; Fri, 20 Nov 2026 11:59:02 +0000",
        f"from x (pool.isp.example [{SPAMMER}]) by in.relays.example.net with ESMTP id 2; Fri, 20 Nov 2026 11:59:00 +0000",
    )
    record = spam("11.0.0.9", rdns="in.relays.example.net", helo="in.relays.example.net", received=lines)
    assert record.trace.origin.ip == SPAMMER
    assert code(record) is None


def test_relays_that_were_only_inferred_accuse_nobody():
    record = spam()
    hop = replace(record.trace.hops[0], trust=Trust.TRUSTED)
    trace = replace(record.trace, hops=(hop,), inferred=True)
    assert code(replace(record, trace=trace)) == "inferred"


def test_own_authenticated_user_is_not_reported():
    assert code(spam(auth="LOGIN john")) == "own-user"


def test_host_named_in_a_recipients_own_domain_is_not_reported():
    assert code(spam(recipients=("a@comcast.net",))) == "recipient-domain"


def test_name_that_the_client_chose_protects_nobody():
    record = spam(rdns=None)
    hop = replace(record.trace.hops[0], received=replace(record.trace.hops[0].received, helo="mx.example.org"))
    assert code(replace(record, trace=replace(record.trace, hops=(hop, *record.trace.hops[1:])))) is None


def test_muted_network_is_not_reported():
    assert code(spam(), COURT) == "muted"


@pytest.mark.parametrize(
    ("verdict", "codes", "expected"),
    [
        ("allowed", ("127.0.5.3",), "allow-listed"),
        ("allowed", ("127.0.5.2",), "allow-listed"),
        ("allowed", ("127.0.5.1",), None),
        ("allowed", (), "allow-listed"),
        ("error", (), "allow-list-unanswered"),
        ("late", (), "allow-list-unanswered"),
        ("paused", (), "allow-list-unanswered"),
        ("clear", (), None),
    ],
)
def test_allow_list_protects_and_its_silence_does_too(verdict, codes, expected):
    facts = AddressFacts(SPAMMER, zones=(ZoneResult("list.dnswl.org", verdict, codes),))
    assert code(spam(), facts=facts) == expected


def test_block_list_that_did_not_answer_accuses_and_protects_nobody():
    facts = AddressFacts(SPAMMER, zones=(ZoneResult("zen.spamhaus.org", "error"),))
    assert code(spam(), facts=facts) is None


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (b"List-Post: <mailto:friends@lists.example.com>", "mailing-list"),
        (b"Mailing-List: contact friends-help@lists.example.com", "mailing-list"),
        (b"X-Forwarded-To: john.smith@example.org", "forwarded"),
        (b"Resent-From: uncle@example.com", "forwarded"),
        (b"List-Unsubscribe: <mailto:x@spam.example>", None),
    ],
)
def test_mail_that_others_passed_on_is_not_reported(field, expected):
    assert code(spam(raw=field + b"\r\n" + SPAM)) == expected
    in_body = SPAM + field + b"\r\n"
    assert code(spam(raw=in_body)) is None


@pytest.mark.parametrize(
    ("sender", "expected"),
    [
        ("", "bounce"),
        ("<>", "bounce"),
        ("SRS0=ab12=Z3=bank.example=security@forward.example", "forwarded"),
        ("srs1=xy=a.example==ab12=Z3=bank.example=security@forward.example", "forwarded"),
        ("srsly@bank.example", None),
        (None, None),
    ],
)
def test_bounce_and_rewritten_sender_accuse_nobody(sender, expected):
    assert code(spam(envelope_from=sender)) == expected


def test_spam_beyond_the_age_limit_is_not_reported():
    assert code(spam(at=LATER - timedelta(hours=71))) is None
    assert code(spam(at=LATER - timedelta(hours=73))) == "too-old"


def test_objection_says_why_in_words():
    found = objection(spam("10.1.2.3", rdns=None, at=NOON), OPEN_COURT, None)
    assert found is not None
    assert found.text
    assert NAME not in found.text
