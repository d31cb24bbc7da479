"""Scores from a real spamd, and what happens to mail where spamd is slow, dead or broken."""

import asyncio
import signal
import socket
import ssl
import subprocess
import threading
import zlib
from contextlib import contextmanager
from dataclasses import replace

import pytest

from hoptrail_milter.scoring import Scorer, user_for
from hoptrail_milter.settings import ScoreSettings
from hoptrail_store.records import Score
from testbed.daemon import delivered, running_daemon, send, unfolded
from testbed.places import free_port, wait_for
from testbed.postfix import Postfix
from testbed.spamd import Spamd

GTUBE = b"XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X\r\n"
SPAM = b"Subject: x\r\n\r\n" + GTUBE
ANSWER = b"SPAMD/1.1 0 EX_OK\r\nContent-length: 7\r\nSpam: True ; 7.5 / 5.0\r\n\r\nA,B,C\r\n"


def ask(settings, *messages):
    """What spamd says of messages that are asked about together."""

    async def together():
        scorer = Scorer(settings)
        return await asyncio.gather(*(scorer.score(message) for message in messages))

    return asyncio.run(together())


@contextmanager
def false_spamd(answer, *, delay_s=0.0, tls=None):
    """A server that answers everybody the same."""
    port = free_port()
    listener = socket.create_server(("127.0.0.1", port))
    stop = threading.Event()

    def serve():
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client:
                if tls is not None:
                    client = tls.wrap_socket(client, server_side=True)
                client.recv(65_536)
                stop.wait(delay_s)
                if answer:
                    client.sendall(answer)
                client.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"inet:{port}@127.0.0.1"
    finally:
        stop.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def test_score_and_rules_are_read():
    with false_spamd(ANSWER) as spamd:
        assert ask(ScoreSettings(spamd), SPAM) == [Score(7.5, 5.0, ("A", "B", "C"))]


@pytest.mark.parametrize(
    "answer",
    [
        b"SPAMD/1.1 76 Bad header line\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\n",
        b"SPAMD/1.1 0 EX_OK\r\nSpam: True ; nan / 5.0\r\n\r\n",
        b"SPAMD/1.1 0 EX_OK\r\nSpam: perhaps\r\n\r\n",
        b"SPAMD/1.1 0 EX_OK\r\n\r\n",
        b"\xff" * 200_000,
    ],
)
def test_answer_that_is_none_is_an_error(answer):
    with false_spamd(answer) as spamd:
        assert ask(ScoreSettings(spamd), SPAM) == [Score(unscored="error")]


def test_nobody_there_is_unavailable():
    assert ask(ScoreSettings(f"inet:{free_port()}@127.0.0.1"), SPAM) == [Score(unscored="unavailable")]
    assert ask(ScoreSettings("unix:/run/no such socket"), SPAM) == [Score(unscored="unavailable")]


def test_hanging_up_without_a_word_is_unavailable():
    with false_spamd(b"") as spamd:
        assert ask(ScoreSettings(spamd), SPAM) == [Score(unscored="unavailable")]


def test_slow_is_a_timeout():
    with false_spamd(ANSWER, delay_s=5) as spamd:
        assert ask(ScoreSettings(spamd, timeout_s=0.2), SPAM) == [Score(unscored="timeout")]


def test_more_than_may_wait_are_busy():
    with false_spamd(ANSWER, delay_s=0.2) as spamd:
        scores = ask(ScoreSettings(spamd, concurrency=1, max_waiting=1), SPAM, SPAM, SPAM)
    assert [score.unscored for score in scores] == [None, None, "busy"]


def test_waiting_too_long_for_a_turn_is_busy():
    with false_spamd(ANSWER, delay_s=0.3) as spamd:
        scores = ask(ScoreSettings(spamd, concurrency=1, timeout_s=0.5), SPAM, SPAM, SPAM)
    assert scores[0].unscored is None
    assert scores[-1].unscored == "busy"


def test_breaker_spares_a_dead_spamd_and_finds_it_again():
    now = [0.0]

    async def story():
        with false_spamd(ANSWER) as spamd:
            settings = ScoreSettings(f"inet:{free_port()}@127.0.0.1", breaker_failures=2, breaker_pause_s=30)
            scorer = Scorer(settings, lambda: now[0])
            codes = [(await scorer.score(SPAM)).unscored for _ in range(3)]
            scorer._client = Scorer(replace(settings, spamd=spamd))._client
            codes.append((await scorer.score(SPAM)).unscored)
            now[0] = 31.0
            codes.append((await scorer.score(SPAM)).unscored)
            return [*codes, scorer.is_open]

    assert asyncio.run(story()) == ["unavailable", "unavailable", "breaker", "breaker", None, False]


def test_spamd_is_reached_over_tls(tmp_path):
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command, "-keyout", "key", "-out", "crt"], cwd=tmp_path, check=True, capture_output=True)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "crt", tmp_path / "key")
    with false_spamd(ANSWER, tls=server) as spamd:
        place = spamd.replace("inet:", "tls:")
        assert ask(ScoreSettings(place, tls_ca=str(tmp_path / "crt")), SPAM)[0].points == 7.5


def test_spamd_with_a_certificate_of_its_own_making_is_not_believed(tmp_path):
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    subprocess.run(
        [*command, "-subj", "/CN=x", "-keyout", "key", "-out", "crt"], cwd=tmp_path, check=True, capture_output=True
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "crt", tmp_path / "key")
    server.sni_callback = None
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]

    def refuse():
        client, _ = listener.accept()
        with client, pytest.raises(OSError):  # noqa: PT011 - the client hangs up
            server.wrap_socket(client, server_side=True)

    thread = threading.Thread(target=refuse)
    thread.start()
    scores = ask(ScoreSettings(f"tls:{port}@127.0.0.1"), SPAM)
    thread.join()
    listener.close()
    assert scores == [Score(unscored="unavailable")]


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ({"ip": "198.51.100.7", "name": None, "authenticated": True, "size_bytes": 1}, "authenticated"),
        ({"ip": "192.0.2.77", "name": None, "authenticated": False, "size_bytes": 1}, "trusted"),
        ({"ip": "198.51.100.7", "name": None, "authenticated": False, "size_bytes": 512_001}, "size"),
        ({"ip": "198.51.100.7", "name": None, "authenticated": False, "size_bytes": 512_000}, None),
        ({"ip": "198.51.100.7", "name": "a.partner.example", "authenticated": False, "size_bytes": 1}, "trusted"),
        ({"ip": None, "name": None, "authenticated": False, "size_bytes": 1}, None),
    ],
)
def test_what_is_not_to_be_scored_is_named(case, reason):
    async def ask_reason():
        return Scorer(
            ScoreSettings("unix:/x", skip_networks=("192.0.2.0/24",), skip_hosts=("*.partner.example",))
        ).skip_reason(**case)

    assert asyncio.run(ask_reason()) == reason


@pytest.mark.parametrize(
    ("setting", "recipients", "user"),
    [
        ("", ("a@example.org",), None),
        ("recipient", ("a@example.org",), "a@example.org"),
        ("local-part", ("a@example.org",), "a"),
        ("recipient", ("a@example.org", "b@example.org"), None),
        ("recipient", ("a\r\nContent-length: 0@example.org",), None),
        ("recipient", ("jürgen@example.org",), None),
        ("local-part", ("@example.org",), None),
    ],
)
def test_user_for_spamd_is_one_recipients_name(setting, recipients, user):
    assert user_for(ScoreSettings(user=setting), recipients) == user


@pytest.fixture(scope="module")
def scored():
    with (
        Spamd() as spamd,
        running_daemon(
            score={"spamd": f"unix:{spamd.socket}", "timeout_s": 15.0, "breaker_failures": 2, "breaker_pause_s": 0.3},
            milter={"workers": 1},
        ) as daemon,
        Postfix(milters=[daemon.socket]) as mta,
    ):
        yield spamd, daemon, mta


@pytest.mark.mta
@pytest.mark.services
class TestWithSpamd:
    def test_spam_is_marked_and_kept_whole_as_evidence(self, scored):
        _spamd, daemon, mta = scored
        head = b"Subject: win\r\nX-Spam-Flag: NO\r\nx-spam-status: No, score=-99\r\nX-Odd: \xff\r\n"
        with mta.smtp() as smtp:
            sent = send(smtp, head, GTUBE)
        fields = unfolded(delivered(mta, sent))
        assert fields["x-spam-flag"] == ["YES"]
        assert "GTUBE" in fields["x-spam-status"][0]
        assert len(fields["x-spam-status"]) == 1
        assert len(fields["x-spam-level"][0]) == 50
        rows = daemon.rows(
            "SELECT * FROM message JOIN evidence ON message = number WHERE message_id = ?", f"<{sent.mark}>"
        )
        assert rows[0]["spam"] == 1
        assert rows[0]["size_bytes"] > 0

    def test_evidence_is_the_message_byte_for_byte(self, scored):
        _spamd, daemon, mta = scored
        head = b"From: <carol@example.net>\r\nDate: Mon, 04 May 2026 12:00:00 +0000\r\n"
        head += b"Subject:  two spaces\r\n\tfolded\r\nX-Odd: \xff\r\nNone:\r\n"
        with mta.smtp() as smtp:
            sent = send(smtp, head, b".dot\r\n" + GTUBE)
        data = daemon.rows(
            "SELECT data FROM evidence JOIN message ON message = number WHERE message_id = ?", f"<{sent.mark}>"
        )[0]["data"]
        kept = zlib.decompress(data)
        assert kept.endswith(head + b"\r\n.dot\r\n" + GTUBE)

    def test_ham_is_scored_without_a_flag(self, scored):
        _spamd, _daemon, mta = scored
        with mta.smtp() as smtp:
            sent = send(smtp, b"Subject: hello\r\nX-Spam-Flag: YES\r\n")
        fields = unfolded(delivered(mta, sent))
        assert "x-spam-flag" not in fields
        assert "x-spam-level" in fields
        assert " required=5.0 " in fields["x-spam-status"][0]

    def test_authenticated_mail_is_not_scored(self, scored):
        _spamd, _daemon, mta = scored
        with mta.smtp(submission=True) as smtp:
            smtp.login("alice@example.test", "correct horse")
            sent = send(smtp, b"", GTUBE)
        assert unfolded(delivered(mta, sent))["x-spam-status"] == ["Unscored, reason=authenticated"]

    def test_spamd_sees_the_client_as_the_border_of_the_network(self, scored):
        spamd, _daemon, mta = scored
        with mta.smtp() as smtp:
            smtp.ehlo()
            smtp.docmd("XCLIENT ADDR=203.0.113.9 NAME=[UNAVAILABLE] HELO=203.0.113.9")
            sent = send(smtp, b"Subject: x\r\n")
        assert "RDNS_NONE" in unfolded(delivered(mta, sent))["x-spam-status"][0], spamd.log.read_text()

    def test_dead_spamd_leaves_mail_unscored_and_is_found_again(self, scored):
        spamd, daemon, mta = scored
        spamd.stop()
        reasons = []
        with mta.smtp() as smtp:
            for _ in range(3):
                reasons += unfolded(delivered(mta, send(smtp)))["x-spam-status"]
        assert reasons[0] == "Unscored, reason=unavailable"
        assert "Unscored, reason=breaker" in reasons
        spamd.start()

        def is_scored():
            with mta.smtp() as smtp:
                return unfolded(delivered(mta, send(smtp)))["x-spam-status"][0].startswith("No")

        wait_for(is_scored, "a score")
        assert daemon.counter("unscored_unavailable") >= 2
        assert daemon.counter("unscored_breaker") >= 1


@pytest.mark.mta
@pytest.mark.services
def test_message_above_the_limit_is_refused_and_recorded():
    with (
        Spamd() as spamd,
        running_daemon(score={"spamd": f"unix:{spamd.socket}", "reject_score": 100.0}) as daemon,
        Postfix(milters=[daemon.socket]) as mta,
    ):
        with mta.smtp() as smtp:
            sent = send(smtp, b"", GTUBE)
            ham = send(smtp)
        assert (sent.code, ham.code) == (550, 250)
        assert "looks like spam" in sent.text
        assert daemon.rows("SELECT spam FROM message WHERE message_id = ?", f"<{sent.mark}>")[0]["spam"] == 1
        local = b"Subject: local\nMessage-ID: <local@example.test>\n\n" + GTUBE.replace(b"\r", b"")
        assert mta.command("sendmail", "-f", "bob", "alice", stdin=local, user="bob").returncode == 0
        mta.wait_for_mail("alice", 2)
        spamd.signal(signal.SIGCONT)
