"""Spam that a person names: by its id, by the message itself, or by forwarding it. A mail proves only what is stored."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage

import pytest

from hoptrail.commands.abuse.mark import UnknownMessageError
from hoptrail_reports.abuse import ledger, marks
from hoptrail_store.reader import Reader
from hoptrail_store.records import Score
from hoptrail_store.store import Store
from reports.abuse.abusedesk import AbuseDesk, recent_spam
from reports.abuse.samples import SPAM
from reports.abuse.spam import LINES

HAM = Score(1.0, 5.0)
QUEUE_ID = "4dD1Zx0YqGz9vNP"


def delivered(record, *, stamp=True, queue_id=None, above=b"") -> bytes:
    """The message as it lies in its recipient's mailbox."""
    queue_id = queue_id or record.connection.id
    received = f"Received: from x (x [{record.connection.ip}]) by mx.example.org (Postfix) with ESMTP id {queue_id}\r\n\tfor <john.smith@example.org>; Fri, 20 Nov 2026 12:00:05 +0000\r\n".encode()
    mark = f"X-Hoptrail-Id: mx.example.org; id={record.id}; queue={queue_id}\r\n".encode() if stamp else b""
    lines = b"".join(b"Received: " + line.replace(" by ", "\r\n\tby ").encode() + b"\r\n" for line in LINES)
    return above + mark + received + lines + SPAM.partition(b"+0000 (UTC)\r\n")[2]


def forwarding(*attached: bytes, kind=("message", "rfc822"), **options) -> bytes:
    outer = EmailMessage()
    outer["From"], outer["To"], outer["Subject"] = "john.smith@example.org", "spam@example.org", "Fwd: spam"
    outer["Message-ID"] = "<forward@example.org>"
    outer.set_content("see there")
    raw = outer.as_bytes().replace(b"\n", b"\r\n")
    head, _, text = raw.partition(b"\r\n\r\n")
    head = head.replace(b'Content-Type: text/plain; charset="utf-8"', b'Content-Type: multipart/mixed; boundary="f"')
    extra = options.get("extra", b"")
    parts = b"".join(
        b"--f\r\nContent-Type: %s/%s\r\n%s\r\n%s\r\n" % (kind[0].encode(), kind[1].encode(), extra, one)
        for one in attached
    )
    return head + b"\r\n\r\n--f\r\nContent-Type: text/plain\r\n\r\n" + text + parts + b"--f--\r\n"


@pytest.fixture
def desk(tmp_path) -> AbuseDesk:
    return AbuseDesk(tmp_path)


@pytest.fixture
def ham(desk):
    """A message that SpamAssassin missed, stored."""
    record = recent_spam("12.0.0.1", score=HAM)
    record = replace(record, connection=replace(record.connection, id=QUEUE_ID))
    with desk.open() as store:
        store.put([record])
    return record


def marked(desk) -> set[str]:
    with desk.open() as store:
        return {message for (message,) in store.db.execute("SELECT message FROM abuse_mark")}


@pytest.mark.parametrize("key", ["id", "queue", "message-id", "bare message-id"])
def test_message_is_marked_by_any_name_it_has(desk, ham, key):
    names = {"id": ham.id, "queue": QUEUE_ID, "message-id": "<1@bank.example>", "bare message-id": "1@bank.example"}
    assert "marked" in desk.run("mark", names[key]).output
    assert marked(desk) == {ham.id}


def test_marked_message_becomes_a_case_and_a_draft_whatever_its_score(desk, ham):
    desk.night(now=datetime.now(UTC))
    assert desk.states() == {}
    desk.run("mark", ham.id)
    with desk.open() as store:
        assert marks.days_to_fold(store.db) == [ham.received_at.date()]
    desk.night(now=ham.received_at + timedelta(days=1))
    assert list(desk.states().values()) == ["draft"]


def test_message_marked_after_its_day_was_folded_is_folded_by_a_later_night(desk, ham):
    desk.night(now=ham.received_at + timedelta(days=1))
    desk.run("mark", ham.id)
    desk.night(now=ham.received_at + timedelta(days=2))
    assert list(desk.states().values()) == ["draft"]
    with desk.open() as store:
        assert marks.days_to_fold(store.db) == []


def test_mark_that_is_taken_away_in_time_makes_no_case(desk, ham):
    desk.run("mark", ham.id)
    assert "no longer marked" in desk.run("mark", "--undo", ham.id).output
    desk.night(now=ham.received_at + timedelta(days=1))
    assert desk.states() == {}


def test_mark_that_is_taken_away_late_names_the_draft_that_stays(desk, ham):
    desk.run("mark", ham.id)
    desk.night(now=ham.received_at + timedelta(days=1))
    [draft_id] = desk.states()
    assert f"hoptrail abuse dismiss {draft_id}" in desk.run("mark", "--undo", ham.id).output


def test_name_of_several_messages_marks_none_and_lists_their_ids(desk, ham):
    other = recent_spam("12.0.0.2", score=HAM)
    with desk.open() as store:
        store.put([other])
    with pytest.raises(UnknownMessageError, match="2 messages have it") as caught:
        desk.run("mark", "<1@bank.example>")
    assert ham.id in str(caught.value)
    assert other.id in str(caught.value)
    assert marked(desk) == set()


def test_old_message_is_marked_and_said_to_be_too_old(desk):
    record = recent_spam("12.0.0.1", hours=80, score=HAM)
    with desk.open() as store:
        store.put([record])
    assert "nobody will be written to" in desk.run("mark", record.id).output


def test_message_itself_on_standard_input_is_marked(desk, ham):
    desk.run("mark", "-", stdin=delivered(ham))
    assert marked(desk) == {ham.id}


@pytest.mark.parametrize("stamp", [True, False], ids=["with our id", "by our queue id"])
def test_message_forwarded_as_an_attachment_is_marked(desk, ham, stamp):
    desk.run("mark", "--forwarded", stdin=forwarding(delivered(ham, stamp=stamp)))
    assert marked(desk) == {ham.id}


def test_attachment_in_base64_or_by_its_file_name_is_read_too(desk, ham):
    encoded = base64.encodebytes(delivered(ham)).replace(b"\n", b"\r\n")
    extra = b"Content-Transfer-Encoding: base64\r\n"
    desk.run("mark", "--forwarded", stdin=forwarding(encoded, extra=extra))
    assert marked(desk) == {ham.id}
    desk.run("mark", "--undo", ham.id)
    extra += b'Content-Disposition: attachment; filename="spam.eml"\r\n'
    desk.run("mark", "--forwarded", stdin=forwarding(encoded, kind=("application", "octet-stream"), extra=extra))
    assert marked(desk) == {ham.id}


def test_resent_message_is_marked_and_not_its_way_to_the_address(desk, ham):
    again = recent_spam("11.0.0.5", hours=1, score=HAM)
    again = replace(
        again,
        connection=replace(again.connection, id="4dE9aaaaaaaaaaa"),
        fields=tuple(
            (b"Received", line.partition(b": ")[2])
            for line in delivered(ham, stamp=False).replace(b"\r\n\t", b" ").split(b"\r\n")
            if line.startswith(b"Received: ")
        ),
    )
    with desk.open() as store:
        store.put([again])
    above = f"X-Hoptrail-Id: mx.example.org; id={again.id}; queue=4dE9aaaaaaaaaaa\r\nReceived: from pc by mx.example.org (Postfix) with ESMTPSA id 4dE9aaaaaaaaaaa;\r\n Fri, 20 Nov 2026 13:00:00 +0000\r\nResent-From: <john.smith@example.org>\r\n"
    desk.run("mark", "--forwarded", stdin=delivered(ham, stamp=False, above=above.encode()))
    assert marked(desk) == {ham.id}


def test_users_own_mail_without_the_spam_marks_nothing(desk, ham):
    own = replace(ham, id="01KA3V8Y6ZJ0T8M6Q4S2W9X7EB", message_id="<forward@example.org>", fields=())
    with desk.open() as store:
        store.put([own])
    above = f"X-Hoptrail-Id: mx.example.org; id={own.id}; queue=q\r\n".encode()
    desk.run("mark", "--forwarded", stdin=above + forwarding(b"Subject: else\r\n\r\nx"), code=1)
    assert marked(desk) == set()


@pytest.mark.parametrize(
    "change",
    [
        lambda raw, ham: raw.replace(ham.id.encode(), b"01KA3V8Y6ZJ0T8M6Q4S2W9X7EB").replace(QUEUE_ID.encode(), b"guess"),
        lambda raw, _: raw.replace(b"<1@bank.example>", b"<2@bank.example>"),
        lambda raw, _: raw.replace(b"b.example [203.0.113.9]", b"b.example [203.0.113.10]"),
        lambda raw, _: raw.replace(b"from a (b.example", b"from another (b.example"),
        lambda raw, _: raw.replace(b"X-Hoptrail-Id", b"X-Other").replace(QUEUE_ID.encode(), QUEUE_ID[:-1].encode()),
    ],
    ids=["guessed ids", "other Message-ID", "other address", "other line", "cut queue id"],
)  # fmt: skip
def test_mail_that_does_not_prove_to_be_the_stored_one_marks_nothing(desk, ham, change):
    raw = change(delivered(ham), ham)
    desk.run("mark", "--forwarded", stdin=forwarding(raw), code=1)
    desk.run("mark", "-", stdin=raw, code=1)
    assert marked(desk) == set()


def test_public_message_id_alone_marks_nobody_elses_mail(desk, ham):
    raw = f"Message-ID: {ham.message_id}\r\nSubject: x\r\n\r\nx".encode()
    desk.run("mark", "--forwarded", stdin=forwarding(raw), code=1)
    assert marked(desk) == set()


def test_mail_with_many_attachments_marks_each_that_is_proven_and_is_bounded(desk):
    others = [replace(recent_spam(f"12.0.1.{n}", score=HAM), message_id=f"<{n}@bank.example>") for n in range(25)]
    with desk.open() as store:
        store.put(others)
    raws = [delivered(one).replace(b"<1@bank.example>", one.message_id.encode()) for one in others]
    desk.run("mark", "--forwarded", stdin=forwarding(*raws))
    assert len(marked(desk)) == 20


def test_imported_message_is_recognised_by_its_whole_chain(desk):
    record = replace(recent_spam("12.0.0.1", score=HAM), source="import", connection=None)
    with desk.open() as store:
        store.put([record])
        assert Reader(store.db).find(record.id)
    raw = (
        b"".join(b"Received: " + value + b"\r\n" for _, value in record.fields)
        + b"Message-ID: <1@bank.example>\r\n\r\nx"
    )
    desk.run("mark", "-", stdin=raw)
    assert marked(desk) == {record.id}


def test_mark_of_spam_that_scored_anyway_counts_it_once(desk):
    record = recent_spam("12.0.0.1")
    desk.night(record)
    desk.run("mark", record.id)
    desk.night(now=record.received_at + timedelta(days=1))
    with desk.open() as store:
        [case] = ledger.cases(store.db)
    assert case.messages == 1
    assert json.loads(desk.run("list", "--json", "--day", str(record.received_at.date())).output)["drafts"]


@pytest.fixture
def unkept(desk):
    """A message that SpamAssassin missed, of which only the record was kept."""
    record = recent_spam("12.0.0.1", score=HAM, raw=None)
    record = replace(record, connection=replace(record.connection, id=QUEUE_ID))
    with desk.open() as store:
        store.put([record])
    return record


AS_IT_CAME = b"".join(
    b"Received: " + line.replace(" by ", "\r\n\tby ").encode() + b"\r\n" for line in LINES
) + SPAM.partition(b"+0000 (UTC)\r\n")[2]  # fmt: skip


def evidence(desk, record) -> bytes | None:
    with desk.open() as store:
        return Reader(store.db).find(record.id)[0].evidence


def test_message_without_a_copy_is_marked_and_accuses_nobody(desk, unkept):
    assert "hand the message in" in desk.run("mark", unkept.id).output
    desk.night(now=unkept.received_at + timedelta(days=1))
    assert desk.states() == {}
    assert "could have passed a mailing list" in desk.run("list").output


@pytest.mark.parametrize("way", ["itself", "by our line alone", "with LF", "attached", "in base64"])
def test_copy_that_was_handed_in_is_the_evidence_byte_for_byte(desk, unkept, way):
    raw = delivered(unkept)
    if way == "itself":
        desk.run("mark", "-", stdin=raw)
    elif way == "by our line alone":
        desk.run("mark", "-", stdin=delivered(unkept, stamp=False))
    elif way == "with LF":  # as a Maildir has it
        desk.run("mark", "-", stdin=raw.replace(b"\r\n", b"\n"))
    elif way == "attached":
        desk.run("mark", "--forwarded", stdin=forwarding(raw))
    else:
        encoded = base64.encodebytes(raw).replace(b"\n", b"\r\n")
        desk.run("mark", "--forwarded", stdin=forwarding(encoded, extra=b"Content-Transfer-Encoding: base64\r\n"))
    assert evidence(desk, unkept) == (AS_IT_CAME.replace(b"\r\n", b"\n") if way == "with LF" else AS_IT_CAME)
    desk.night(now=unkept.received_at + timedelta(days=1))
    [draft_id] = desk.states()
    output = desk.run("show", draft_id).output
    assert "The message is a copy that whoever got it handed in." in output
    assert "http://bank.example/?u=x" in output


def test_copy_that_comes_after_a_night_is_judged_anew_and_shown_once(desk, unkept):
    desk.run("mark", unkept.id)
    desk.night(now=unkept.received_at + timedelta(days=1))
    desk.run("mark", "-", stdin=delivered(unkept))
    desk.night(now=unkept.received_at + timedelta(days=1))
    assert list(desk.states().values()) == ["draft"]
    with desk.open() as store:
        assert [case.state for case in ledger.cases(store.db)] == ["drafted"]


def test_copy_shows_that_a_mailing_list_sent_it_and_nobody_is_accused(desk, unkept):
    raw = delivered(unkept).replace(b"Subject: ", b"List-Post: <mailto:all@lists.example.com>\r\nSubject: ")
    desk.run("mark", "-", stdin=raw)
    desk.night(now=unkept.received_at + timedelta(days=1))
    assert desk.states() == {}
    assert "mailing list" in desk.run("list").output


def test_copy_does_not_replace_what_was_kept_when_it_came(desk, ham):
    desk.run("mark", "-", stdin=delivered(ham).replace(b"Gr\xc3\xbc\xc3\x9fe", b"changed"))
    assert evidence(desk, ham) == SPAM


def test_taking_a_mark_away_deletes_its_copy_and_no_other_evidence(desk, unkept, ham):
    desk.run("mark", "-", stdin=delivered(unkept))
    desk.run("mark", ham.id)
    desk.run("mark", "--undo", unkept.id, ham.id)
    assert evidence(desk, unkept) is None
    assert evidence(desk, ham) == SPAM


def test_text_above_that_quotes_our_line_does_not_mislead_about_where_the_copy_begins(desk, unkept):
    raw = forwarding(delivered(unkept)).replace(
        b"see there", b"Received: by mx.example.org with ESMTP id " + QUEUE_ID.encode() + b"\r\n\r\nThey wrote this:"
    )
    desk.run("mark", "--forwarded", stdin=raw)
    assert evidence(desk, unkept) == AS_IT_CAME


@pytest.mark.parametrize("private", [{"evidence_days": 0}, {"truncate_addresses": "at-once"}])
def test_site_that_keeps_no_evidence_keeps_no_copy_either(desk, unkept, private):
    with Store.open(replace(desk.settings, **private)) as store:
        marks.mark(store, unkept.id, by="test", now=datetime.now(UTC), copy=AS_IT_CAME)
    assert evidence(desk, unkept) is None
