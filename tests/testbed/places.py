"""Where the unpacked programs lie, and what every private service needs: a folder, a port, patience."""

import os
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

TOP = Path(__file__).resolve().parents[2]
ROOT = TOP / ".testbed/root"  # Postfix, spamd, procmail, name servers, ...
SENDMAIL_ROOT = TOP / ".testbed/sendmail"
EXIM_ROOT = TOP / ".testbed/exim"

LOG_TAIL_LINES = 25

T = TypeVar("T")


class TestbedError(Exception):
    """A program is missing, did not start, or did not do in time what was waited for."""

    __test__ = False  # no test class, though pytest would take it for one


def unpacked(path: Path) -> Path:
    """The path again, if it is there; TestbedError, with the remedy, if not."""
    if not path.exists():
        raise TestbedError(f"{path} is not there: run `make setup`")
    return path


@contextmanager
def private_folder(name: str) -> Iterator[Path]:
    """A new folder that any user may enter, removed with all that is in it.

    It lies below /run: unix socket paths stay short, no parent is private to root (as pytest's own folders are), and
    none is writable by everybody, which Sendmail demands of a milter's socket. HOPTRAIL_RUN names another place.
    """
    folder = Path(tempfile.mkdtemp(prefix=f"hoptrail-{name}-", dir=os.environ.get("HOPTRAIL_RUN", "/run")))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def greets(port: int) -> bool:
    """Whether an SMTP server on the loopback port says 220."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as peer:
            return peer.recv(4) == b"220 "
    except OSError:
        return False


def listens(port: int) -> bool:
    """Whether the loopback port takes connections."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True


def wait_for(ready: Callable[[], T], what: str, *, log: Path | None = None, timeout_s: float = 30) -> T:
    """What `ready` returns as soon as that is true. TestbedError, with the log's end, when it is not in time."""
    deadline = time.monotonic() + timeout_s
    pause_s = 0.01
    while not (found := ready()):
        if time.monotonic() > deadline:
            raise TestbedError(f"waited {timeout_s:g} s for {what}{tail(log)}")
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.5, 0.2)
    return found


def tail(log: Path | None) -> str:
    """The last lines of a log, to end an error message with; empty where there is none."""
    if log is None or not log.exists():
        return ""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_TAIL_LINES:]
    return "\n".join([f"; {log.name} ends with:", *(f"    {line}" for line in lines)])
