"""Ways in which milters are known to go wrong that no other test here meets, beside a real Postfix and a real Sendmail.

docs/reliability.md has the whole list, with the test of each.
"""

import re
import resource
import socket
import threading

import pytest

from testbed.daemon import Start, delivered, running_daemon, send, unfolded
from testbed.places import TOP, private_folder, wait_for
from testbed.postfix import Postfix
from testbed.sendmail import Sendmail

pytestmark = pytest.mark.mta

SESSIONS, MESSAGES_EACH = 20, 3
BROKEN = """
from hoptrail_milter.session import Session
original = Session.{step}
def broken(self, *args, **kwargs):
    original(self, *args, **kwargs)
    raise RuntimeError("ours")
Session.{step} = broken
"""


@pytest.fixture(scope="module")
def daemon():
    with running_daemon() as running:
        yield running


@pytest.fixture(scope="module")
def other_socket():
    """Where a test may start a daemon of its own."""
    with private_folder("other") as folder:
        yield f"unix:{folder}/milter.sock"


@pytest.fixture(scope="module", params=[Postfix, Sendmail], ids=lambda kind: kind.name)
def mta(request, daemon):
    with request.param(milters=[daemon.socket]) as running:
        yield running


@pytest.fixture(scope="module", params=[Postfix, Sendmail], ids=lambda kind: kind.name)
def other_mta(request, other_socket):
    with request.param(milters=[other_socket]) as running:
        yield running


def recorded(daemon, sent):
    return daemon.rows("SELECT * FROM message WHERE message_id = ?", f"<{sent.mark}>")


def test_field_name_with_8bit_bytes_ends_the_header_for_everybody_alike(mta, daemon):
    with mta.smtp() as smtp:
        sent = send(smtp, b"Subject: before\r\nX-\xe9: odd\r\nX-Hoptrail-Id: in the body\r\n")
    [row] = recorded(daemon, sent)
    assert row["subject"] == "before"
    mail = delivered(mta, sent)
    assert [value for value in unfolded(mail)["x-hoptrail-id"] if "queue=" not in value] == []


@pytest.mark.parametrize("end", ["RSET", "HELO again", "hang up"])
@pytest.mark.parametrize("stage", ["HELO", "MAIL", "RCPT", "refused RCPT", "DATA"])
def test_message_broken_off_at_any_stage_leaves_nothing(mta, daemon, stage, end):
    wait_for(lambda: daemon.counter("sessions") == 0, "earlier sessions' end")
    before = daemon.rows("SELECT count(*) FROM message")[0][0]
    commands = ["HELO client.example.net", "MAIL FROM:<broken@example.net>", "RCPT TO:<alice@example.test>"]
    if stage == "refused RCPT":
        commands[2] = "RCPT TO:<nobody@example.test>"
    smtp = mta.smtp()
    for command in commands[: 1 + ["HELO", "MAIL", "RCPT", "refused RCPT", "DATA"].index(stage)][:3]:
        smtp.docmd(command)
    if stage == "DATA":
        smtp.docmd("DATA")
        smtp.send(b"Subject: half\r\nX-Hoptrail-Id: forged\r\n")
    if end == "hang up" or stage == "DATA":
        smtp.close()
        smtp = mta.smtp()
    else:
        smtp.docmd("RSET" if end == "RSET" else "HELO other.example.net")
    sent = send(smtp, recipients=("bob@example.test",))
    smtp.quit()
    assert daemon.rows("SELECT count(*) FROM message")[0][0] == before + 1
    [row] = recorded(daemon, sent)
    assert (row["envelope_from"], row["refused_recipients"]) == ("carol@example.net", 0)


@pytest.mark.parametrize(("step", "lost"), [("connect", 0), ("recipient", 1), ("header", 1)])
def test_fault_of_ours_at_any_step_lets_the_mail_flow_and_forged_fields_still_go(other_mta, other_socket, step, lost):
    how = Start(prelude=BROKEN.format(step=step))
    with running_daemon(may_complain=True, how=how, milter={"socket": other_socket}) as daemon:
        with other_mta.smtp() as smtp:
            smtp.ehlo("client.example.net")
            sent = send(smtp, b"X-Hoptrail-Id: forged\r\n")
        assert sent.code == 250
        assert "forged" not in str(unfolded(delivered(other_mta, sent)).get("x-hoptrail-id"))
        assert daemon.counter("faults") >= 1
        assert (daemon.counter("lost"), daemon.counter("recorded")) == (lost, 1 - lost)
        assert "RuntimeError: ours" in daemon.log()


@pytest.mark.parametrize("version", [2, 3, 4, 6])
def test_older_version_of_the_protocol_is_spoken_too(version, daemon):
    lines = f"milter_protocol = {version}\nmilter_connect_macros =\nmilter_mail_macros =\n"
    with Postfix(milters=[daemon.socket], main=lines) as mta:
        with mta.smtp() as smtp:
            sent = send(smtp, b"X-Hoptrail-Path: forged\r\nSubject:  two spaces\r\n")
        fields = unfolded(delivered(mta, sent))
        assert len(fields["x-hoptrail-path"]) == 1
        assert fields["x-hoptrail-path"][0].startswith("mx.example.test; hops=1;")
        assert recorded(daemon, sent)[0]["subject"] == "two spaces"


def test_many_sessions_at_once_each_have_their_records(mta, daemon):
    sent = []

    def talk():
        with mta.smtp() as smtp:
            sent.extend(send(smtp) for _ in range(MESSAGES_EACH))

    threads = [threading.Thread(target=talk) for _ in range(SESSIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(sent) == SESSIONS * MESSAGES_EACH
    assert {each.code for each in sent} == {250}
    assert all(len(recorded(daemon, each)) == 1 for each in sent)


def test_worker_out_of_descriptors_serves_again_once_it_has_some(other_mta, other_socket):
    with running_daemon(may_complain=True, milter={"socket": other_socket, "workers": 1}) as daemon:
        [worker] = daemon.workers()
        resource.prlimit(worker, resource.RLIMIT_NOFILE, (40, 40))
        peers = []
        for _ in range(60):
            peer = socket.socket(socket.AF_UNIX)
            peer.connect(daemon.socket.removeprefix("unix:"))
            peers.append(peer)
        for peer in peers:
            peer.close()

        def is_served():
            with other_mta.smtp() as smtp:
                return recorded(daemon, send(smtp))

        wait_for(is_served, "a record", log=daemon.service.log)


def test_ten_thousand_header_fields_are_taken_or_refused_by_the_mta_itself(mta, daemon):
    with mta.smtp() as smtp:
        sent = send(smtp, b"A: b\r\n" * 10_000 + b"X-Hoptrail-Id: forged\r\nSubject: last\r\n")
    if sent.code == 250:
        assert "forged" not in str(unfolded(delivered(mta, sent))["x-hoptrail-id"])
        assert len(recorded(daemon, sent)) == 1
    else:
        assert (mta.name, sent.code) == ("sendmail", 552)  # its own limit is 32 KiB


def test_message_with_more_own_fields_than_can_be_deleted_is_told_why_it_is_refused(mta):
    with mta.smtp() as smtp:
        sent = send(smtp, b"X-Hoptrail-Id: forged\r\n" * 1_001)
    assert sent.code == 550
    assert "Over 1000 header fields that only our mail filter adds" in sent.text


def test_many_recipients_are_all_recorded(mta, daemon):
    everybody = ("alice@example.test", "bob@example.test") * 100
    with mta.smtp() as smtp:
        sent = send(smtp, recipients=everybody)
    [row] = recorded(daemon, sent)
    stored = daemon.rows("SELECT address FROM recipient WHERE message = ? ORDER BY position", row["number"])
    assert [each["address"] for each in stored] == list(everybody)


def test_message_in_chunks_is_recorded_as_any_other(daemon):
    with Postfix(milters=[daemon.socket]) as mta, mta.smtp() as smtp:
        smtp.ehlo("client.example.net")
        assert smtp.has_extn("chunking")
        smtp.docmd("MAIL FROM:<carol@example.net>")
        smtp.docmd("RCPT TO:<alice@example.test>")
        for chunk, last in (
            (b"Subject: in ch", ""),
            (b"unks\r\nX-Hoptrail-Id: forged\r\n\r\n.bo", ""),
            (b"dy\r\n", " LAST"),
        ):
            smtp.send(b"BDAT %d%s\r\n%s" % (len(chunk), last.encode(), chunk))
            assert smtp.getreply()[0] == 250
        [mail] = mta.wait_for_mail("alice")
        assert b".body" in mail
        assert len(unfolded(mail)["x-hoptrail-id"]) == 1
        assert daemon.rows("SELECT subject FROM message ORDER BY number DESC LIMIT 1")[0]["subject"] == "in chunks"


def test_every_test_that_the_page_on_reliability_names_is_there():
    page = (TOP / "docs/reliability.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(test_\w+)`", page))
    defined = {
        name
        for path in (TOP / "tests").rglob("test_*.py")
        for name in re.findall(r"def (test_\w+)", path.read_text("utf-8"))
    }
    files = {path.stem for path in (TOP / "tests").rglob("test_*.py")}
    assert len(named) >= 18
    assert named - defined - files == set()
