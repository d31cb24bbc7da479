"""What every request passes: whose name it asks for, where it came from, how long it is; and what every answer says."""

from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
BODY_MAX_BYTES = 64 * 1024
"""A note has 2,000 characters; nothing longer is ever sent by a form of ours."""

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
_READING = frozenset({"GET", "HEAD"})
_ANSWER_SAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # `no-referrer` would make browsers hide the origin of our own forms
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}


class Guard:
    """ASGI middleware. `hosts` are names besides this host's own under which a proxy shows the page."""

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        """Stand before `app`."""
        self._app = app
        self._hosts = _LOOPBACK | {host.lower() for host in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def say(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _ANSWER_SAYS.items():
                    headers[name] = value
                headers.setdefault("Content-Security-Policy", POLICY)
            await send(message)

        refusal = self._refusal(scope["method"], Headers(scope=scope))
        if refusal is None:
            await self._app(scope, _Bounded(receive), say)
        else:
            await refusal(scope, receive, say)

    def _refusal(self, method: str, headers: Headers) -> PlainTextResponse | None:
        host = headers.get("host", "").lower()
        if _without_port(host) not in self._hosts:  # a page elsewhere whose name was made to lead here
            return PlainTextResponse("This name is none of the page's: see [web] hosts.\n", 421)
        if method not in _READING:
            if method != "POST":
                return PlainTextResponse("Only GET, HEAD and POST.\n", 405, {"Allow": "GET, HEAD, POST"})
            if not _is_own(headers, host):
                return PlainTextResponse("This form was sent by another site.\n", 403)
            if not headers.get("content-length", "").isdigit():
                return PlainTextResponse("The length of the form is missing.\n", 411)
            if int(headers["content-length"]) > BODY_MAX_BYTES:
                return PlainTextResponse(f"A form has at most {BODY_MAX_BYTES} bytes.\n", 413)
        return None


class _Bounded:
    """The body of a request, ended where it is longer than it said."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._taken = 0

    async def __call__(self) -> Message:
        message = await self._receive()
        self._taken += len(message.get("body", b""))
        return {"type": "http.disconnect"} if self._taken > BODY_MAX_BYTES else message


def _is_own(headers: Headers, host: str) -> bool:
    """Whether our own page sent a form, as the browser says: each sends one of the two. The form's key decides then."""
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is None and origin is None:
        return False
    if site not in {None, "same-origin", "none"}:
        return False
    return origin is None or origin.lower() in {f"http://{host}", f"https://{host}"}


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() else host
