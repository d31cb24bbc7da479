"""The review page under attack: the real server on loopback, asked by a client that keeps to no rule."""

import os
import re
import socket
import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from pwd import getpwnam

import pytest

from hoptrail_web.endpoint import check_listening
from reports.abuse.abusedesk import HOPTRAIL, AbuseDesk
from testbed.places import private_folder
from web.reviewing import Web


@pytest.fixture(scope="module")
def web(tmp_path_factory):
    """One server for all, logged in to, with drafts enough."""
    desk = AbuseDesk(tmp_path_factory.mktemp("desk"))
    sources = [f"12.0.0.{number}" for number in range(1, 40)]
    drafts = desk.drafts(*sources, contact=lambda ip: f"abuse@as{ip.rpartition('.')[2]}.example.com")
    running = Web(desk)
    running.log_in()
    _lay_links(running)
    running.drafts = iter(drafts)
    yield running
    running.end()


def _lay_links(web):
    outside = web.desk.folder / "outside"
    outside.mkdir()
    (outside / "secret.txt").write_text("secret")
    web.nights.mkdir()
    (web.nights / "link.txt").symlink_to(outside / "secret.txt")
    (web.nights / "linked").symlink_to(outside)


@pytest.fixture
def draft_id(web):
    """A draft that no other test decides about."""
    return next(web.drafts)


@pytest.fixture
def desk(tmp_path):
    return AbuseDesk(tmp_path)


def state(web, draft_id):
    return web.desk.draft(draft_id).state


def test_page_without_a_session_leads_to_the_login(web, draft_id):
    for path in ("/", f"/draft/{draft_id}", "/stats", "/nights/", "/nights/2026-01-01/index.html"):
        answer = web.ask("GET", path, Cookie=None)
        assert (answer.status, answer.headers["Location"]) == (303, "/login")


def test_session_is_a_cookie_no_script_and_no_site_can_use(web):
    cookie = web.log_in().headers["Set-Cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie


def test_token_file_is_the_owners_alone(web):
    assert stat.S_IMODE(web.token_file.stat().st_mode) == 0o600


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "10.0.0.1", "localhost@evil.example", ""])
def test_other_host_is_refused(web, host):
    assert web.ask("GET", "/", Host=host).status in (400, 421)


def test_every_answer_carries_the_security_headers(web):
    for answer in (web.ask("GET", "/"), web.ask("GET", "/nowhere"), web.ask("GET", "/", Host="evil.example")):
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["Referrer-Policy"] == "same-origin"
        assert "Server" not in answer.headers


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Origin": "http://["},
        {"Origin": None},
    ],
)
def test_form_of_another_site_changes_nothing(web, draft_id, headers):
    assert web.ask("POST", f"/draft/{draft_id}/approve", web.keys(draft_id), **headers).status == 403
    assert state(web, draft_id) == "draft"


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Origin": None}])
def test_login_from_another_site_is_refused(web, headers):
    fields = {"token": web.token_file.read_text().strip()}
    assert web.ask("POST", "/login", fields, **headers).status == 403


@pytest.mark.parametrize("headers", [{"Origin": None, "Sec_Fetch_Site": "same-origin"}, {}])
def test_form_of_the_page_itself_is_taken(web, draft_id, headers):
    assert web.ask("POST", f"/draft/{draft_id}/approve", web.keys(draft_id), **headers).status == 303
    assert state(web, draft_id) == "approved"


@pytest.mark.parametrize("form_key", ["", "0" * 64, "é"])
def test_form_without_its_key_changes_nothing(web, draft_id, form_key):
    fields = web.keys(draft_id) | {"form_key": form_key}
    assert web.ask("POST", f"/draft/{draft_id}/approve", fields).status == 403
    assert state(web, draft_id) == "draft"


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "TRACE"])
def test_other_method_than_post_decides_nothing(web, draft_id, method):
    assert web.ask(method, f"/draft/{draft_id}/approve").status in (404, 405)
    assert state(web, draft_id) == "draft"


@pytest.mark.parametrize("act", ["dismiss", "mute"])
def test_saying_no_without_a_reason_is_refused(web, draft_id, act):
    answer = web.ask("POST", f"/draft/{draft_id}/{act}", web.keys(draft_id) | {"own": " "})
    assert answer.status == 409
    assert "give a reason" in answer.text
    assert state(web, draft_id) == "draft"


def test_one_of_two_people_who_decide_at_once_is_told_to_look_again(web, draft_id):
    fields = web.keys(draft_id)
    acts = {"approve": fields, "dismiss": fields | {"own": "ours"}}
    with ThreadPoolExecutor() as people:
        done = [people.submit(web.ask, "POST", f"/draft/{draft_id}/{act}", sent) for act, sent in acts.items()]
    found = dict(zip(["approved", "dismissed"], (answer.result().status for answer in done), strict=True))
    assert sorted(found.values()) == [303, 409]
    assert found[state(web, draft_id)] == 303


def test_decision_on_a_draft_that_somebody_changed_is_refused(web, draft_id):
    fields = web.keys(draft_id)
    web.desk.run("dismiss", draft_id, "--reason", "ours")
    answer = web.ask("POST", f"/draft/{draft_id}/approve", fields)
    assert answer.status == 409
    assert "look at it again" in answer.text
    assert state(web, draft_id) == "dismissed"


@pytest.mark.parametrize("path", ["", "/message.txt"])
def test_form_that_is_none_is_the_drafts_own(web, draft_id, path):
    found = web.ask("GET", f"/draft/{draft_id}{path}?form=../../x")
    assert (found.status, "[Hoptrail (12.0.0." in found.text) == (200, True)


def test_long_body_is_refused_and_the_server_goes_on(web):
    assert web.ask("POST", "/login", b"", Content_Length="10485760").status == 413
    assert web.ask("GET", "/").status == 200


@pytest.mark.parametrize(
    "path",
    ["../web.token", "%2e%2e/web.token", "..%2fweb.token", "link.txt", "linked/secret.txt", "/etc/passwd", "a%00.txt"],
)
def test_path_out_of_the_nights_is_not_there(web, path):
    assert web.ask("GET", f"/nights/{path}").status == 404


def test_link_opens_one_session_and_the_log_tells_no_secret(desk):
    [draft_id] = desk.drafts("12.0.0.1")
    web = Web(desk)
    key = web.link.partition("key=")[2]
    web.cookie = web.ask("GET", f"/login?key={key}").headers["Set-Cookie"].partition(";")[0]
    assert web.ask("POST", f"/draft/{draft_id}/approve", web.keys(draft_id)).status == 303
    assert web.ask("GET", f"/login?key={key}").status == 403
    guesses = [web.ask("POST", "/login", {"token": f"guess{number}"}).status for number in range(8)]
    assert (guesses[0], guesses[-1]) == (403, 429)

    out, log = web.end()
    token = web.token_file.read_text().strip()
    for secret in (token, key, "guess1", web.cookie.partition("=")[2]):
        assert secret not in log
        assert secret not in out
    assert f"POST /draft/{draft_id}/approve 303" in log
    assert "GET /login 403" in log


def test_no_link_is_printed_where_no_terminal_shows_it(desk):
    web = Web(desk, "--listen", "127.0.0.1:0")
    web.end()
    assert "key=" not in web.said
    assert str(web.token_file) in web.said


def start(config, code):
    """The command where it cannot start; what it says."""
    command = [HOPTRAIL, "web", "--config", config]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == code
    return done.stderr


@pytest.mark.parametrize("listen", ["0.0.0.0:8425", "192.0.2.1:8425", "[::]:8425", "mail.example.org:80"])
def test_address_that_others_reach_is_refused(listen):
    with pytest.raises(ValueError, match="this host only"):
        check_listening(listen)


def test_refused_address_is_said_with_its_option(desk):
    config = desk.config
    config.write_text(f'{config.read_text()}\n[web]\nlisten = "0.0.0.0:8425"\n')
    assert "this host only" in start(config, 2)


def test_taken_port_is_said(web):
    assert str(web.port) in start(web.config(f"127.0.0.1:{web.port}"), 1)


def test_token_that_others_may_read_is_refused(web):
    loose = web.desk.folder / "loose.token"
    loose.write_text("x" * 43)
    config = web.config("127.0.0.1:0")
    config.write_text(config.read_text().replace("web.token", loose.name))
    assert f"chmod 600 {loose}" in start(config, 1)


def test_page_started_by_root_is_its_folders_owners():
    with private_folder("web") as folder:
        desk = AbuseDesk(folder)
        desk.drafts("12.0.0.1")
        owner = getpwnam("daemon").pw_uid if os.geteuid() == 0 else os.geteuid()
        for path in (folder, *folder.iterdir()):
            os.chown(path, owner, -1)
        web = Web(desk)
        status = Path(f"/proc/{web.process.pid}/status").read_text()
        web.end()
        assert re.search(r"^Uid:\s+(\d+)", status, re.MULTILINE)[1] == str(owner)
        assert web.token_file.stat().st_uid == owner


def test_unix_socket_is_its_owners_and_groups_and_goes_with_the_server(desk):
    path = desk.folder / "web.sock"
    command = [HOPTRAIL, "web", "--config", desk.config, "--listen", f"unix:{path}", "--link"]
    desk.config.write_text(f'{desk.config.read_text()}\n[web]\ntoken_file = "{desk.folder}/web.token"\n')
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as running:
        assert running.stdout.readline().startswith("Review at http://localhost/login?key=")
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        with socket.socket(socket.AF_UNIX) as asking:
            asking.connect(str(path))
            asking.sendall(b"GET /login HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert asking.recv(100).startswith(b"HTTP/1.1 200 ")
        running.terminate()
    assert not path.exists()
