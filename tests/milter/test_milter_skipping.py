"""What is not scored, and whose score is taken over, beside a real Postfix and a real Sendmail."""

import pytest

from testbed.daemon import delivered, running_daemon, send, unfolded
from testbed.postfix import Postfix
from testbed.sendmail import Sendmail

pytestmark = [pytest.mark.mta, pytest.mark.services]

GTUBE = b"XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X\r\n"
STRANGER, SCORER, PARTNER, RELAY = "127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4"
BROUGHT = b"X-Spam-Flag: YES\r\nX-Spam-Status: Yes, score=7.5 required=5.0\r\n\ttests=BAYES_99,HTML_MESSAGE\r\n"
RECEIVED = b"Received: from x.example.net by filter.example.test; Mon, 04 May 2026 12:00:00 +0000\r\n"
FORGED = b"X-Spam-Status: No, score=-99.0 required=5.0\r\nx-spam-flag: NO\r\n"


@pytest.fixture(scope="module", params=[Postfix, Sendmail], ids=lambda kind: kind.name)
def beds(request, spamd):
    with (
        running_daemon(
            score={
                "spamd": f"unix:{spamd.socket}",
                "scored_by": (SCORER,),
                "skip_networks": (PARTNER,),
                "max_bytes": 20_000,
                "reject_score": 500.0,
            },
            site={"networks": (RELAY,)},
        ) as daemon,
        request.param(milters=[daemon.socket]) as mta,
    ):
        yield daemon, mta


def pass_through(beds, source, head=b"", body=b"Hello\r\n", *, login=False):
    """The fields of a message as it is delivered, and its row in the store."""
    daemon, mta = beds
    with mta.smtp(source=source, submission=login) as smtp:
        if login:
            smtp.login("alice@example.test", "correct horse")
        sent = send(smtp, head, body)
    assert sent.code == 250, sent
    [row] = daemon.rows("SELECT * FROM message WHERE message_id = ?", f"<{sent.mark}>")
    return unfolded(delivered(mta, sent)), row


def test_score_of_our_own_host_is_taken_over_with_its_fields(beds):
    daemon, mta = beds
    before = daemon.counter("taken_over")
    with mta.smtp(source=SCORER) as smtp:
        sent = send(smtp, BROUGHT + RECEIVED + FORGED)
    [row] = daemon.rows("SELECT * FROM message WHERE message_id = ?", f"<{sent.mark}>")
    assert (row["points"], row["required"], row["spam"]) == (7.5, 5.0, 1)
    assert row["rules"] == "BAYES_99,HTML_MESSAGE"
    assert daemon.rows("SELECT size_bytes FROM evidence WHERE message = ?", row["number"])
    assert daemon.counter("taken_over") == before + 1
    fields = unfolded(delivered(mta, sent))
    assert fields["x-spam-status"] == ["Yes, score=7.5 required=5.0 tests=BAYES_99,HTML_MESSAGE"]
    assert fields["x-spam-flag"] == ["YES"]
    assert "x-hoptrail-origin" in fields


@pytest.mark.parametrize("head", [RECEIVED + BROUGHT, b""], ids=["below the Received line", "without one"])
def test_what_our_own_host_did_not_score_is_scored_here(beds, head):
    fields, row = pass_through(beds, SCORER, head)
    assert row["points"] < 5
    assert fields["x-spam-status"][0].startswith("No, score=")
    assert len(fields["x-spam-status"]) == 1


def test_score_from_outside_is_never_believed(beds):
    fields, row = pass_through(beds, STRANGER, BROUGHT)
    assert row["points"] < 5
    assert "x-spam-flag" not in fields
    assert len(fields["x-spam-status"]) == 1


def test_client_on_the_allow_list_is_not_scored(beds):
    fields, row = pass_through(beds, PARTNER, b"", GTUBE)
    assert row["unscored"] == "trusted"
    assert fields["x-spam-status"] == ["Unscored, reason=trusted"]


def test_user_who_authenticated_is_not_scored(beds):
    fields, row = pass_through(beds, STRANGER, b"", GTUBE, login=True)
    assert row["unscored"] == "authenticated"
    assert fields["x-spam-status"] == ["Unscored, reason=authenticated"]


def test_message_longer_than_the_limit_is_not_scored(beds):
    fields, row = pass_through(beds, STRANGER, b"", GTUBE + b"x" * 70 + b"\r\n" + (b"y" * 70 + b"\r\n") * 400)
    assert row["unscored"] == "size"
    assert fields["x-spam-status"] == ["Unscored, reason=size"]


def test_spam_is_refused_but_not_to_a_relay_of_ours_that_would_bounce_it(beds):
    _daemon, mta = beds
    with mta.smtp(source=STRANGER) as smtp:
        assert send(smtp, b"", GTUBE).code == 550
    fields, row = pass_through(beds, RELAY, b"", GTUBE)
    assert (row["spam"], fields["x-spam-flag"]) == (1, ["YES"])
