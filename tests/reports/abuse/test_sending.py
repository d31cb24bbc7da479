"""Approved reports through a real Postfix: each once, whatever breaks."""

import signal
import subprocess
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import Message
from email.utils import parsedate_to_datetime

import pytest

from hoptrail_reports.abuse import contactbook, ledger, mutes, outbox, review, sending, verp
from hoptrail_reports.abuse.settings import AbuseSettings
from hoptrail_reports.abuse.smarthost import SendError
from hoptrail_tracer.settings import SiteSettings
from reports.abuse.abusedesk import AbuseDesk
from testbed.places import free_port, wait_for
from testbed.postfix import Postfix
from testbed.wilfulsmtp import WilfulSmtp

pytestmark = pytest.mark.mta

SINK = """
mydestination = $myhostname, example.test, localhost, isp.example.com, busy.example.com
recipient_delimiter = +
local_recipient_maps = static:all
mailbox_size_limit = 0
"""
SOURCES = tuple(f"12.0.0.{n}" for n in range(1, 8))


@pytest.fixture(scope="module")
def sink():
    with Postfix(main=SINK, users=("abuse", "reports", "other", "alice"), tls=True) as mta:
        yield mta


@pytest.fixture
def desk(tmp_path, sink):
    clear(sink)
    return AbuseDesk(tmp_path, f'smarthost = "127.0.0.1:{sink.port}"')


def clear(sink):
    for user in ("abuse", "reports"):
        for path in (sink.machine.home(user) / "Maildir/new").glob("*"):
            path.unlink()


def arrived(sink, user="abuse") -> list[Message]:
    """What lies in the desk's mailbox once the queue is empty."""
    wait_for(lambda: b"queue is empty" in sink.command("postqueue", "-p").stdout, "an empty queue")
    return [message_from_bytes(raw) for raw in sink.mailbox(user)]


def approved(desk, *sources, **options) -> list[str]:
    ids = desk.drafts(*sources, **options)
    desk.run("approve", *ids)
    return ids


def test_only_what_was_approved_is_sent(desk, sink):
    yes, no, _ = desk.drafts(*SOURCES[:3])
    desk.run("approve", yes)
    desk.run("dismiss", no, "--reason", "our customer")
    output = desk.run("send").output
    [mail] = arrived(sink)
    assert f"{yes}  sent  abuse@isp.example.com  250" in output
    assert mail["Message-ID"] == f"<{yes}@example.test>"
    assert sorted(desk.states().values()) == ["dismissed", "draft", "sent"]


def test_report_has_the_fields_a_desk_and_its_machines_look_for(desk, sink):
    [draft_id] = approved(desk, SOURCES[0])
    desk.run("send")
    [mail] = arrived(sink)
    with desk.open() as store:
        path = verp.return_path("reports@example.test", draft_id, verp.stored_key(store.db))
    assert mail["Return-Path"] == f"<{path}>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Reply-To"] == "reports@example.test"
    assert mail["To"] == "abuse@isp.example.com"
    assert b"john.smith@example.org" not in mail.as_bytes()


def test_bounces_go_to_their_own_address_with_the_separator_of_its_host(tmp_path, sink):
    clear(sink)
    own = 'bounce_address = "bounces@example.test"\nbounce_separator = "-"'
    desk = AbuseDesk(tmp_path, f'smarthost = "127.0.0.1:{sink.port}"\n{own}')
    [draft_id] = approved(desk, SOURCES[0])
    desk.run("send")
    [mail] = arrived(sink)
    assert mail["Return-Path"].startswith(f"<bounces-{draft_id}-")


def test_report_arrives_byte_for_byte_as_it_was_shown(desk, sink):
    [draft_id] = approved(desk, SOURCES[0])
    shown = desk.json("show", draft_id)["message"].encode("utf-8", "surrogateescape")
    desk.run("send")
    arrived(sink)
    [raw] = sink.mailbox("abuse")
    assert raw.endswith(shown.replace(b"\r\n", b"\n").partition(b"\n\n")[2])


def test_date_is_that_of_the_sending_and_shown_so_afterwards(desk, sink):
    [draft_id] = approved(desk, SOURCES[0])
    with desk.open() as store:
        site, settings = SiteSettings(hostname="mx.example.test"), AbuseSettings(smarthost=f"127.0.0.1:{sink.port}")
        later = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=5)
        [sent] = sending.send(store, settings, site, clock=lambda: later)
    [mail] = arrived(sink)
    assert sent.outcome == "sent"
    assert parsedate_to_datetime(mail["Date"]) == later > desk.draft(draft_id).created_at
    assert f"\r\nDate: {mail['Date']}\r\n" in desk.json("show", draft_id)["message"]


def test_second_run_sends_nothing_again(desk, sink):
    approved(desk, *SOURCES[:2])
    desk.run("send")
    assert "Nothing to send." in desk.run("send").output
    assert len(arrived(sink)) == 2


def test_dry_run_says_what_would_be_sent_and_sends_nothing(desk, sink):
    [draft_id] = approved(desk, SOURCES[0])
    assert f"{draft_id}  send  abuse@isp.example.com" in desk.run("send", "--dry-run").output
    assert arrived(sink) == []
    assert desk.states() == {draft_id: "approved"}


@pytest.mark.parametrize(
    ("limits", "sent"), [("sends_per_day = 3", 3), ("sends_per_contact = 2", 2), ("sends_per_day = 0", 0)]
)
def test_caps_of_a_day_hold_over_several_runs(desk, sink, limits, sent):
    desk.abuse += f"\n{limits}"
    approved(desk, *SOURCES[:5])
    desk.run("send")
    desk.run("send")
    assert len(arrived(sink)) == sent
    assert Counter(desk.states().values())["approved"] == 5 - sent


def test_contact_has_one_report_about_an_address_a_day(desk, sink):
    first, second = approved(desk, *SOURCES[:2])
    with desk.open() as store, store.transaction():  # the same source, drafted about another day
        store.db.conn.execute("UPDATE abuse_draft SET ip = ?, day = '2026-01-01' WHERE id = ?", (SOURCES[0], second))
        report = store.db.execute("SELECT report FROM abuse_draft WHERE id = ?", (first,)).fetchone()[0]
        store.db.conn.execute("UPDATE abuse_draft SET report = ? WHERE id = ?", (report, second))
    desk.run("send")
    assert len(arrived(sink)) == 1
    assert sorted(desk.states().values()) == ["approved", "sent"]


def too_old(desk, draft_id):
    with desk.open() as store:
        draft = ledger.draft(store.db, draft_id)
        old = replace(draft.report, received_at=draft.report.received_at - timedelta(hours=72))
        with store.transaction():
            ledger.put_report(store, draft.id, old, draft.form)
        review.approve(store, draft_id, now=datetime.now(UTC))


def stopped(desk, _):
    with desk.open() as store:
        contactbook.stop(store, "isp.example.com", because="asked", why="they said so", now=datetime.now(UTC))


def listed(desk, _):
    (desk.folder / "never").write_text("# no more\nabuse@isp.example.com\n")
    desk.abuse += f'\ndo_not_mail_file = "{desk.folder}/never"'


def own_by_now(desk, _):
    desk.abuse += '\nnever_report = ["12.0.0.0/24"]'


@pytest.mark.parametrize("change", [too_old, stopped, listed, own_by_now])
def test_what_was_learnt_after_the_approval_keeps_a_report_from_being_sent(desk, sink, change):
    [draft_id] = approved(desk, SOURCES[0])
    change(desk, draft_id)
    assert f"{draft_id}  never" in desk.run("send").output
    assert arrived(sink) == []
    assert desk.draft(draft_id).state == "dismissed"
    assert desk.draft(draft_id).reason


def test_muting_an_origin_takes_back_its_approved_drafts(desk, sink):
    ids = approved(desk, *SOURCES[:2])
    desk.run("mute", SOURCES[0], "--reason", "a customer of ours")
    desk.run("send")
    assert len(arrived(sink)) == 1
    assert [desk.states()[draft_id] for draft_id in ids] == ["dismissed", "sent"]


def kill_before(function: str, state: str = "") -> str:
    """Python that has the process kill itself where it is about to call a function."""
    return (
        "import os, signal\n"
        "from hoptrail_reports.abuse import outbox, smarthost\n"
        f"real = {function}\n"
        "def last_act(*given, **named):\n"
        f"    if {state!r} in map(str, given) or not {state!r}:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return real(*given, **named)\n"
        f"{function} = last_act\n"
    )


def test_kill_between_the_smarthosts_answer_and_the_commit_never_sends_twice(desk, sink):
    first, second = approved(desk, *SOURCES[:2])
    killed = desk.process("send", before=kill_before("outbox.conclude", "sent"))
    assert killed.wait(60) == -signal.SIGKILL
    assert len(arrived(sink)) == 1, "Postfix has it, the store does not know"
    again = desk.run("send", code=1)
    assert Counter(mail["Message-ID"] for mail in arrived(sink)) == {
        f"<{first}@example.test>": 1,
        f"<{second}@example.test>": 1,
    }
    assert sorted(desk.states().values()) == ["sent", "uncertain"]
    [doubtful] = [draft_id for draft_id, state in desk.states().items() if state == "uncertain"]
    assert f"{doubtful} is uncertain" in again.output
    assert f"Uncertain: look for {doubtful}" in desk.run("list").output
    assert "Nothing to send" in desk.run("send", code=1).output


def test_kill_before_the_text_goes_out_loses_nothing_silently(desk, sink):
    [draft_id] = approved(desk, SOURCES[0])
    killed = desk.process("send", before=kill_before("smarthost.hand_over"))
    assert killed.wait(60) == -signal.SIGKILL
    desk.run("send", code=1)
    assert arrived(sink) == []
    assert desk.states() == {draft_id: "uncertain"}
    desk.run("resolve", draft_id, "--unsent")
    desk.run("send")
    [mail] = arrived(sink)
    assert mail["Message-ID"] == f"<{draft_id}@example.test>"


def test_doubt_that_a_person_settles_as_sent_is_sent(desk, sink):
    [draft_id] = approved(desk, SOURCES[0])
    desk.process("send", before=kill_before("outbox.conclude", "sent")).wait(60)
    desk.run("send", code=1)
    desk.run("resolve", draft_id, "--sent")
    assert desk.draft(draft_id).state == "sent"
    assert desk.draft(draft_id).sent_at == desk.draft(draft_id).tried_at
    assert "Nothing to send." in desk.run("send").output
    assert len(arrived(sink)) == 1


@pytest.mark.parametrize("rounds", [3, pytest.param(20, marks=pytest.mark.long)])
def test_kills_at_any_moment_never_send_twice_and_lose_nothing_silently(desk, sink, rounds):
    ids = approved(desk, *(f"12.0.{n}.1" for n in range(8 * rounds)), settings=AbuseSettings(drafts_per_contact=999))
    desk.abuse += "\nsends_per_contact = 999\nsends_per_day = 9_999"
    for n in range(rounds):
        process = desk.process("send")
        started = process.stdout.readline()  # it has sent one: kill it a moment later, each time another
        assert started
        try:
            process.wait(0.002 * (n % 11))
        except subprocess.TimeoutExpired:
            process.kill()
        process.communicate()
    outcome = desk.process("send")
    outcome.communicate(timeout=60)
    states = desk.states()
    counts = Counter(mail["Message-ID"] for mail in arrived(sink))
    assert set(states.values()) <= {"sent", "uncertain"}
    assert max(counts.values()) == 1
    missing = [draft_id for draft_id in ids if f"<{draft_id}@example.test>" not in counts]
    assert all(states[draft_id] == "uncertain" for draft_id in missing)
    assert Counter(states.values())["uncertain"] <= rounds


def test_smarthost_that_is_down_leaves_all_approved_and_says_so(desk):
    [draft_id] = approved(desk, SOURCES[0])
    port = free_port()
    desk.abuse = desk.abuse.replace(desk.abuse.rpartition(":")[2], f'{port}"')
    with pytest.raises(SendError, match=rf"127.0.0.1:{port}"):
        desk.run("send")
    assert desk.states() == {draft_id: "approved"}


def test_no_smarthost_says_what_to_set(desk):
    approved(desk, SOURCES[0])
    desk.abuse = ""
    with desk.open() as store, pytest.raises(SendError, match=r"set \[abuse\] smarthost"):
        list(sending.send(store, AbuseSettings(), SiteSettings()))


def test_two_runs_at_once_are_one_too_many(desk):
    with desk.open() as store, outbox.alone(store), pytest.raises(outbox.AlreadySendingError):
        list(sending.send(store, AbuseSettings(), SiteSettings()))


@pytest.fixture(scope="module")
def strict_sink():
    main = SINK + (
        "smtpd_recipient_restrictions = check_recipient_access inline:{"
        "{gone@isp.example.com = 550 5.1.1 no such desk}, {busy@isp.example.com = 450 4.2.1 later},"
        " {far@isp.example.com = 554 5.7.1 relay access denied}}\n"
        "smtpd_end_of_data_restrictions = check_recipient_access inline:{"
        "{picky@isp.example.com = 554 5.6.0 we do not like this}}\n"
    )
    with Postfix(main=main, users=("abuse", "reports")) as mta:
        yield mta


@pytest.fixture
def strict_desk(tmp_path, strict_sink):
    return AbuseDesk(tmp_path, f'smarthost = "127.0.0.1:{strict_sink.port}"')


def test_refusal_for_now_is_tried_again_by_the_next_run(strict_desk):
    [draft_id] = approved(strict_desk, SOURCES[0], contact="busy@isp.example.com")
    assert f"{draft_id}  deferred  busy@isp.example.com  450 4.2.1" in strict_desk.run("send", code=1).output
    assert strict_desk.draft(draft_id).state == "approved"
    assert f"{draft_id}  deferred" in strict_desk.run("send", code=1).output


def test_contact_refused_for_good_is_a_bounce_and_no_longer_written_to(strict_desk):
    ids = approved(strict_desk, *SOURCES[:2], contact="gone@isp.example.com")
    strict_desk.run("send", code=1)
    assert "5.1.1" in strict_desk.run("contact", "gone@isp.example.com").output
    states = strict_desk.states()
    assert sorted(states.values()) == ["dismissed", "refused"]
    [answer] = strict_desk.json("show", next(draft_id for draft_id in ids if states[draft_id] == "refused"))["answers"]
    assert (answer["kind"], answer["proven"]) == ("bounce", True)
    strict_desk.run("contact", "gone@isp.example.com", "--resume")
    assert "usual form" in strict_desk.run("contact", "gone@isp.example.com").output


def test_smarthost_that_refuses_to_relay_stops_the_run_and_no_contact(strict_desk):
    [draft_id] = approved(strict_desk, SOURCES[0], contact="far@isp.example.com")
    with pytest.raises(SendError, match=r"takes no mail from us: 554 5.7.1"):
        strict_desk.run("send")
    assert strict_desk.states() == {draft_id: "approved"}
    assert "Nothing is remembered" in strict_desk.run("contact").output


def test_text_refused_for_good_is_refused_and_can_be_approved_again(strict_desk):
    ids = approved(strict_desk, *SOURCES[:2], contact="picky@isp.example.com")
    output = strict_desk.run("send", code=1).output
    assert all(f"{draft_id}  refused  picky@isp.example.com  554 5.6.0" in output for draft_id in ids)
    strict_desk.run("approve", *ids)
    assert "Nothing is remembered" in strict_desk.run("contact").output


def test_password_goes_over_tls_that_was_checked(tmp_path, sink):
    clear(sink)
    password = tmp_path / "password"
    password.write_text("correct horse\n")
    password.chmod(0o600)
    desk = AbuseDesk(
        tmp_path,
        f'smarthost = "localhost:{sink.submission_port}"\nsmarthost_tls = "starttls"\n'
        f'smarthost_user = "alice@example.test"\nsmarthost_password_file = "{password}"\n'
        f'smarthost_ca_file = "{sink.folder}/tls.crt"',
    )
    approved(desk, SOURCES[0])
    desk.run("send")
    assert len(arrived(sink)) == 1
    assert "sasl_username=alice@example.test" in sink.log()


def test_smarthost_without_a_valid_certificate_gets_nothing(desk):
    [draft_id] = approved(desk, SOURCES[0])
    desk.abuse += '\nsmarthost_tls = "starttls"'
    with pytest.raises(SendError, match=r"certificate is not valid"):
        desk.run("send")
    assert desk.states() == {draft_id: "approved"}


def test_password_that_others_may_read_is_refused(desk, tmp_path):
    approved(desk, SOURCES[0])
    password = tmp_path / "password"
    password.write_text("x\n")
    password.chmod(0o644)
    desk.abuse += f'\nsmarthost_user = "alice"\nsmarthost_password_file = "{password}"'
    with pytest.raises(SendError, match=r"chmod 600"):
        desk.run("send")


def test_mute_that_has_ended_mutes_nothing(desk):
    now = datetime.now(UTC)
    with desk.open() as store:
        mutes.mute(store, SOURCES[0], reason="for a while", until=now + timedelta(days=1), now=now)
        assert mutes.mutes(store.db, now)
        assert mutes.mutes(store.db, now + timedelta(days=2)) == []


@pytest.mark.parametrize(
    ("answers", "state", "texts"),
    [
        ({"TEXT": ""}, "uncertain", 1),
        ({"TEXT": "hello?"}, "uncertain", 1),
        ({"TEXT": "354 more"}, "uncertain", 1),
        ({"TEXT": "421 4.3.2 going down"}, "approved", 1),
        ({"TEXT": "452 4.3.1 full"}, "approved", 1),
        ({"TEXT": "554 5.6.0 no"}, "refused", 1),
        ({"DATA": ""}, "approved", 0),
        ({"DATA": "451 4.3.0 later"}, "approved", 0),
        ({"DATA": "554 5.5.1 no"}, "refused", 0),
        ({"RCPT": ""}, "approved", 0),
        ({"RCPT": "hello?"}, "approved", 0),
        ({"MAIL": "550 5.7.1 not you"}, "approved", 0),
        ({"EHLO": ""}, "approved", 0),
        ({"EHLO": "250 here"}, "approved", 0),  # no 8BITMIME, and this report needs it
    ],
    ids=lambda value: "-".join(f"{key} {line or 'hangs up'}" for key, line in value.items()) if isinstance(value, dict) else None,
)  # fmt: skip
def test_wherever_the_smarthost_breaks_the_state_says_what_is_known(tmp_path, answers, state, texts):
    with WilfulSmtp(**answers) as server:
        desk = AbuseDesk(tmp_path, f'smarthost = "127.0.0.1:{server.port}"')
        [draft_id] = approved(desk, SOURCES[0])
        for _ in range(2):
            with desk.open() as store, suppress(SendError):
                settings = AbuseSettings(reporter="reports@example.test", smarthost=f"127.0.0.1:{server.port}")
                list(sending.send(store, settings, SiteSettings(hostname="mx.example.test")))
            if state == "approved":
                break
    assert desk.states() == {draft_id: state}
    assert len(server.texts) == texts, "and what is in doubt is not sent again"


def test_text_that_a_person_changed_while_it_was_being_sent_is_not_sent(desk):
    [draft_id] = approved(desk, SOURCES[0])
    with desk.open() as store:
        before = ledger.draft(store.db, draft_id)
        later = datetime.now(UTC) + timedelta(seconds=1)
        review.edit(store, draft_id, review.Edit(note="x"), settings=AbuseSettings(), site=SiteSettings(), now=later)
        review.approve(store, draft_id, now=later)
        assert not outbox.begin(store, before, later)
        assert outbox.begin(store, ledger.draft(store.db, draft_id), later)
