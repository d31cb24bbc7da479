"""A hostile peer on the milter socket: whatever it says, the daemon goes on answering others.

libmilter itself (8.17.1) reads past the end of a macro list with an odd number of texts and dies of it now and then; no
MTA sends one. The worker is replaced.
"""

import random
import socket
import struct
import time

import pytest

from testbed.daemon import running_daemon
from testbed.places import wait_for

NEGOTIATE = b"O" + struct.pack("!III", 6, 0x1FF, 0x1FFFFF)
CONNECT = b"Cclient.example.net\x004" + struct.pack("!H", 25) + b"198.51.100.7\x00"
MACROS = b"DEi\x004dD1Zx0YqGz9vNP\x00"
MESSAGE = (
    NEGOTIATE,
    b"DCj\x00mx.example.test\x00",
    CONNECT,
    b"Hhelo.example.net\x00",
    b"M<sender@example.net>\x00SIZE=100\x00",
    b"R<alice@example.test>\x00",
    b"LReceived\x00 from a (a [203.0.113.9]) by b; Mon, 04 May 2026 12:00:00 +0000\x00",
    b"LX-Hoptrail-Id\x00 forged\x00",
    b"N",
    b"Bbody\r\n",
    MACROS,
    b"E",
)
QUIT = b"Q"


def packet(content):
    return struct.pack("!I", len(content)) + content


def peer(daemon):
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(10)
    connection.connect(daemon.socket.removeprefix("unix:"))
    return connection


def answers_properly(daemon):
    """Send an ordinary message as an MTA does; true if it is accepted with our fields."""
    seen = b""
    with peer(daemon) as mta:
        try:
            mta.sendall(b"".join(map(packet, MESSAGE)))
            while b"X-Hoptrail-Origin" not in seen or not seen.endswith((packet(b"c"), packet(b"a"))):
                piece = mta.recv(65_536)
                if not piece:
                    return False
                seen += piece
            mta.sendall(packet(QUIT))
        except OSError:
            return False
    return b"X-Hoptrail-Id" in seen


def damaged(dice, steps):
    """A proper session with one step changed."""
    place = dice.randrange(len(steps))
    step = steps[place]
    changed = dice.choice(
        [
            [],
            [step, dice.choice(MESSAGE)],
            [step[:1] + dice.randbytes(dice.randint(0, 300))],
            [dice.randbytes(dice.randint(0, 300))],
            [step * dice.randint(2, 200)],
            [step.replace(b"\x00", b"")],
            [step, dice.choice([b"A", b"K", b"Q", b"U junk\x00", b"T"])],
        ]
    )
    return steps[:place] + changed + steps[place + 1 :]


def nonsense(dice):
    """One session's bytes: a proper one, damaged, perhaps cut off, perhaps with a last step that lies of its length."""
    steps = list(MESSAGE)
    for _ in range(dice.randint(1, 4)):
        steps = damaged(dice, steps)
    stream = b"".join(map(packet, steps))
    cut = stream[: dice.randrange(len(stream) + 1)]
    liar = stream + struct.pack("!I", dice.choice([0, 1, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF])) + b"L"
    return dice.choice([stream, stream, cut, liar])


@pytest.mark.parametrize(
    "seconds", [5, pytest.param(600, marks=[pytest.mark.long, pytest.mark.timeout(900)])], ids=["briefly", "at-length"]
)
def test_nonsense_on_the_socket_stops_nobody(seconds):
    dice = random.Random(20261121)
    with running_daemon(milter={"log_level": "warning"}, may_complain=True) as daemon:
        end = time.monotonic() + seconds
        sessions = 0
        while time.monotonic() < end:
            with peer(daemon) as enemy:
                try:
                    enemy.sendall(nonsense(dice))
                    enemy.shutdown(socket.SHUT_WR)
                    if dice.random() < 0.5:
                        while enemy.recv(65_536):
                            pass
                except OSError:
                    pass
            sessions += 1
            if sessions % 500 == 0:
                wait_for(lambda: answers_properly(daemon), "a proper answer in between", log=daemon.service.log)
        wait_for(lambda: answers_properly(daemon), "a proper answer", log=daemon.service.log)
        status = daemon.status()
        print(
            f"{sessions} hostile sessions, {status['counters']['messages']} messages answered, "
            f"{status['workers_replaced']} workers replaced"
        )
