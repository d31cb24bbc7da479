"""SMTP clients enough to keep an MTA busy: each sends one message a connection and notes how long the replies took."""

import asyncio
import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field


@dataclass
class Result:
    """What a burst came to. `replies_s` are the times from the end of each message to its reply."""

    seconds: float = 0.0
    accepted: int = 0
    refused: int = 0
    failed: int = 0
    replies_s: list[float] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        return self.accepted / self.seconds

    def percentile_ms(self, share: float) -> float:
        ordered = sorted(self.replies_s)
        return 1000 * ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else 0.0


class _Client(asyncio.Protocol):
    """One SMTP session, driven by the replies."""

    def __init__(self, recipient: bytes, message: bytes, result: Result, done: "asyncio.Future[None]") -> None:
        self._steps: Iterator[bytes] = iter(
            (
                b"HELO client.example.net\r\n",
                b"MAIL FROM:<sender@example.net>\r\n",
                b"RCPT TO:<" + recipient + b">\r\n",
                b"DATA\r\n",
                message,
                b"QUIT\r\n",
            )
        )
        self._message = message
        self._result = result
        self._done = done
        self._sent_at = 0.0
        self._expects_verdict = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if not data.endswith(b"\n"):
            return
        if self._expects_verdict:
            self._expects_verdict = False
            self._result.replies_s.append(time.perf_counter() - self._sent_at)
            self._result.accepted += data[:1] == b"2"
            self._result.failed += data[:1] != b"2"
            self._quit()
        elif data[:1] in b"45":
            self._result.refused += 1
            self._quit()
        else:
            step = next(self._steps)
            self._transport.write(step)
            if step is self._message:
                self._expects_verdict = True
                self._sent_at = time.perf_counter()

    def _quit(self) -> None:
        self._transport.write(b"QUIT\r\n")
        self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if self._expects_verdict or error is not None:
            self._result.failed += 1
        if not self._done.done():
            self._done.set_result(None)


def burst(
    port: int,
    message: Callable[[int], bytes],
    *,
    messages: int,
    sessions: int,
    recipient: Callable[[int], bytes] = lambda _number: b"alice@example.test",
) -> Result:
    """Send so many messages over so many sessions at a time, and return what became of them."""
    result = Result()
    numbers = itertools.count()

    async def client() -> None:
        loop = asyncio.get_running_loop()
        while (number := next(numbers)) < messages:
            done = loop.create_future()
            try:
                await loop.create_connection(
                    lambda n=number, d=done: _Client(recipient(n), message(n), result, d), "127.0.0.1", port
                )
            except OSError:
                result.failed += 1
                continue
            await done

    async def run() -> None:
        begun = time.perf_counter()
        await asyncio.gather(*(client() for _ in range(sessions)))
        result.seconds = time.perf_counter() - begun

    asyncio.run(run())
    return result
