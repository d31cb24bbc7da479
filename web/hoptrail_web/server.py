"""`hoptrail web`: the page on its socket until somebody ends it."""

import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import uvicorn

from hoptrail_web.access import Access, read_token
from hoptrail_web.app import Pages
from hoptrail_web.desk import Desk
from hoptrail_web.endpoint import listen, parse_endpoint
from hoptrail_web.settings import WebSettings

_CONNECTIONS = 64
_STOP_S = 5


def run(settings: WebSettings, desk: Desk, reports: Path, announce: Callable[[str], None], *, link: bool) -> None:
    """Show the page until SIGTERM or SIGINT; `announce` is told where, with a `link` that logs in once if asked for.

    Raises WebError where the place is taken or the token cannot be read.
    """
    signal.signal(signal.SIGTERM, _end)
    access = Access(read_token(Path(settings.token_file)), settings.session_hours * 3600, time.time)
    endpoint = parse_endpoint(settings.listen)
    with listen(endpoint) as sock:
        config = uvicorn.Config(
            Pages(settings, desk, reports, access).app(),
            access_log=False,  # it would show the key of the link; ours does not
            log_config=None,
            server_header=False,
            proxy_headers=False,
            lifespan="off",
            limit_concurrency=_CONNECTIONS,
            timeout_graceful_shutdown=_STOP_S,
            h11_max_incomplete_event_size=16_384,
        )
        announce(_reachable(endpoint.url, sock) + (f"login?key={access.link_key()}" if link else ""))
        try:
            uvicorn.Server(config).run(sockets=[sock])
        finally:
            if endpoint.path:
                Path(endpoint.path).unlink(missing_ok=True)


def _end(*_: object) -> None:
    """End as on any other way out: uvicorn, once it is done, raises the signal again, whose default would kill."""
    raise SystemExit


def _reachable(url: str, sock: socket.socket) -> str:
    """The URL with the port that the socket really has: 0 asks for any that is free."""
    if sock.family == socket.AF_UNIX:
        return url
    return f"{url.rpartition(':')[0]}:{sock.getsockname()[1]}/"
