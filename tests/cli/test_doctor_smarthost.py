"""The doctor asks the smarthost as the sender would come, sends nothing, and says what to mend."""

import socket

import pytest

from hoptrail.checks.services import check_smarthost
from hoptrail.config import parse_config
from testbed.places import free_port
from testbed.postfix import Postfix
from testbed.wilfulsmtp import WilfulSmtp


def finding(port: int, host: str = "127.0.0.1", **options: object):
    lines = [f'smarthost = "{host}:{port}"', *(f"{name} = {value!r}" for name, value in options.items())]
    [found] = check_smarthost(parse_config("[abuse]\n" + "\n".join(lines), "x"))
    return found


@pytest.fixture
def password(tmp_path):
    path = tmp_path / "password"
    path.write_text("correct horse\n")
    path.chmod(0o600)
    return path


@pytest.fixture(scope="module")
def submission():
    with Postfix(tls=True) as mta:
        yield mta


def test_no_smarthost_is_nothing_bad():
    [found] = check_smarthost(parse_config("", "x"))
    assert (found.state, found.text) == ("ok", "not configured: approved reports are not sent")


def test_smarthost_that_answers_is_good_and_gets_no_mail():
    with WilfulSmtp(MAIL="", RCPT="", DATA="") as smarthost:
        found = finding(smarthost.port)
    assert (found.state, found.text) == ("ok", f"127.0.0.1:{smarthost.port}: answers")
    assert smarthost.texts == []


def test_smarthost_that_is_down_is_bad():
    found = finding(free_port())
    assert (found.state, "refused" in found.text) == ("bad", True)
    assert found.mend.startswith("start it")


def test_smarthost_that_never_answers_is_left():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        found = finding(silent.getsockname()[1], smarthost_timeout_s=0.2)
    assert (found.state, "timed out" in found.text) == ("bad", True)


def test_smarthost_without_the_starttls_that_is_demanded_is_bad():
    with WilfulSmtp() as smarthost:
        found = finding(smarthost.port, smarthost_tls="starttls")
    assert (found.state, "STARTTLS" in found.text) == ("bad", True)
    assert "port for submission" in found.mend


def test_smarthost_that_speaks_no_tls_at_all_comes_with_what_to_set():
    with WilfulSmtp() as smarthost:
        found = finding(smarthost.port, smarthost_tls="tls", smarthost_timeout_s=1.0)
    assert found.state == "bad"
    assert "[abuse] smarthost_tls" in found.mend


def test_smarthost_that_offers_no_login_is_bad_where_there_is_a_password(password):
    with WilfulSmtp() as smarthost:
        found = finding(smarthost.port, smarthost_user="alice", smarthost_password_file=str(password))
    assert (found.state, "AUTH" in found.text) == ("bad", True)
    assert "port for submission" in found.mend


def test_missing_password_file_is_named(tmp_path):
    with WilfulSmtp(EHLO="250-here\r\n250-8BITMIME\r\n250 AUTH PLAIN") as smarthost:
        found = finding(smarthost.port, smarthost_user="alice", smarthost_password_file=f"{tmp_path}/absent")
    assert (found.state, f"{tmp_path}/absent" in found.text) == ("bad", True)
    assert "correct the path" in found.mend


def test_smarthost_without_8bitmime_is_a_warning():
    with WilfulSmtp(EHLO="250 here") as smarthost:
        assert finding(smarthost.port).state == "warn"


@pytest.mark.mta
def test_login_over_checked_tls_is_tried(submission, password):
    options = {
        "smarthost_tls": "starttls",
        "smarthost_user": "alice@example.test",
        "smarthost_ca_file": f"{submission.folder}/tls.crt",
    }
    options |= {"host": "localhost", "smarthost_password_file": str(password)}
    found = finding(submission.submission_port, **options)
    assert (found.state, found.mend) == ("ok", "")
    assert found.text.endswith("its certificate is valid; it takes alice@example.test's password")
    password.write_text("wrong\n")
    found = finding(submission.submission_port, **options)
    assert (found.state, "535" in found.text) == ("bad", True)
    assert "smarthost_user" in found.mend


@pytest.mark.mta
def test_certificate_that_nobody_vouches_for_is_bad(submission):
    found = finding(submission.submission_port, host="localhost", smarthost_tls="starttls")
    assert (found.state, "certificate is not valid" in found.text) == ("bad", True)
    assert "smarthost_ca_file" in found.mend
