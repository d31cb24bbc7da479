"""Asks spamd for a message's score, within limits of time, size and number, and leaves it alone while it fails.

Every way of not having a score is a code of docs/headers.md; nothing here raises.
"""

import asyncio
import math
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from aiospamc.client import Client
from aiospamc.connections import ConnectionManager, TcpConnectionManager, UnixConnectionManager
from aiospamc.exceptions import AIOSpamcConnectionFailed
from aiospamc.header_values import Headers
from aiospamc.requests import Request
from aiospamc.responses import Response

from hoptrail_milter.breaker import Breaker
from hoptrail_milter.endpoint import parse_endpoint
from hoptrail_milter.settings import ScoreSettings
from hoptrail_store.records import Score
from hoptrail_tracer.sitematch import host_list

ANSWER_MAX_BYTES: Final = 65_536  # SYMBOLS answers with a list of names: a few hundred bytes
RULES_MAX: Final = 256
RULE_MAX_CHARS: Final = 64


class Scorer:
    """One Client for the process: building one costs 50 ms of CPU, a request through it 1 ms. Lives on one loop."""

    def __init__(self, settings: ScoreSettings, clock: Callable[[], float] = time.monotonic) -> None:
        """Connect to nothing yet; a spamd that is not there shows with the first message."""
        self._settings = settings
        self._client = Client(_Exchange(_connection(settings)))
        self._breaker = Breaker(settings.breaker_failures, settings.breaker_pause_s, clock)
        self._turn = asyncio.Semaphore(settings.concurrency)
        self._waiting = 0
        self._skip = host_list((*settings.skip_networks, *settings.skip_hosts))

    @property
    def is_open(self) -> bool:
        """Whether spamd is being left alone."""
        return self._breaker.is_open

    @property
    def waiting(self) -> int:
        """How many messages wait for their turn at spamd."""
        return self._waiting

    def skip_reason(self, *, ip: str | None, name: str | None, authenticated: bool, size_bytes: int) -> str | None:
        """Return why a message is not to be scored, as a code, or None. `name` is the client's confirmed one."""
        if authenticated:
            return "authenticated"
        if self._skip.has(ip, name):
            return "trusted"
        return "size" if size_bytes > self._settings.max_bytes else None

    async def score(self, message: bytes, user: str | None = None) -> Score:
        """Return spamd's word on a whole message (CRLF line ends), or why there is none."""
        if not self._breaker.allows():
            return Score(unscored="breaker")
        if self._turn.locked() and self._waiting >= self._settings.max_waiting:
            return Score(unscored="busy")
        deadline = asyncio.get_running_loop().time() + self._settings.timeout_s
        self._waiting += 1
        try:
            async with asyncio.timeout_at(deadline):
                await self._turn.acquire()
        except TimeoutError:
            return Score(unscored="busy")
        finally:
            self._waiting -= 1
        try:
            return await self._ask(message, user, deadline)
        finally:
            self._turn.release()

    async def _ask(self, message: bytes, user: str | None, deadline: float) -> Score:
        headers = Headers()
        if user:
            headers.user = user
        try:
            async with asyncio.timeout_at(deadline):
                response = await self._client.request(Request("SYMBOLS", headers=headers, body=message))
            score = _read(response)
        except TimeoutError:
            score = Score(unscored="timeout")
        except AIOSpamcConnectionFailed:
            score = Score(unscored="unavailable")
        except Exception:  # noqa: BLE001 - aiospamc's answers to malformed replies share no root
            score = Score(unscored="error")
        if score.unscored:
            self._breaker.failed()
        else:
            self._breaker.succeeded()
        return score


def user_for(settings: ScoreSettings, recipients: tuple[str, ...]) -> str | None:
    """Return whose preferences spamd is to use: only one recipient's, and only a name that fits its protocol."""
    if not settings.user or len(recipients) != 1:
        return None
    name = recipients[0] if settings.user == "recipient" else recipients[0].rpartition("@")[0]
    return name if name and name.isascii() and name.isprintable() and " " not in name else None


def _read(response: Response) -> Score:
    """Return the score of an answer to SYMBOLS; raises ValueError where it holds none."""
    spam = response.headers.spam
    if spam is None or not (math.isfinite(spam.score) and math.isfinite(spam.threshold)):
        raise ValueError("spamd's answer has no score")
    rules = (rule.strip()[:RULE_MAX_CHARS] for rule in response.body.decode("ascii", "replace").split(","))
    return Score(points=spam.score, required=spam.threshold, rules=tuple(filter(None, rules))[:RULES_MAX])


class _Exchange:
    """One request a connection, as spamd wants it: the answer bounded, the connection closed whatever happens.

    Stands where Client expects a ConnectionManager: aiospamc's own exchange leaves the connection open when it is
    cancelled, which is what a time limit does.
    """

    def __init__(self, manager: ConnectionManager) -> None:
        self._manager = manager

    async def request(self, data: bytes) -> bytes:
        """Return all that spamd answers to `data`."""
        reader, writer = await self._manager.open()
        answer = b""
        try:
            writer.write(data)
            if writer.can_write_eof():
                writer.write_eof()
            while len(answer) < ANSWER_MAX_BYTES and (piece := await reader.read(ANSWER_MAX_BYTES)):
                answer += piece
        except OSError as error:
            raise AIOSpamcConnectionFailed from error
        finally:
            writer.transport.abort()
        if not answer:
            raise AIOSpamcConnectionFailed("spamd hung up without an answer")
        return answer


def _connection(settings: ScoreSettings) -> ConnectionManager:
    where = parse_endpoint(settings.spamd)
    if where.kind == "unix":
        return UnixConnectionManager(Path(where.path))
    tls = ssl.create_default_context(cafile=settings.tls_ca or None) if where.kind == "tls" else None
    return TcpConnectionManager(where.host, where.port, tls)
