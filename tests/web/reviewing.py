"""The review page for tests: the real server on loopback, asked by a client that keeps to no rule or by Chromium."""

import http.client
import re
import signal
import subprocess
from urllib.parse import urlencode

from reports.abuse.abusedesk import HOPTRAIL
from testbed.browser import complaints

FORM = "application/x-www-form-urlencoded"


class Web:
    """A running `hoptrail web`; `ask` sends one request as it is told."""

    def __init__(self, desk, *options):
        self.desk = desk
        self.nights = desk.folder / "nights"
        self.token_file = desk.folder / "web.token"
        command = [HOPTRAIL, "web", "--config", self.config("127.0.0.1:0"), *(options or ["--link"])]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.said = self.process.stdout.readline()
        self.link = re.search(r"http://\S+", self.said)[0]
        self.port = int(re.search(r":(\d+)/", self.link)[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self.cookie = ""

    def config(self, listen):
        path = self.desk.config
        path.write_text(
            f'{path.read_text()}\n[reports]\ndirectory = "{self.nights}"\n'
            f'[web]\nlisten = "{listen}"\ntoken_file = "{self.token_file}"\n'
        )
        return path

    def ask(self, method, path, fields=None, **headers):
        """The answer; a header that is None is not sent."""
        body = fields if isinstance(fields, bytes) else urlencode(fields).encode() if fields is not None else None
        given = {"Host": f"127.0.0.1:{self.port}"} | ({"Cookie": self.cookie} if self.cookie else {})
        if body is not None:
            given |= {"Content-Type": FORM, "Origin": self.url, "Content-Length": str(len(body))}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.putrequest(method, path, skip_host=True)
            for name, value in given.items():
                if value is not None:
                    connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            answer.text = answer.read().decode()
            return answer
        finally:
            connection.close()

    def log_in(self):
        answer = self.ask("POST", "/login", {"token": self.token_file.read_text().strip()}, Cookie=None)
        assert answer.status == 303
        self.cookie = answer.headers["Set-Cookie"].partition(";")[0]
        return answer

    def keys(self, draft_id):
        """What the page's own forms carry."""
        text = self.ask("GET", f"/draft/{draft_id}").text
        return {name: re.search(rf'name="{name}" value="([^"]+)"', text)[1] for name in ("form_key", "seen")}

    def context(self, browser, **options):
        """A context of the browser that is logged in, with a list of what went wrong in it: `complaints`."""
        context = browser.new_context(base_url=self.url, **options)
        name, _, value = self.cookie.partition("=")
        context.add_cookies([{"name": name, "value": value, "url": self.url}])
        context.complaints = complaints(context)
        context.on("request", lambda sent: None if self._is_ours(sent) else context.complaints.append(sent.url))
        return context

    def _is_ours(self, sent):
        path = sent.url.removeprefix(self.url)
        wanted = sent.is_navigation_request() and path.startswith("/")
        return wanted or path in ("/static/desk.css", "/static/desk.js", "/static/icon.svg")

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.communicate(timeout=20)
