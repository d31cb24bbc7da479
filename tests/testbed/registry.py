"""Registries on loopback: an RDAP server and a whois server with answers in the shapes of the five real ones.

The samples in `registry/` keep each registry's way of nesting, naming and leaving out; names and addresses in them
are reserved for documentation. Both servers can also behave as no honest one does.
"""

import contextlib
import ipaddress
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from types import TracebackType
from typing import Any, Self

SAMPLES = Path(__file__).with_name("registry")

MISBEHAVIOUR_S = 20  # how long a hostile answer goes on at most, so that no thread outlives its test by much


def sample(name: str) -> bytes:
    """One registry's answer: "ripe.json", "arin.txt", ..."""
    return (SAMPLES / name).read_bytes()


def samples_by_range() -> Iterator[tuple[str, Any, Any]]:
    """(name, first address, last address) of each RDAP sample."""
    for path in sorted(SAMPLES.glob("*.json")):
        answer = json.loads(path.read_bytes())
        bounds = [answer[key].partition("/")[0] for key in ("startAddress", "endAddress")]
        first, last = (
            ".".join(str(int(octet)) for octet in text.split(".")) if "." in text else text for text in bounds
        )
        yield path.stem, ipaddress.ip_address(first), ipaddress.ip_address(last)


def sample_about(ip: str) -> str | None:
    """The name of the sample whose network holds the address."""
    address = ipaddress.ip_address(ip)
    for name, first, last in samples_by_range():
        if first.version == address.version and first <= address <= last:
            return name
    return None


@dataclass(frozen=True)
class Reply:
    """What a server says instead of the sample. `drip_s` is the pause after each byte; `endless` repeats the body."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)
    drip_s: float = 0
    endless: bool = False


def redirect(location: str) -> Reply:
    """A reply that sends the client elsewhere."""
    return Reply(302, b"", {"Location": location})


def write_reply(reply: Reply, write: Callable[[bytes], object]) -> None:
    """Write the body in the way the reply wants, until it is done or the client has gone."""
    end = time.monotonic() + MISBEHAVIOUR_S
    with contextlib.suppress(OSError):
        if reply.drip_s:
            for byte in reply.body:
                write(bytes([byte]))
                time.sleep(reply.drip_s)
        else:
            write(reply.body)
        while reply.endless and time.monotonic() < end:
            write(reply.body)


class _Running:
    """A threading server on a port of its own, while the context is open."""

    server: ThreadingTCPServer

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()

    @property
    def port(self) -> int:
        return int(self.server.server_address[1])


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False


class RdapServer(_Running):
    """Answers /ip/ADDRESS with the sample about the address, or 404, or with what `replies` holds for the path.

    `requests` lists (path, headers) of every request. `base` is what `rdap_test_servers` wants.
    """

    def __init__(self, replies: Mapping[str, Reply] | None = None) -> None:
        self.replies = dict(replies or {})
        self.requests: list[tuple[str, dict[str, str]]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
                outer._answer(self)

            def log_message(self, *_: object) -> None:
                """Keep the tests' output to the tests."""

        self.server = _HttpServer(("127.0.0.1", 0), Handler)

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        reply = self.replies.get(handler.path) or self._sample(handler.path)
        handler.send_response(reply.status)
        for name, value in reply.headers.items():
            handler.send_header(name, value)
        if not reply.endless:
            handler.send_header("Content-Length", str(len(reply.body)))
        handler.end_headers()
        write_reply(reply, handler.wfile.write)

    def _sample(self, path: str) -> Reply:
        try:
            name = sample_about(path.removeprefix("/ip/"))
        except ValueError:
            return Reply(400)
        if name is None:
            return Reply(404)
        return Reply(200, sample(f"{name}.json"), {"Content-Type": "application/rdap+json"})


class _WhoisListener(ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True


class WhoisServer(_Running):
    """Answers with the sample about the address in the question, or with what `replies` holds for that address.

    `questions` lists every line asked. `address` is what `whois_test_server` wants.
    """

    def __init__(self, replies: Mapping[str, Reply] | None = None) -> None:
        self.replies = dict(replies or {})
        self.questions: list[str] = []
        outer = self

        class Handler(StreamRequestHandler):
            def handle(self) -> None:
                question = self.rfile.readline(512).decode("ascii", "replace").strip()
                outer.questions.append(question)
                write_reply(outer._reply(question), self.wfile.write)
                with contextlib.suppress(OSError):
                    self.connection.shutdown(socket.SHUT_WR)

        self.server = _WhoisListener(("127.0.0.1", 0), Handler)

    @property
    def address(self) -> str:
        return f"127.0.0.1@{self.port}"

    def _reply(self, question: str) -> Reply:
        ip = question.rsplit(maxsplit=1)[-1] if question else ""
        if ip in self.replies:
            return self.replies[ip]
        try:
            name = sample_about(ip)
        except ValueError:
            name = None
        path = SAMPLES / f"{name}.txt"
        return Reply(body=path.read_bytes() if path.exists() else b"% No entries found\r\n")
