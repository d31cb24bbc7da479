"""A program in the background that never outlives whoever started it."""

import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from pwd import getpwnam

from testbed.places import ROOT, TestbedError, tail, wait_for

BOUND = ["--pdeathsig", "KILL"]
SHOW_ROOT = 'mount --bind "$1" /mnt && shift && exec "$@"'


def as_user(user: str) -> list[str]:
    """The words before a program of `.testbed/root` that is to run as a user, for root to start.

    The program, and what it reads from there, is named below /mnt: a checkout below /root is closed to others.
    """
    identity = ["--reuid", user, "--regid", str(getpwnam(user).pw_gid), "--clear-groups"]
    return ["unshare", "--mount", "sh", "-c", SHOW_ROOT, "sh", str(ROOT), "setpriv", *identity, *BOUND]


class Service:
    """One running program, its output in a log file. The kernel kills it when the starting thread dies.

    It would not if the program itself gave up root: start it through `as_user` instead.
    """

    def __init__(self, argv: Sequence[str | Path], *, log: Path, env: Mapping[str, str] | None = None) -> None:
        self.name = Path(argv[0]).name
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                ["setpriv", *BOUND, *map(str, argv)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=None if env is None else {**os.environ, **env},
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def wait_until(self, ready: Callable[[], object], what: str, *, timeout_s: float = 30) -> None:
        """Return when `ready` says so; TestbedError when the program ends first or takes too long."""

        def ready_or_ended() -> object:
            if not self.running:
                raise TestbedError(f"{self.name} ended with {self._process.returncode}{tail(self.log)}")
            return ready()

        wait_for(ready_or_ended, what, log=self.log, timeout_s=timeout_s)

    def signal(self, number: int) -> None:
        """Send a signal to the program alone."""
        self._process.send_signal(number)

    def signal_all(self, number: int) -> None:
        """Send a signal to the program and to the children that stayed in its session."""
        os.killpg(self.pid, number)

    def stop(self, *, patience_s: float = 10) -> int:
        """End the program with SIGTERM, or with SIGKILL where that does not help; its exit code."""
        self._process.terminate()
        try:
            self._process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self.kill()
        self._sweep()
        return self._process.returncode

    def kill(self) -> None:
        """End the program and the children it left, at once."""
        self._process.kill()
        self._process.wait()
        self._sweep()

    def _sweep(self) -> None:
        """Children that stayed in the program's session go with it."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
