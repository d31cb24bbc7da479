"""Serves the counters over HTTP, `/` as JSON and `/metrics` for Prometheus, and reads them for `hoptrail status`."""

import http.client
import json
import socket
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from hoptrail_milter.counters import COUNTERS, GAUGES, LATENCY_BOUNDS_S, Totals
from hoptrail_milter.endpoint import Endpoint

REQUEST_MAX_BYTES: Final = 4_096
CLIENT_WAIT_S: Final = 0.5  # the daemon's parent serves one reader at a time, and has little else to do
FETCH_WAIT_S: Final = 5.0
_UNIX_MODE = 0o660


class StatusServer:
    """The listening socket, to be watched by the daemon's own loop."""

    def __init__(self, where: Endpoint, report: Callable[[], dict[str, Any]], totals: Callable[[], Totals]) -> None:
        """Listen; raises OSError if that fails."""
        self._where = where
        self._report = report
        self._totals = totals
        if where.kind == "unix":
            Path(where.path).unlink(missing_ok=True)
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.bind(where.path)
            Path(where.path).chmod(_UNIX_MODE)
            self.socket.listen()
        else:
            family = socket.AF_INET6 if where.kind == "inet6" else socket.AF_INET
            self.socket = socket.create_server((where.host, where.port), family=family)
        self.socket.settimeout(0)

    def answer(self) -> None:
        """Answer the client that waits, whatever it sends."""
        try:
            client, _ = self.socket.accept()
        except OSError:
            return
        with client:
            client.settimeout(CLIENT_WAIT_S)
            try:
                request = client.recv(REQUEST_MAX_BYTES).split()
                client.sendall(self._response(request[1] if len(request) > 1 else b"/"))
            except OSError:
                return

    def close(self) -> None:
        """Stop listening and remove the socket's file."""
        self.socket.close()
        if self._where.kind == "unix":
            Path(self._where.path).unlink(missing_ok=True)

    def _response(self, path: bytes) -> bytes:
        if path == b"/metrics":
            kind, text = "text/plain; version=0.0.4", prometheus(self._totals(), self._report()["zones_paused"])
        else:
            kind, text = "application/json", json.dumps(self._report() | document(self._totals()))
        body = text.encode()
        return f"HTTP/1.0 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def document(totals: Totals) -> dict[str, object]:
    """Return the counters as `hoptrail status` shows them."""
    latency = [
        {"up_to_s": bound, "messages": count}
        for bound, count in zip((*LATENCY_BOUNDS_S, None), totals.latency, strict=True)
    ]
    return {"counters": dict(totals.values), "latency": latency, "latency_sum_s": totals.latency_sum_s}


def prometheus(totals: Totals, zones_paused: Sequence[Mapping[str, Any]] = ()) -> str:
    """Return the counters in Prometheus's text format."""
    lines = []
    for names, kind, suffix in ((COUNTERS, "counter", "_total"), (GAUGES, "gauge", "")):
        for name, text in names.items():
            metric = f"hoptrail_{name}{suffix}"
            lines += [f"# HELP {metric} {text}", f"# TYPE {metric} {kind}", f"{metric} {totals.values[name]}"]
    metric = "hoptrail_reply_seconds"
    lines += [f"# HELP {metric} seconds from the end of a message to the reply", f"# TYPE {metric} histogram"]
    below = 0
    for bound, count in zip((*LATENCY_BOUNDS_S, "+Inf"), totals.latency, strict=True):
        below += count
        lines.append(f'{metric}_bucket{{le="{bound}"}} {below}')
    lines += [f"{metric}_sum {totals.latency_sum_s}", f"{metric}_count {below}"]
    metric = "hoptrail_zone_paused"
    lines += [f"# HELP {metric} a DNS list that is left alone for one IP version", f"# TYPE {metric} gauge"]
    lines += [f'{metric}{{zone="{zone["zone"]}",version="{zone["version"]}"}} 1' for zone in zones_paused]
    return "\n".join(lines) + "\n"


def fetch(where: Endpoint) -> dict[str, Any]:
    """Return what a running daemon serves at `where`; raises OSError if none answers."""
    connection = http.client.HTTPConnection(where.host or "localhost", where.port or None, timeout=FETCH_WAIT_S)
    if where.kind == "unix":
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(FETCH_WAIT_S)
        connection.sock.connect(where.path)
    try:
        connection.request("GET", "/")
        answer: dict[str, Any] = json.loads(connection.getresponse().read())
    except (http.client.HTTPException, ValueError) as error:
        raise OSError(f"{where}: no Hoptrail daemon answers there: {error}") from error
    finally:
        connection.close()
    return answer
