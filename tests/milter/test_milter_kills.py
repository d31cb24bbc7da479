"""kill -9 under load: every message that the MTA acknowledged has its record."""

import os
import random
import signal
import smtplib
import threading
import time
from contextlib import contextmanager

import pytest

from testbed.daemon import running_daemon, send
from testbed.places import wait_for
from testbed.postfix import Postfix

pytestmark = pytest.mark.mta

SENDERS = 6
# A message that no milter answers for is not to be acknowledged here, so that acknowledged means recorded.
MAIN = "milter_default_action = tempfail\nmilter_connect_timeout = 5s\n"
FEW, ALL = {"worker": 10, "daemon": 3, "postfix": 2}, {"worker": 100, "daemon": 50, "postfix": 50}


class Load:
    """Threads that send one message after the other, and note which were acknowledged."""

    def __init__(self, mta):
        self._mta = mta
        self._stop = threading.Event()
        self.acknowledged = []
        self._threads = [threading.Thread(target=self._send) for _ in range(SENDERS)]

    def _send(self):
        while not self._stop.is_set():
            try:
                with self._mta.smtp(timeout_s=20) as smtp:
                    sent = send(smtp, b"X-Hoptrail-Id: forged\r\n")
                    if sent.code == 250:
                        self.acknowledged.append(sent.mark)
            except (OSError, smtplib.SMTPException, AssertionError):
                time.sleep(0.05)

    @contextmanager
    def running(self):
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join()


def kill_worker(daemon, _mta):
    pids = wait_for(lambda: [pid for pid in daemon.workers() if pid], "a worker")
    os.kill(random.choice(pids), signal.SIGKILL)
    time.sleep(random.uniform(0.05, 0.3))


def kill_daemon(daemon, _mta):
    daemon.service.signal(signal.SIGKILL)
    wait_for(lambda: not daemon.service.running, "the daemon's end")
    daemon.start()
    time.sleep(random.uniform(0.2, 0.5))


def kill_postfix(_daemon, mta):
    mta.kill()
    mta.start()
    time.sleep(random.uniform(0.2, 0.5))


KILL = {"worker": kill_worker, "daemon": kill_daemon, "postfix": kill_postfix}


@pytest.mark.parametrize("times", [FEW, pytest.param(ALL, marks=[pytest.mark.long, pytest.mark.timeout(900)])])
@pytest.mark.parametrize("victim", KILL)
def test_acknowledged_messages_are_recorded_whatever_is_killed(victim, times):
    with (
        running_daemon(milter={"log_level": "warning", "stop_grace_s": 1.0}) as daemon,
        Postfix(milters=[daemon.socket], main=MAIN, discard=True) as mta,
    ):
        load = Load(mta)
        with load.running():
            wait_for(lambda: load.acknowledged, "the first message")
            for _ in range(times[victim]):
                KILL[victim](daemon, mta)
            enough = len(load.acknowledged) + SENDERS
            wait_for(lambda: len(load.acknowledged) > enough, "mail to flow again", log=daemon.service.log)
        recorded = {row["message_id"] for row in daemon.rows("SELECT message_id FROM message")}
        missing = [mark for mark in load.acknowledged if f"<{mark}>" not in recorded]
        print(f"{victim}: {times[victim]} kills, {len(load.acknowledged)} acknowledged, {len(missing)} missing")
        assert not missing
