"""The review page under attack: the real server on loopback, asked by a client that keeps to no rule."""

import http.client
import re
import signal
import stat
import subprocess
from urllib.parse import urlencode

import pytest

from reports.abuse.abusedesk import HOPTRAIL, AbuseDesk

pytestmark = pytest.mark.long  # a server of its own for each

IP = "12.0.0.1"
FORM = "application/x-www-form-urlencoded"


class Web:
    """A running `hoptrail web`; `ask` sends one request as it is told."""

    def __init__(self, desk):
        self.desk = desk
        config = desk.config
        config.write_text(
            f'{config.read_text()}\n[reports]\ndirectory = "{desk.folder}/nights"\n'
            f'[web]\nlisten = "127.0.0.1:0"\ntoken_file = "{desk.folder}/web.token"\n'
        )
        command = [HOPTRAIL, "web", "--config", config]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.link = self.process.stdout.readline().rpartition(" ")[2].strip()
        self.port = int(re.search(r":(\d+)/", self.link)[1])
        self.cookie = ""

    def ask(self, method, path, fields=None, **headers):
        body = fields if isinstance(fields, bytes) else urlencode(fields).encode() if fields is not None else None
        given = {"Host": f"127.0.0.1:{self.port}"} | ({"Cookie": self.cookie} if self.cookie else {})
        if body is not None:
            given |= {"Content-Type": FORM, "Origin": f"http://127.0.0.1:{self.port}"}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.putrequest(method, path, skip_host=True)
            for name, value in given.items():
                connection.putheader(name, value)
            if body is not None and "Content-Length" not in given:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            answer.text = answer.read().decode()
            return answer
        finally:
            connection.close()

    def log_in(self):
        answer = self.ask("GET", self.link.partition(str(self.port))[2])
        assert answer.status == 303
        self.cookie = answer.headers["Set-Cookie"].partition(";")[0]
        return answer

    def keys(self, draft_id):
        """What the page's own form carries."""
        text = self.ask("GET", f"/draft/{draft_id}").text
        return {name: re.search(rf'name="{name}" value="([^"]+)"', text)[1] for name in ("form_key", "seen")}

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.communicate(timeout=20)


@pytest.fixture
def desk(tmp_path):
    return AbuseDesk(tmp_path)


@pytest.fixture
def draft_id(desk):
    return desk.drafts(IP)[0]


@pytest.fixture
def web(desk, draft_id):
    del draft_id
    running = Web(desk)
    yield running
    running.end()


def test_page_without_a_session_leads_to_the_login(web, draft_id):
    for path in ("/", f"/draft/{draft_id}", "/stats", "/nights/", "/nights/2026-01-01/index.html"):
        answer = web.ask("GET", path)
        assert (answer.status, answer.headers["Location"]) == (303, "/login")


def test_link_logs_in_once_with_a_cookie_no_script_and_no_site_can_use(web):
    cookie = web.log_in().headers["Set-Cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert web.ask("GET", web.link.partition(str(web.port))[2]).status == 403


def test_token_file_is_the_owners_alone_and_opens_the_page(web):
    path = web.desk.folder / "web.token"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert web.ask("POST", "/login", {"token": path.read_text().strip()}).status == 303


def test_wrong_tokens_are_soon_not_even_looked_at(web):
    found = [web.ask("POST", "/login", {"token": f"guess{number}"}).status for number in range(8)]
    assert (found[0], found[-1]) == (403, 429)


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "10.0.0.1", "localhost@evil.example", ""])
def test_other_host_is_refused(web, host):
    web.log_in()
    assert web.ask("GET", "/", Host=host).status in (400, 421)


def test_every_answer_carries_the_security_headers(web):
    web.log_in()
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
    ],
)
def test_form_of_another_site_changes_nothing(web, draft_id, headers):
    web.log_in()
    assert web.ask("POST", f"/draft/{draft_id}/approve", web.keys(draft_id), **headers).status == 403
    assert web.desk.states() == {draft_id: "draft"}


@pytest.mark.parametrize("form_key", ["", "0" * 64, "é"])
def test_form_without_its_key_changes_nothing(web, draft_id, form_key):
    web.log_in()
    fields = web.keys(draft_id) | {"form_key": form_key}
    assert web.ask("POST", f"/draft/{draft_id}/approve", fields).status == 403
    assert web.desk.states() == {draft_id: "draft"}


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "TRACE"])
def test_other_method_than_post_decides_nothing(web, draft_id, method):
    web.log_in()
    assert web.ask(method, f"/draft/{draft_id}/approve").status in (404, 405)
    assert web.desk.states() == {draft_id: "draft"}


def test_approval_with_its_key_is_made(web, draft_id):
    web.log_in()
    assert web.ask("POST", f"/draft/{draft_id}/approve", web.keys(draft_id)).status == 303
    assert web.desk.states() == {draft_id: "approved"}


def test_decision_on_a_draft_that_somebody_changed_is_refused(web, draft_id):
    web.log_in()
    fields = web.keys(draft_id)
    web.desk.run("dismiss", draft_id, "--reason", "ours")
    answer = web.ask("POST", f"/draft/{draft_id}/approve", fields)
    assert answer.status == 409
    assert "look at it again" in answer.text
    assert web.desk.states() == {draft_id: "dismissed"}


def test_long_body_is_refused_and_the_server_goes_on(web):
    web.log_in()
    assert web.ask("POST", "/login", b"", Content_Length="10485760").status == 413
    assert web.ask("GET", "/").status == 200


@pytest.mark.parametrize(
    "path",
    ["../web.token", "%2e%2e/web.token", "..%2fweb.token", "link.txt", "linked/secret.txt", "/etc/passwd", "a%00.txt"],
)
def test_path_out_of_the_nights_is_not_there(web, path):
    nights = web.desk.folder / "nights"
    nights.mkdir()
    (web.desk.folder / "outside").mkdir()
    (web.desk.folder / "outside/secret.txt").write_text("secret")
    (nights / "link.txt").symlink_to(web.desk.folder / "outside/secret.txt")
    (nights / "linked").symlink_to(web.desk.folder / "outside")
    web.log_in()
    assert web.ask("GET", f"/nights/{path}").status == 404


def test_log_holds_no_secret_and_sigterm_ends_the_server(desk, draft_id):
    web = Web(desk)
    web.log_in()
    web.ask("POST", f"/draft/{draft_id}/approve", web.keys(draft_id))
    out, log = web.end()
    token = (desk.folder / "web.token").read_text().strip()
    key = web.link.partition("key=")[2]
    for secret in (token, key, web.cookie.partition("=")[2]):
        assert secret not in log
        assert token not in out


@pytest.mark.parametrize("listen", ["0.0.0.0:8425", "192.0.2.1:8425", "[::]:8425", "mail.example.org:80"])
def test_address_that_others_reach_is_refused(desk, listen):
    config = desk.config
    config.write_text(f'{config.read_text()}\n[web]\nlisten = "{listen}"\n')
    done = subprocess.run(
        [HOPTRAIL, "web", "--config", config], capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 2
    assert "this host only" in done.stderr


def test_taken_port_is_said(web):
    config = web.desk.config
    config.write_text(
        f'{config.read_text()}\n[web]\nlisten = "127.0.0.1:{web.port}"\ntoken_file = "{web.desk.folder}/web.token"\n'
    )
    done = subprocess.run(
        [HOPTRAIL, "web", "--config", config], capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 1
    assert str(web.port) in done.stderr
