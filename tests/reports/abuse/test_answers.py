"""Mail that comes back about reports: what it is, which report it is about, and what follows."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoptrail_reports.abuse import answers, verp
from hoptrail_reports.abuse.answer import read_answer
from hoptrail_reports.abuse.incoming import MAIL_MAX_BYTES
from reports.abuse.abusedesk import AbuseDesk, recent_spam

IP = "12.0.0.1"

DSN = """\
Return-Path: <>
Delivered-To: {to}
From: MAILER-DAEMON@relay.example (Mail Delivery System)
To: {to}
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
Message-ID: <dsn-{action}@relay.example>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

I'm sorry to have to inform you ...
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; relay.example

Final-Recipient: rfc822; abuse@isp.example.com
Action: {action}
Status: {status}
Diagnostic-Code: smtp; 550 {status} <abuse@isp.example.com>: no such
 desk

--b
Content-Type: message/rfc822

From: Abuse reports <reports@example.test>
Message-ID: <{draft}@example.test>
Subject: [Hoptrail ({ip}) id:{draft}]Your account

--b--
"""


def mail(subject: str, *fields: str, body: str = "hello") -> bytes:
    lines = ["From: Desk <abuse@isp.example.com>", f"Subject: {subject}", *fields, "", body, ""]
    return "\r\n".join(lines).encode()


@pytest.mark.parametrize(
    ("raw", "kind", "detail"),
    [
        (mail("Re: your report"), "reply", None),
        (mail("Re: your report [Ticket#2026112110000045]"), "reply", "2026112110000045"),
        (mail("[Ticket#2026112110000045] received", "Auto-Submitted: auto-replied"), "ticket", "2026112110000045"),
        (mail("[ABUSE-4711] We got it", "Precedence: auto_reply"), "ticket", "ABUSE-4711"),
        (mail("Thank you for your report", "X-Auto-Response-Suppress: All"), "automatic", None),
        (mail("Your case 08151 was opened", "X-Auto-Response-Suppress: All"), "ticket", "08151"),
        (mail("Out of office", "Auto-Submitted: auto-replied (vacation)"), "automatic", None),
        (mail("Out of office", "Precedence: bulk"), "automatic", None),
        (mail("Re: ok", "Auto-Submitted: no"), "reply", None),
        (mail("failed", "X-Failed-Recipients: abuse@isp.example.com"), "bounce", "failed: abuse@isp.example.com"),
        (mail("failure notice", body="Hi. This is the qmail-send program at isp.example.com.\r\n"), "bounce", "failure notice"),
        (
            b"From: MAILER-DAEMON@isp.example.com\r\nSubject: Returned mail\r\n\r\nno such user\r\n",
            "bounce",
            "Returned mail",
        ),
    ],
)  # fmt: skip
def test_mail_is_told_apart_by_what_its_fields_say(raw, kind, detail):
    found = read_answer(raw)
    assert (found.kind, found.detail) == (kind, detail)


@pytest.mark.parametrize(
    ("action", "status", "kind"),
    [
        ("failed", "5.1.1", "bounce"),
        ("failed", "4.4.7", "bounce"),
        ("delayed", "4.4.1", "delay"),
        ("delivered", "2.0.0", "delivered"),
        ("relayed", "2.0.0", "delivered"),
        ("", "5.2.2", "bounce"),
        ("", "", "automatic"),
    ],
)
def test_delivery_status_is_read_by_its_fields(action, status, kind):
    raw = DSN.format(to="x@example.test", action=action, status=status, draft="20261120-abcdef1234", ip=IP)
    found = read_answer(raw.encode())
    assert found.kind == kind
    assert found.about[0] == "20261120-abcdef1234"
    if kind != "automatic":
        assert found.detail.endswith(f"smtp; 550 {status} <abuse@isp.example.com>: no such desk".replace("  ", " "))


def test_gravest_word_of_several_recipients_counts():
    raw = DSN.format(to="x@example.test", action="delivered", status="2.0.0", draft="20261120-abcdef1234", ip=IP)
    more = (
        "Final-Recipient: rfc822; b@isp.example.com\nAction: failed\nStatus: 5.1.1\n\n--b\nContent-Type: message/rfc822"
    )
    raw = raw.replace("--b\nContent-Type: message/rfc822", more)
    assert read_answer(raw.encode()).kind == "bounce"


@pytest.fixture
def desk(tmp_path) -> AbuseDesk:
    return AbuseDesk(tmp_path)


def sent_draft(desk, state="sent") -> str:
    [draft_id] = desk.drafts(IP)
    with desk.open() as store, store.transaction():
        store.db.conn.execute("UPDATE abuse_draft SET state = ?, sent_ms = 1000, tried_ms = 1000", (state,))
    return draft_id


def path_of(desk, draft_id) -> str:
    with desk.open() as store:
        return verp.return_path("reports@example.test", draft_id, verp.put_key(store))


def bounce(desk, draft_id, *, to=None, action="failed", status="5.1.1") -> bytes:
    to = to or path_of(desk, draft_id)
    return DSN.format(to=to, action=action, status=status, draft=draft_id, ip=IP).encode()


def received(desk, raw, *arguments, code=0) -> dict:
    return json.loads(desk.run("receive", "--json", *arguments, stdin=raw, code=code).output)


def test_bounce_to_the_return_path_ends_the_writing_to_the_contact(desk):
    draft_id = sent_draft(desk)
    found = received(desk, bounce(desk, draft_id))
    assert (found["draft"], found["kind"], found["proven"], found["stopped"]) == (draft_id, "bounce", True, True)
    assert "bounced: 5.1.1 smtp; 550" in desk.run("contact").output
    desk.night(contact="abuse@isp.example.com")
    assert "Stopped" in desk.run("show", draft_id).output
    assert "Came back" in desk.run("show", draft_id).output


def test_next_nights_draft_for_a_contact_that_bounced_is_barred(desk):
    received(desk, bounce(desk, sent_draft(desk)))
    desk.drafts(IP)  # as before: the draft of the day is there
    desk.night(recent_spam("12.7.7.7"))
    assert "reports to it came back" in desk.run("list").output


def test_resuming_a_contact_lets_drafts_be_made_again(desk):
    received(desk, bounce(desk, sent_draft(desk)))
    desk.run("contact", "abuse@isp.example.com", "--resume")
    desk.night(recent_spam("12.7.7.7"))
    assert "draft" in desk.states().values()


def test_bounce_that_anybody_could_have_written_stops_nobody(desk):
    draft_id = sent_draft(desk)
    path_of(desk, draft_id)
    found = received(desk, bounce(desk, draft_id, to="reports@example.test"))
    assert (found["proven"], found["stopped"]) == (False, False)
    assert "Nothing is remembered" in desk.run("contact").output


def test_tag_of_another_report_or_a_wrong_one_proves_nothing(desk):
    draft_id = sent_draft(desk)
    forged = path_of(desk, "20200101-0123456789").replace("20200101-0123456789", draft_id)
    assert received(desk, bounce(desk, draft_id, to=forged))["proven"] is False


def test_return_path_may_be_named_by_the_delivery_agent(desk):
    draft_id = sent_draft(desk)
    raw = bounce(desk, draft_id, to="reports@example.test")
    assert received(desk, raw, "--recipient", path_of(desk, draft_id).upper())["proven"] is True


def test_delay_stops_nobody(desk):
    draft_id = sent_draft(desk)
    found = received(desk, bounce(desk, draft_id, action="delayed", status="4.4.1"))
    assert (found["kind"], found["stopped"]) == ("delay", False)


@pytest.mark.parametrize(
    "fields",
    [
        ("In-Reply-To: <{id}@example.test>",),
        ("References: <a@b> <{id}@example.test> <c@d>",),
        ("In-Reply-To: <other@example.test>", "References: <{id}@example.test>"),
    ],
)
def test_reply_is_matched_by_what_it_answers(desk, fields):
    draft_id = sent_draft(desk)
    found = received(desk, mail("Re: spam", *(field.format(id=draft_id) for field in fields)))
    assert (found["draft"], found["kind"], found["sender"]) == (draft_id, "reply", "abuse@isp.example.com")


def test_reply_without_references_is_matched_by_its_subject(desk):
    draft_id = sent_draft(desk)
    found = received(desk, mail(f"AW: [Hoptrail ({IP}) id:{draft_id}]Your account"))
    assert (found["draft"], found["kind"], found["detail"]) == (draft_id, "reply", None)


def test_answer_settles_a_doubt_about_whether_the_report_was_sent(desk):
    draft_id = sent_draft(desk, "uncertain")
    received(
        desk, mail("[T-4711] received", "Auto-Submitted: auto-replied", f"Delivered-To: {path_of(desk, draft_id)}")
    )
    assert desk.draft(draft_id).state == "sent"


def test_unproven_answer_settles_no_doubt(desk):
    draft_id = sent_draft(desk, "uncertain")
    received(desk, mail("Re: x", f"In-Reply-To: <{draft_id}@example.test>"))
    assert desk.draft(draft_id).state == "uncertain"


@pytest.mark.parametrize("state", ["draft", "approved", "dismissed"])
def test_answer_to_a_report_that_was_never_sent_is_about_none(desk, state):
    draft_id = sent_draft(desk, state)
    desk.run("receive", stdin=mail("Re: x", f"In-Reply-To: <{draft_id}@example.test>"), code=1)


def test_mail_about_something_else_goes_on_to_a_person(desk):
    sent_draft(desk)
    assert "about no report" in desk.run("receive", stdin=mail("Lunch?"), code=1).output


def test_answer_that_is_delivered_twice_counts_once(desk):
    draft_id = sent_draft(desk)
    raw = mail("Re: x", f"In-Reply-To: <{draft_id}@example.test>", "Message-ID: <1@isp.example.com>")
    received(desk, raw)
    received(desk, b"Received: from elsewhere\r\n" + raw)
    assert len(desk.json("show", draft_id)["answers"]) == 1


def test_flood_of_answers_is_bounded(desk):
    draft_id = sent_draft(desk)
    with desk.open() as store:
        for n in range(answers.ANSWERS_MAX + 5):
            raw = mail("Re: x", f"In-Reply-To: <{draft_id}@example.test>", f"Message-ID: <{n}@isp.example.com>")
            answers.receive(store, read_answer(raw), now=datetime.now(UTC))
        assert len(answers.answers(store.db, [draft_id])[draft_id]) == answers.ANSWERS_MAX


def nested(depth: int) -> bytes:
    return b"".join(b"Content-Type: message/rfc822\n\n" for _ in range(depth)) + b"Subject: x\n\nx"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\n",
        nested(5_000),
        b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\n" * 200_000,
        b"a: b\n" * 200_000 + b"\nx",
        b"Subject: " + b"=?utf-8?q?" * 50_000 + b"\n\nx",
        b"References: " + b"<20261120-abcdef1234@" * 50_000 + b"\n\nx",
        b"To: " + b"a+20261120-abcdef1234-" * 100_000 + b"\n\nx",
        b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n"
        b"Content-Type: message/delivery-status\n\n" + b"Action: failed\n\n" * 50_000,
        b"X" * (MAIL_MAX_BYTES + 100_000),
    ],
    ids=["empty", "blank", "deep", "parts", "fields", "words", "references", "paths", "statuses", "endless"],
)
def test_hostile_mail_is_about_no_report_and_breaks_nothing(desk, raw):
    sent_draft(desk)
    assert desk.run("receive", stdin=raw, code=1).exception.code == 1
    assert desk.run("mark", "--forwarded", stdin=raw, code=1).exception.code == 1


@given(
    raw=st.binary(max_size=400), start=st.sampled_from([b"", b"Content-Type: multipart/report; boundary=b\n\n--b\n"])
)
def test_no_bytes_break_the_reading_of_answers(raw, start):
    found = read_answer(start + raw)
    assert found is None or found.kind in ("bounce", "delay", "delivered", "automatic", "ticket", "reply")


def test_what_a_stranger_writes_is_shown_without_its_control_characters(desk):
    draft_id = sent_draft(desk)
    raw = mail("Re: \x1b[31m\u202ered", f"In-Reply-To: <{draft_id}@example.test>").replace(b"Desk", b"\x1b]0;x\x07")
    desk.run("receive", stdin=raw)
    assert not set(desk.run("show", draft_id).output) & {"\x1b", "\x07", "\u202e"}


def test_return_path_that_leaves_no_room_for_the_tag_says_what_to_set():
    with pytest.raises(verp.ReturnPathError, match="bounce_address, at most 27"):
        verp.return_path(f"{'a' * 40}@example.test", "20261120-abcdef1234", b"key")


@given(
    local=st.from_regex(r"[a-z]{1,13}(-[a-z]{1,13})?", fullmatch=True),
    number=st.integers(0, 2**40 - 1),
    separator=st.sampled_from("+-"),
)
def test_return_path_names_its_report_and_no_other(local, number, separator):
    draft_id = f"20261120-{number:010x}"
    path = verp.return_path(f"{local}@example.test", draft_id, b"key", separator=separator)
    assert path.startswith(f"{local}{separator}{draft_id}-")
    assert len(path.partition("@")[0]) <= 64
    assert verp.tagged_ids(path, b"key") == [draft_id]
    assert verp.tagged_ids(path, b"other key") == []
