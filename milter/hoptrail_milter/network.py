"""The one asyncio loop of a worker process, on a thread of its own: everything that waits for the network runs here."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import Future
from threading import Thread
from typing import Any, TypeVar

Answer = TypeVar("Answer")


class NetworkLoop:
    """Runs coroutines for callers on any thread."""

    def __init__(self) -> None:
        """Start the loop's thread. To be called after the fork, since threads do not survive one."""
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._run, name="network", daemon=True)
        self._thread.start()

    def submit(self, coroutine: Coroutine[Any, Any, Answer]) -> Future[Answer]:
        """Start `coroutine` on the loop and return what its caller waits for; cancelling that cancels it."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def close(self) -> None:
        """Cancel what still runs and end the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            tasks = asyncio.all_tasks(self._loop)
            for task in tasks:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            self._loop.close()
