"""The lock beside the store: shared by those who write rows, exclusive for who makes, migrates or replaces the file.

SQLite's own locks live in the file, so they cannot guard against the file itself being moved.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hoptrail_store.errors import BusyStoreError, UnavailableStoreError, store_error
from hoptrail_store.ownership import open_owned

_POLL_S = 0.005  # only ever waited for while another process makes, migrates or replaces the file


class FileLock:
    """An advisory lock on `path`.lock. It vanishes with the process that holds it."""

    def __init__(self, path: Path) -> None:
        """Open the lock's file, made where it is absent; raises StoreError."""
        self._path = path
        try:
            self._descriptor = open_owned(Path(f"{path}.lock"))
        except FileNotFoundError:
            raise UnavailableStoreError(
                f"{path}: there is no folder {path.parent}: `hoptrail doctor` says how to make it"
            ) from None
        except OSError as error:
            raise store_error(path, error) from error

    def close(self) -> None:
        """Give the lock's file back."""
        os.close(self._descriptor)

    @contextmanager
    def shared(self, wait_s: float) -> Iterator[None]:
        """Hold the lock together with others; raises BusyStoreError after `wait_s`."""
        with self._held(fcntl.LOCK_SH, wait_s):
            yield

    @contextmanager
    def exclusive(self, wait_s: float) -> Iterator[None]:
        """Hold the lock alone; raises BusyStoreError after `wait_s`."""
        with self._held(fcntl.LOCK_EX, wait_s):
            yield

    @contextmanager
    def _held(self, mode: int, wait_s: float) -> Iterator[None]:
        deadline = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(self._descriptor, mode | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise BusyStoreError(f"{self._path}: another process is making or replacing it") from None
                time.sleep(_POLL_S)
        try:
            yield
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
