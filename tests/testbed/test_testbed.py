"""The testbed keeps its promises: a real MTA, users of its own, and nothing left behind."""

import smtplib
import subprocess
from pathlib import Path

import pytest

from testbed.exim import Exim
from testbed.machine import root_is_mounted
from testbed.mta import PASSWORD
from testbed.places import ROOT, TestbedError, unpacked, wait_for
from testbed.postfix import Postfix
from testbed.procmail import deliver
from testbed.sendmail import Sendmail
from testbed.service import Service

MESSAGE = b"Subject: greetings\r\n\r\nHello.\r\n"
MTAS = pytest.mark.parametrize("mta_class", [Postfix, Sendmail])


@pytest.mark.mta
@pytest.mark.parametrize("mta_class", [Postfix, Sendmail, Exim])
def test_mail_from_outside_reaches_the_users_maildir(mta_class):
    with mta_class() as mta:
        with mta.smtp() as client:
            client.sendmail("out@side.example", ["alice@example.test"], MESSAGE)
        [mail] = mta.wait_for_mail("alice")
    assert b"Subject: greetings" in mail
    assert b"return-path: <out@side.example>" in mail.lower()


@pytest.mark.mta
@MTAS
def test_unknown_recipients_are_refused_in_the_dialogue(mta_class):
    with mta_class() as mta, mta.smtp() as client, pytest.raises(smtplib.SMTPRecipientsRefused):
        client.sendmail("out@side.example", ["nobody-here@example.test"], MESSAGE)


@pytest.mark.mta
@MTAS
def test_users_authenticate_over_tls_on_the_submission_port(mta_class):
    with mta_class(tls=True) as mta:
        with mta.smtp(submission=True) as client:
            client.starttls()
            client.login("alice@example.test", PASSWORD)
            client.sendmail("alice@example.test", ["bob@example.test"], MESSAGE)
        [mail] = mta.wait_for_mail("bob")
    assert b"with ESMTPSA" in mail


@pytest.mark.mta
@MTAS
def test_killed_mta_starts_again_with_its_mailboxes(mta_class):
    with mta_class() as mta:
        with mta.smtp() as client:
            client.sendmail("out@side.example", ["alice@example.test"], MESSAGE)
        mta.wait_for_mail("alice")
        mta.kill()
        mta.start()
        with mta.smtp() as client:
            client.sendmail("out@side.example", ["alice@example.test"], MESSAGE)
        assert len(mta.wait_for_mail("alice", 2)) == 2


@pytest.mark.mta
@MTAS
def test_mta_leaves_neither_processes_nor_files(mta_class):
    with mta_class() as mta:
        first, folder = mta.machine.first_pid(), mta.folder
        namespace = Path(f"/proc/{first}/ns/pid").readlink()
    assert not folder.exists()
    assert namespace not in pid_namespaces()


def pid_namespaces() -> set[Path]:
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            found.add((process / "ns/pid").readlink())
        except OSError:  # ended meanwhile
            continue
    return found


@pytest.mark.mta
def test_postfix_shows_the_client_that_xclient_names():
    with Postfix() as mta:
        with mta.smtp() as client:
            client.ehlo()
            client.docmd("XCLIENT", "ADDR=203.0.113.9 NAME=mail.example.net")
            client.ehlo("mail.example.net")
            client.sendmail("out@side.example", ["alice@example.test"], MESSAGE)
        [mail] = mta.wait_for_mail("alice")
    assert b"from mail.example.net (mail.example.net [203.0.113.9])" in mail


@pytest.mark.mta
def test_postfix_takes_mail_from_its_own_users():
    with Postfix() as mta:
        mta.command("sendmail", "alice", stdin=b"Subject: greetings\n\nHello.\n", user="bob")
        [mail] = mta.wait_for_mail("alice")
    assert b"Return-Path: <bob@mx.example.test>" in mail


@pytest.mark.mta
def test_postfix_delivers_from_a_chroot():
    with Postfix(chroot=True) as mta:
        with mta.smtp() as client:
            client.sendmail("out@side.example", ["alice@example.test"], MESSAGE)
        assert mta.wait_for_mail("alice")


@pytest.mark.mta
def test_failed_start_shows_the_end_of_the_log():
    mta = Postfix(master="broken")
    with pytest.raises(TestbedError, match="bad field count"), mta:
        pass


@pytest.mark.services
def test_spamd_knows_the_test_mail(spamd):
    gtube = b"XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
    mail = b"Subject: test\nFrom: a@example.net\nTo: b@example.org\n\n" + gtube + b"\n"
    asked = [unpacked(ROOT / "usr/bin/spamc"), "-U", spamd.socket, "-c"]
    answer = subprocess.run(asked, input=mail, capture_output=True, check=False, timeout=60)
    score, required = map(float, answer.stdout.decode().split("/"))
    assert score > 900 > required


@pytest.mark.services
def test_procmail_files_by_recipe_and_keeps_the_rest(tmp_path):
    recipe = ":0\n* ^Subject: greetings\nGreetings/"
    [filed] = deliver(MESSAGE.replace(b"\r", b""), recipe, tmp_path)
    [kept] = deliver(b"Subject: other\n\n", recipe, tmp_path)
    assert filed.is_relative_to(tmp_path / "Greetings/new")
    assert kept.is_relative_to(tmp_path / "Inbox/new")


@pytest.mark.services
def test_procmail_complaining_of_a_recipe_is_an_error(tmp_path):
    with pytest.raises(TestbedError, match="Skipped"):
        deliver(MESSAGE, "* ^Subject:\nnowhere", tmp_path)


def test_service_that_ends_early_shows_its_log(tmp_path):
    service = Service(["sh", "-c", "echo cannot; exit 3"], log=tmp_path / "log")
    with pytest.raises(TestbedError, match=r"ended with 3(.|\n)*cannot"):
        service.wait_until(lambda: False, "nothing")


def test_stopped_service_takes_its_children_with_it(tmp_path):
    service = Service(["sh", "-c", "sleep 600 & echo $!; wait"], log=tmp_path / "log")
    service.wait_until((tmp_path / "log").read_text, "the child")
    child = int((tmp_path / "log").read_text())
    service.stop()
    wait_for(lambda: not running(child), "the child to end")


def running(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def test_plain_chroot_is_told_from_a_root_that_is_mounted(tmp_path):
    mounts = tmp_path / "mountinfo"
    mounts.write_text("22 27 0:21 / /proc rw - proc proc rw\n")
    assert not root_is_mounted(mounts)
    mounts.write_text("27 1 8:1 / / rw - ext4 /dev/sda1 rw\n22 27 0:21 / /proc rw - proc proc rw\n")
    assert root_is_mounted(mounts)
