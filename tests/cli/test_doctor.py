"""The doctor finds what is wrong with a host, says how to mend it, and is content with a good one."""

import json
import os
import socket
import struct
import threading
from pathlib import Path
from pwd import getpwuid

import pytest

from hoptrail.checks.access import User, obstacle
from hoptrail.checks.host import size_text
from hoptrail.checks.socket import Postfix, check_milter, check_sendmail, check_socket, find_postfix
from hoptrail.config import parse_config
from hoptrail_store.settings import StoreSettings
from hoptrail_store.store import Store
from testbed.dnsservers import Rbldnsd, Unbound
from testbed.places import ROOT, unpacked
from testbed.spamd import Spamd


def findings(hoptrail, config: Path, *, user: str | None = None) -> dict[str, list[dict]]:
    """What the doctor finds by topic; for whoever runs the tests, since this host may have Hoptrail's own account."""
    done = hoptrail("doctor", "--config", config, "--json", "--user", user or getpwuid(os.geteuid()).pw_name)
    found: dict[str, list[dict]] = {}
    for finding in json.loads(done.out):
        found.setdefault(finding["topic"], []).append(finding)
    bad = any(finding["state"] == "bad" for group in found.values() for finding in group)
    assert done.code == bad
    return found


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder that everybody may pass, for users who are not root."""
    for parent in (tmp_path, *tmp_path.parents):
        if parent.stat().st_uid == os.geteuid() and not parent.stat().st_mode & 0o001:
            parent.chmod(parent.stat().st_mode | 0o011)
    return tmp_path


@pytest.fixture
def write(tmp_path):
    def write(**sections: dict) -> Path:
        text = {
            "store": {"path": f"{tmp_path}/store.sqlite"},
            "lookups": {"nameservers": ["127.0.0.1@9"], "dns_timeout_s": 0.1},
        } | sections
        path = tmp_path / "hoptrail.toml"
        path.write_text(
            "\n".join(
                f"[{name}]\n" + "\n".join(f"{key} = {json.dumps(value)}" for key, value in section.items())
                for name, section in text.items()
            )
        )
        return path

    return write


def test_a_bad_configuration_is_a_finding(hoptrail, tmp_path):
    (tmp_path / "bad.toml").write_text("[store]\na = 1\n")
    [finding] = findings(hoptrail, tmp_path / "bad.toml")["config"]
    assert finding["state"] == "bad"


def test_a_sound_store_is_good(hoptrail, write, tmp_path):
    Store.open(StoreSettings(path=f"{tmp_path}/store.sqlite")).close()
    assert {finding["state"] for finding in findings(hoptrail, write())["store"]} == {"ok"}


def test_a_damaged_store_is_bad(hoptrail, write, tmp_path):
    (tmp_path / "store.sqlite").write_bytes(b"nonsense" * 1000)
    found = findings(hoptrail, write())["store"][-1]
    assert found["state"] == "bad"
    assert f"{tmp_path}/store.sqlite-wal" in found["mend"]


@pytest.mark.parametrize(("size_bytes", "text"), [(40_000_000, "40.0 MB"), (2_500_000_000, "2.5 GB")])
def test_a_size_is_said_in_a_unit_that_leaves_something_of_it(size_bytes, text):
    assert size_text(size_bytes) == text


def test_a_missing_folder_comes_with_the_command_that_makes_it(hoptrail, write, tmp_path):
    config = write(store={"path": f"{tmp_path}/absent/store.sqlite"})
    [finding] = findings(hoptrail, config)["store"]
    assert finding["mend"].startswith("install -d -o root")


def test_a_store_of_another_user_is_bad(hoptrail, write, tmp_path):
    Store.open(StoreSettings(path=f"{tmp_path}/store.sqlite")).close()
    tmp_path.chmod(0o700)
    found = findings(hoptrail, write(), user="nobody")["store"]
    assert found[0]["state"] == "bad"
    assert "nobody may not" in found[0]["text"]


def test_an_unknown_user_is_misuse(hoptrail, write):
    assert hoptrail("doctor", "--config", write(), "--user", "no-such-user").code == 2


def socket_findings(path: str, postfix: Postfix | None = None):
    return list(check_socket(parse_config(f'[milter]\nsocket = "unix:{path}"', "x"), postfix))


def test_a_socket_below_a_folder_open_to_all_is_bad(tmp_path):
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    found = socket_findings(f"{tmp_path}/open/milter.sock")
    assert any(finding.state == "bad" and f"{tmp_path}/open;" in finding.text for finding in found)


def test_a_chrooted_postfix_needs_the_socket_inside_its_queue(tmp_path):
    (tmp_path / "queue").mkdir()
    postfix = Postfix("nobody", tmp_path / "queue", is_chrooted=True, milters="")
    outside = socket_findings(f"{tmp_path}/milter.sock", postfix)
    assert any("chrooted" in finding.text and "queue/hoptrail/milter.sock" in finding.mend for finding in outside)
    inside = socket_findings(f"{tmp_path}/queue/milter.sock", postfix)
    assert not any("chrooted" in finding.text for finding in inside)
    assert any("unix:milter.sock" in finding.mend for finding in inside)


def test_a_postfix_without_chroot_may_name_the_socket_from_its_queue_or_from_the_root(tmp_path):
    (tmp_path / "queue").mkdir()
    for named in ("unix:milter.sock", f"unix:{tmp_path}/queue/milter.sock"):
        postfix = Postfix("nobody", tmp_path / "queue", is_chrooted=False, milters=named)
        found = socket_findings(f"{tmp_path}/queue/milter.sock", postfix)
        assert [finding.state for finding in found if finding.topic == "postfix"] == ["ok"]


def test_a_missing_place_of_the_socket_comes_with_what_makes_it(tmp_path):
    postfix = Postfix("nobody", tmp_path, is_chrooted=True, milters="")
    [queue] = socket_findings(f"{tmp_path}/hoptrail/milter.sock", postfix)
    assert "hoptrail-postfix.tmpfiles" in queue.mend
    [other] = socket_findings(f"{tmp_path}/elsewhere/milter.sock", postfix)
    assert other.mend.startswith("install -d -o hoptrail")


def test_a_socket_that_postfixs_user_cannot_use_is_bad(folder):
    path = folder / "milter.sock"
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    postfix = Postfix("nobody", Path("/var/spool/postfix"), is_chrooted=False, milters=f"unix:{path}")
    path.chmod(0o660)
    found = socket_findings(str(path), postfix)
    assert any(finding.state == "bad" and "usermod" in finding.mend for finding in found)
    path.chmod(0o666)
    found = socket_findings(str(path), postfix)
    assert any(finding.text == f"nobody may reach {path}" for finding in found)
    assert [finding.state for finding in found if finding.topic == "postfix"] == ["ok"]
    listening.close()


def serve_once(listening: socket.socket, answer: bytes) -> threading.Thread:
    def serve():
        connection, _ = listening.accept()
        with connection:
            connection.recv(100)
            connection.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize(
    ("answer", "state"),
    [(struct.pack("!IcIII", 13, b"O", 6, 0, 0), "ok"), (b"HTTP/1.0 400", "warn"), (b"", "warn")],
)
def test_a_milter_is_known_by_its_answer(tmp_path, answer, state):
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "milter.sock"))
        listening.listen()
        thread = serve_once(listening, answer)
        config = parse_config(f'[milter]\nsocket = "unix:{tmp_path}/milter.sock"\nstatus = ""', "x")
        [finding] = check_milter(config)
        thread.join(10)
    assert finding.state == state


def test_no_milter_is_no_more_than_a_warning(tmp_path):
    config = parse_config(f'[milter]\nsocket = "unix:{tmp_path}/milter.sock"', "x")
    [finding] = check_milter(config)
    assert finding.state == "warn"


def test_rights_are_those_of_owner_group_and_others(folder):
    path = folder / "file"
    path.touch()
    os.chown(path, 12345, 23456)
    path.chmod(0o640)
    owner, member, other = (
        User("owner", 12345, frozenset()),
        User("member", 1, frozenset({23456})),
        User("other", 1, frozenset()),
    )
    assert [obstacle(user, path, os.R_OK | os.W_OK) for user in (owner, member, other)] == [None, path, path]
    assert [obstacle(user, path, os.R_OK) for user in (owner, member, other)] == [None, None, path]
    folder.chmod(0o700)
    assert obstacle(owner, path, os.R_OK) == folder


@pytest.mark.services
def test_spamd_is_asked(hoptrail, write):
    with Spamd() as spamd:
        config = write(score={"spamd": f"unix:{spamd.socket}"})
        assert [finding["state"] for finding in findings(hoptrail, config)["spamd"]] == ["ok"]
    [finding] = findings(hoptrail, config)["spamd"]
    assert finding["state"] == "bad"
    assert "messages pass unscored" in finding["text"]


@pytest.mark.services
def test_spamd_is_asked_over_tcp(hoptrail, write):
    with Spamd(tcp=True) as spamd:
        found = findings(hoptrail, write(score={"spamd": f"inet:{spamd.port}@127.0.0.1"}))["spamd"]
    assert [finding["state"] for finding in found] == ["ok"]


@pytest.mark.services
def test_the_resolver_and_each_list_are_asked(hoptrail, write):
    lists = {"good.example.net": {}, "dead.example.net": {}}
    with (
        Rbldnsd(lists, untested=["dead.example.net"]) as rbldnsd,
        Unbound(stubs=dict.fromkeys(lists, rbldnsd.port)) as dns,
    ):
        zones = [f"{zone}=127.0.0.2" for zone in lists]
        config = write(lookups={"nameservers": [dns.address], "zones": zones})
        found = findings(hoptrail, config)
    assert [finding["state"] for finding in found["resolver"]] == ["ok"]
    states = {finding["text"].split()[0]: finding["state"] for finding in found["zones"]}
    assert states["good.example.net"] == "ok"
    assert states["dead.example.net"] == "bad"


def test_a_resolver_that_does_not_answer_is_bad(hoptrail, write):
    [finding] = findings(hoptrail, write(lookups={"nameservers": ["127.0.0.1@9"], "dns_timeout_s": 0.2}))["resolver"]
    assert finding["state"] == "bad"


@pytest.mark.services
@pytest.mark.parametrize(("field", "chrooted"), [("y", True), ("n", False), ("-", False)])
def test_postfix_is_asked_for_its_chroot_and_milters(tmp_path, monkeypatch, field, chrooted):
    monkeypatch.setenv("PATH", f"{unpacked(ROOT / 'usr/sbin')}:{os.environ['PATH']}")
    monkeypatch.setenv("LD_LIBRARY_PATH", f"{ROOT}/usr/lib/postfix")
    (tmp_path / "main.cf").write_text(
        "queue_directory = /var/spool/elsewhere\nsmtpd_milters = unix:a.sock\nmail_owner = nobody\n"
    )
    (tmp_path / "master.cf").write_text(f"smtp inet n - {field} - - smtpd\n")
    assert find_postfix(tmp_path) == Postfix("nobody", Path("/var/spool/elsewhere"), chrooted, "unix:a.sock")


@pytest.mark.parametrize(
    ("content", "mode", "state"),
    [(None, 0, "bad"), (b"short", 0o600, "bad"), (b"k" * 32, 0o604, "bad"), (b"k" * 32, 0o640, "ok")],
)
def test_key_of_the_hash_must_be_there_and_secret(hoptrail, write, content, mode, state):
    key = write().with_name("hash.key")
    if content:
        key.write_bytes(content)
        key.chmod(mode)
    config = write(
        store={"path": str(key.with_name("store.sqlite")), "hash_local_parts": "later", "hash_key_file": str(key)}
    )
    [finding] = findings(hoptrail, config)["privacy"]
    assert finding["state"] == state


@pytest.mark.parametrize(("mode", "state"), [(0o600, "ok"), (0o640, "bad"), (0o602, "bad")])
def test_token_of_the_review_page_is_its_users_alone(hoptrail, write, tmp_path, mode, state):
    token = tmp_path / "web.token"
    token.touch()
    token.chmod(mode)
    [finding] = findings(hoptrail, write(web={"token_file": str(token)}))["web"]
    assert (finding["state"], str(token) in finding["text"]) == (state, True)


def test_token_of_another_user_is_bad(hoptrail, write, folder):
    token = folder / "web.token"
    token.touch(0o600)
    os.chown(token, 12345, -1)
    [finding] = findings(hoptrail, write(web={"token_file": str(token)}), user="nobody")["web"]
    assert finding["mend"] == f"chown nobody {token}"


def test_page_that_was_never_started_is_no_finding(hoptrail, write, tmp_path):
    assert "web" not in findings(hoptrail, write(web={"token_file": f"{tmp_path}/web.token"}))


@pytest.mark.parametrize(
    ("filters", "mode", "states"),
    [
        ("", 0o755, ["warn"]),
        ("Xhoptrail, S=unix:{socket}, T=C:5s\n", 0o755, ["ok"]),
        ("Xhoptrail, S=local:{socket}, T=C:5s\n", 0o755, ["ok"]),
        ("Xhoptrail, S=unix:{socket}\n", 0o775, ["ok", "bad"]),  # Sendmail does not even start then
    ],
)
def test_sendmail_must_name_the_socket_and_take_its_place_for_safe(tmp_path, filters, mode, states):
    folder = tmp_path / "run"
    folder.mkdir()
    folder.chmod(mode)
    cf = tmp_path / "sendmail.cf"
    cf.write_text(filters.format(socket=folder / "milter.sock"), encoding="ascii")
    config = parse_config(f'[milter]\nsocket = "unix:{folder}/milter.sock"', "x")
    assert [finding.state for finding in check_sendmail(config, cf) if str(tmp_path) in finding.text] == states


def test_host_without_sendmail_is_not_asked_about_it(tmp_path):
    assert not list(check_sendmail(parse_config("", "x"), tmp_path / "absent"))
