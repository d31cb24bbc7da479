"""The lines for main.cf: Postfix takes every one, and mail passes a milter attached with nothing else."""

import os

import pytest

from testbed.daemon import delivered, running_daemon, send, unfolded
from testbed.places import TOP
from testbed.postfix import Postfix

pytestmark = pytest.mark.mta

LINES = (TOP / "contrib/postfix/main.cf.hoptrail").read_text(encoding="utf-8")


@pytest.fixture(scope="module", params=[False, True], ids=["no chroot", "chroot"])
def postfix(request):
    with Postfix(main=LINES, chroot=request.param) as mta:
        yield mta


@pytest.fixture
def socket(postfix):
    """The socket as the lines want it, in a directory made as they say."""
    folder = postfix.queue / "hoptrail"
    if not folder.exists():
        folder.mkdir()
        os.chown(folder, postfix.machine.uid("hoptrail"), postfix.machine.uid("postfix"))
        folder.chmod(0o2750)
    return folder / "milter.sock"


def test_postfix_knows_every_parameter_and_uses_it(postfix):
    done = postfix.command("postconf", "-n")
    assert done.stderr == b""
    names = {line.split()[0] for line in LINES.splitlines() if line and line[0].isalpha()}
    assert names == {"smtpd_milters", "non_smtpd_milters", "milter_protocol"}
    assert names <= {line.split()[0] for line in done.stdout.decode().splitlines()}


@pytest.mark.usefixtures("socket")
def test_postfix_check_finds_nothing_wrong(postfix):
    done = postfix.command("postfix", "check")
    complaints = [line for line in postfix.log().splitlines() if "postfix-script" in line and "hoptrail" in line]
    assert done.returncode == 0
    assert complaints == []


def test_message_gets_its_fields_through_the_relative_path(postfix, socket):
    with running_daemon(milter={"socket": f"unix:{socket}", "socket_mode": "0660"}) as daemon:
        with postfix.smtp() as client:
            client.ehlo("client.example.net")
            sent = send(client)
        assert "x-hoptrail-id" in unfolded(delivered(postfix, sent))
        assert socket.stat().st_gid == postfix.machine.uid("postfix")
        assert daemon.rows("SELECT count(*) FROM message")[0][0] == 1


def test_local_mail_passes_the_milter_too(postfix, socket):
    before = len(postfix.mailbox("bob"))
    with running_daemon(milter={"socket": f"unix:{socket}", "socket_mode": "0660"}):
        postfix.command("sendmail", "bob", stdin=b"Subject: from cron\n\nDone.\n", user="alice")
        mails = postfix.wait_for_mail("bob", before + 1)
    assert "x-hoptrail-id" in unfolded(mails[-1])


def test_mail_flows_where_no_daemon_runs(postfix, socket):
    socket.unlink(missing_ok=True)
    with postfix.smtp() as client:
        client.ehlo("client.example.net")
        sent = send(client)
    assert "x-hoptrail-id" not in unfolded(delivered(postfix, sent))
