"""One line a request: what was asked for and how it ended. Never the query, which may hold a key, nor what was sent."""

import logging
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hoptrail_tracer.printable import printable

LOG = logging.getLogger("hoptrail.web")
_PATH_MAX = 200


class RequestLog:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp) -> None:
        """Stand before `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, and note it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, started = 500, time.monotonic()

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            took_ms = (time.monotonic() - started) * 1000
            LOG.info("%s %s %d %.0f ms", scope["method"], printable(scope["path"][:_PATH_MAX]), status, took_ms)
