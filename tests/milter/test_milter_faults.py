"""What happens to mail when something breaks, with a real Postfix in front."""

import os
import pickle
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from hoptrail_store.journal import segments
from testbed.daemon import Start, delivered, running_daemon, send, unfolded
from testbed.places import free_port, wait_for
from testbed.postfix import Postfix

pytestmark = pytest.mark.mta


@contextmanager
def pair(**sections):
    with running_daemon(**sections) as daemon, Postfix(milters=[daemon.socket]) as mta:
        yield daemon, mta


def one(mta, head=b""):
    with mta.smtp() as smtp:
        return send(smtp, head)


def count(daemon):
    return daemon.rows("SELECT count(*) FROM message")[0][0]


@pytest.fixture(scope="module")
def running():
    with pair() as both:
        yield both


def test_killed_worker_is_replaced_and_the_others_serve(running):
    daemon, mta = running
    before = daemon.workers()
    os.kill(before[0], signal.SIGKILL)
    codes = [one(mta).code for _ in range(4)]
    assert codes == [250] * 4
    wait_for(lambda: 0 not in daemon.workers() and daemon.workers() != before, "a new worker")
    assert daemon.workers()[1] == before[1]
    assert daemon.status()["workers_replaced"] == 1


def test_reload_takes_effect_for_new_sessions_and_loses_none(running):
    daemon, mta = running
    with mta.smtp() as old:
        send(old)
        daemon.reload(replace(daemon.settings, site=replace(daemon.settings.site, hostname="renamed.example.test")))
        daemon.wait_for_workers(1)
        before = send(old)
    after = one(mta)
    assert unfolded(delivered(mta, before))["x-hoptrail-id"][0].startswith("mx.example.test;")
    assert unfolded(delivered(mta, after))["x-hoptrail-id"][0].startswith("renamed.example.test;")
    daemon.reload(daemon.settings)
    daemon.wait_for_workers(2)
    assert (daemon.counter("reloads"), daemon.counter("reloads_failed")) == (2, 0)


def test_journal_of_a_session_from_before_a_reload_is_emptied_while_it_goes_on():
    prelude = "import hoptrail_store.journal; hoptrail_store.journal.SEGMENT_AGE_S = 0.2\n"
    with pair(how=Start(prelude=prelude), milter={"workers": 1}) as (daemon, mta), mta.smtp() as smtp:
        send(smtp)
        daemon.reload(replace(daemon.settings, milter=replace(daemon.settings.milter, log_level="info")))
        daemon.wait_for_log("reloaded")
        send(smtp)
        wait_for(lambda: not segments(daemon.settings.store), "an empty journal", log=daemon.service.log)
        assert count(daemon) == 2


def test_broken_configuration_changes_nothing(running):
    daemon, mta = running
    before = daemon.counter("reloads")
    daemon.reload(b"this is none")
    daemon.wait_for_log("reload-failed")
    assert (daemon.counter("reloads"), daemon.counter("reloads_failed")) == (before, 1)
    (daemon.folder / "settings").write_bytes(pickle.dumps(daemon.settings))
    assert unfolded(delivered(mta, one(mta)))["x-hoptrail-id"][0].startswith("mx.example.test;")


def test_status_is_served_to_prometheus_too(running):
    daemon, _mta = running
    path = daemon.settings.milter.status.removeprefix("unix:")
    command = ["curl", "-s", "--unix-socket", path, "http://localhost/metrics"]
    if shutil.which("curl") is None:
        pytest.fail("curl is missing: run `make setup`")
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "# TYPE hoptrail_messages_total counter" in text


def test_second_daemon_on_the_same_socket_is_refused(running):
    daemon, mta = running
    other = subprocess.run(daemon.service._process.args[3:], capture_output=True, text=True, check=False, timeout=20)
    assert other.returncode != 0
    assert "another Hoptrail daemon" in other.stderr
    assert one(mta).code == 250


def test_sigterm_lets_an_open_session_finish_and_writes_what_waits():
    with pair(milter={"stop_grace_s": 10.0}) as (daemon, mta):
        with mta.smtp() as smtp:
            smtp.docmd("MAIL FROM:<harvester@example.net>")
            smtp.docmd("RCPT TO:<noone@example.test>")
            daemon.service.signal(signal.SIGTERM)
            daemon.wait_for_log("stopping")
            smtp.docmd("RSET")
            sent = send(smtp)
        begun = time.monotonic()
        daemon.service.stop()
        assert time.monotonic() - begun < 3
        assert sent.code == 250
        assert daemon.rows("SELECT accepted, refused FROM refusal")[0][:] == (1, 1)
        assert count(daemon) == 1
        assert not Path(daemon.socket.removeprefix("unix:")).exists()


def test_socket_of_a_killed_daemon_is_taken_over():
    with pair() as (daemon, mta):
        daemon.service.signal(signal.SIGKILL)
        wait_for(lambda: not daemon.service.running, "the parent's end")
        assert Path(daemon.socket.removeprefix("unix:")).exists()
        daemon.start()
        assert one(mta).code == 250
        assert count(daemon) == 1


def test_unwritable_store_is_lost_mail_is_not():
    with pair(store={"path": "/proc/hoptrail/store.sqlite"}) as (daemon, mta):
        sent = one(mta)
        assert sent.code == 250
        assert daemon.counter("lost") == 1
        assert "x-hoptrail-origin" in unfolded(delivered(mta, sent))


def test_store_that_comes_back_is_written_again():
    with pair(milter={"workers": 1}) as (daemon, mta):
        one(mta)
        store = Path(daemon.settings.store.path)
        count(daemon)
        away = store.parent.rename(daemon.folder / "away")
        assert one(mta).code == 250
        away.rename(store.parent)
        wait_for(lambda: one(mta).code == 250 and count(daemon) >= 3, "the store to be written again")
        assert daemon.counter("lost") == 0


def test_observe_only_leaves_the_message_as_it_came():
    with pair(milter={"observe_only": True}) as (daemon, mta):
        sent = one(mta, b"X-Hoptrail-Id: as it came\r\n")
        fields = unfolded(delivered(mta, sent))
        assert fields["x-hoptrail-id"] == ["as it came"]
        assert "x-hoptrail-origin" not in fields
        assert count(daemon) == 1


def test_mail_handed_in_on_the_host_itself_is_recorded():
    with pair() as (daemon, mta):
        mail = b"Subject: local\nMessage-ID: <local@example.test>\n\nHello\n"
        assert mta.command("sendmail", "-f", "bob", "alice", stdin=mail, user="bob").returncode == 0
        mta.wait_for_mail("alice")
        row = daemon.rows("SELECT envelope_from, port FROM message JOIN client ON message = number")[0]
        assert row["port"] == 0
        assert row["envelope_from"].startswith("bob")


def test_inet_socket_works_too():
    port = free_port()
    with (
        running_daemon(milter={"socket": f"inet:{port}@127.0.0.1"}) as daemon,
        Postfix(milters=[f"inet:127.0.0.1:{port}"]) as mta,
    ):
        assert one(mta).code == 250
        assert count(daemon) == 1


def test_client_address_is_the_one_that_postfix_says():
    with pair() as (daemon, mta):
        with mta.smtp() as smtp:
            smtp.ehlo()
            smtp.docmd("XCLIENT ADDR=203.0.113.9 NAME=out.example.net HELO=helo.example.net")
            sent = send(smtp)
        fields = unfolded(delivered(mta, sent))
        assert fields["x-hoptrail-origin"][0].startswith(
            "mx.example.test; ip=203.0.113.9; name=out.example.net; class=observed;"
        )
        assert daemon.counter("recorded") == 1
