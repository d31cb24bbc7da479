"""The parent process: opens the socket, forks workers that share it, replaces what dies, obeys signals.

One more child, the recorder, stores what the workers append to the journal. The parent has one thread and stays small,
so that forking it is safe at any time. It never touches a message.
"""

import fcntl
import gc
import grp
import multiprocessing
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import chain
from multiprocessing.connection import Connection as Pipe
from operator import itemgetter
from pathlib import Path
from types import FrameType
from typing import Any, Final, TextIO

from hoptrail_milter import callbacks
from hoptrail_milter.endpoint import Endpoint, parse_endpoint
from hoptrail_milter.errors import MilterError
from hoptrail_milter.harvest import Harvest
from hoptrail_milter.log import Log, open_log
from hoptrail_milter.notify import notify, watchdog_interval_s
from hoptrail_milter.recording import keep_records
from hoptrail_milter.settings import DaemonSettings
from hoptrail_milter.shared import Shared
from hoptrail_milter.status import StatusServer
from hoptrail_milter.worker import Order, work

TICK_S: Final = 1.0
STEADY_S: Final = 2.0  # a worker that lived this long did not die of its start
PAUSE_MIN_S, PAUSE_MAX_S = 0.1, 5.0
STOP_MARGIN_S: Final = 5.0  # beyond the sessions' grace: to write what is left

_FIXED: Final = ("socket", "socket_mode", "socket_group", "status", "workers")  # made once, at the start
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


@dataclass(slots=True)
class _Child:
    """A process's place: what it is, who works there, and when the next one may begin if that one died."""

    name: str
    pid: int = 0
    orders: Pipe | None = None
    began_s: float = 0.0
    pause_s: float = 0.0
    due_s: float = 0.0


class Daemon:
    """The parent's state."""

    def __init__(self, settings: DaemonSettings, reload: Callable[[], DaemonSettings], log: Log) -> None:
        """Open the sockets; raises MilterError or OSError."""
        self._settings = settings
        self._reload = reload
        self._log = log
        self._began_s = time.time()
        self._restarts = 0
        self._shared = Shared(_worker_count(settings))
        self._counters = self._shared.parent()
        self._workers = [_Child(str(number)) for number in range(_worker_count(settings))]
        self._recorder = _Child("recorder")
        self._children = [*self._workers, self._recorder]
        self._selector = selectors.DefaultSelector()
        self._pending = self._watch_signals()
        self._where = parse_endpoint(settings.milter.socket)
        self._lock = _take_socket(self._where)
        self._listen()
        self._status = self._serve_status()

    def run(self) -> None:
        """Work until SIGTERM or SIGINT."""
        gc.collect()
        gc.freeze()  # what was imported stays shared between the processes
        self._start_due()
        notify("READY=1")
        self._log.info("ready", socket=self._where, workers=len(self._workers))
        interval_s = watchdog_interval_s()
        while True:
            for key, _ in self._selector.select(min(TICK_S, interval_s or TICK_S)):
                key.data()
            if not self._obey():
                break
            self._bury()
            self._start_due()
            if interval_s:
                notify("WATCHDOG=1")
        self._stop()

    def _watch_signals(self) -> set[int]:
        """Have signals wake the selector, and be noted in the set that is returned."""
        pending: set[int] = set()

        def note(number: int, _frame: FrameType | None) -> None:
            pending.add(number)

        reader, writer = socket.socketpair()
        reader.settimeout(0)
        writer.settimeout(0)
        signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        self._selector.register(reader, selectors.EVENT_READ, lambda: reader.recv(4096))
        self._wakeup = (reader, writer)
        for number in _SIGNALS:
            signal.signal(number, note)
        return pending

    def _listen(self) -> None:
        settings = self._settings.milter
        mask = os.umask(0o777 & ~int(settings.socket_mode, 8))
        try:
            callbacks.listen(self._where)
        except OSError as error:
            raise MilterError(str(error)) from error
        finally:
            os.umask(mask)
        if self._where.kind == "unix" and settings.socket_group:
            os.chown(self._where.path, -1, grp.getgrnam(settings.socket_group).gr_gid)
            Path(self._where.path).chmod(int(settings.socket_mode, 8))  # chown may have cleared bits

    def _serve_status(self) -> StatusServer | None:
        """Open the status socket. Without it the daemon works all the same: mail comes first."""
        if not self._settings.milter.status:
            return None
        try:
            server = StatusServer(parse_endpoint(self._settings.milter.status), self._report, self._shared.board.totals)
        except OSError as error:
            self._log.alert("no-status", socket=self._settings.milter.status, error=str(error))
            return None
        self._selector.register(server.socket, selectors.EVENT_READ, server.answer)
        return server

    def _report(self) -> dict[str, object]:
        workers = [{"pid": child.pid, "since": child.began_s} for child in self._workers]
        return {
            "since": self._began_s,
            "pid": os.getpid(),
            "workers": workers,
            "recorder": {"pid": self._recorder.pid, "since": self._recorder.began_s},
            "workers_replaced": self._restarts,
            "zones_paused": self._paused_zones(),
            "harvesters": self._harvesters(),
        }

    def _paused_zones(self) -> list[dict[str, Any]]:
        """Return the DNS lists that any worker leaves alone, each once with the latest end of its pause."""
        paused: dict[tuple[str, int], dict[str, Any]] = {}
        for zone in sorted(chain.from_iterable(self._shared.notes.read()), key=itemgetter("paused_until")):
            paused[zone["zone"], zone["version"]] = zone
        return list(paused.values())

    def _harvesters(self) -> list[dict[str, Any]]:
        settings = self._settings
        if settings.harvest.action == "off":
            return []
        worst = Harvest(settings.harvest, settings.site, self._shared.clients).worst()
        return [{"network": found.network} | asdict(found.recipients) for found in worst]

    def _obey(self) -> bool:
        """Follow the signals that came; False once it is time to end."""
        if self._pending & {signal.SIGTERM, signal.SIGINT}:
            return False
        if signal.SIGHUP in self._pending:
            self._pending.discard(signal.SIGHUP)
            self._change()
        return True

    def _change(self) -> None:
        """Read the configuration anew and hand it on; a bad one changes nothing."""
        try:
            settings = self._reload()
        except Exception as error:  # noqa: BLE001 - whatever a broken file does to its reader, the old one stays
            self._log.alert("reload-failed", error=str(error), kept="the configuration before")
            self._counters.add("reloads_failed")
            return
        if any(getattr(settings.milter, name) != getattr(self._settings.milter, name) for name in _FIXED):
            self._log.warning("needs-restart", options=",".join(_FIXED))
        self._settings = settings
        self._log = open_log(settings.milter)
        self._order(settings, self._children)
        self._counters.add("reloads")
        self._log.info("reloaded")

    def _order(self, order: Order, children: Sequence[_Child]) -> None:
        for child in children:
            if child.orders is not None:
                with suppress(OSError):  # it has just died, and its successor begins with these settings
                    child.orders.send(order)

    def _bury(self) -> None:
        """Note who died, and when a successor may begin."""
        self._pending.discard(signal.SIGCHLD)
        for child in self._children:
            ended, status = os.waitpid(child.pid, os.WNOHANG) if child.pid else (0, 0)
            if not ended:
                continue
            now = time.monotonic()
            lived_s = time.time() - child.began_s
            child.pause_s = 0.0 if lived_s > STEADY_S else min(max(child.pause_s * 2, PAUSE_MIN_S), PAUSE_MAX_S)
            child.due_s = now + child.pause_s
            code = os.waitstatus_to_exitcode(status)  # negative for a signal
            self._log.alert("worker-died", worker=child.name, pid=child.pid, code=code, lived_s=round(lived_s, 1))
            child.pid = 0
            self._restarts += 1

    def _start_due(self) -> None:
        for child in self._children:
            if not child.pid and child.due_s <= time.monotonic():
                self._start(child)

    def _start(self, child: _Child) -> None:
        if child.orders is not None:
            child.orders.close()
        theirs, child.orders = multiprocessing.Pipe(duplex=False)
        child.began_s = time.time()
        child.pid = os.fork()
        if child.pid == 0:
            self._become(child, theirs)
        theirs.close()

    def _become(self, child: _Child, orders: Pipe) -> None:
        """In the child: let go of what is the parent's, above all the pipes whose end tells that the parent died."""
        signal.set_wakeup_fd(-1)
        for sibling in self._children:
            if sibling.orders is not None:
                sibling.orders.close()
        if self._status is not None:
            self._status.socket.close()
        for end in self._wakeup:
            end.close()
        try:
            if child is self._recorder:
                keep_records(self._settings, self._shared.recorder(), self._log, orders)
            else:
                work(self._settings, self._shared.sit(int(child.name)), self._log, orders)
        finally:
            os._exit(1)

    def _stop(self) -> None:
        """Take no new connection, let the workers finish, have stored what they recorded, and be gone."""
        notify("STOPPING=1")
        self._log.info("stopping")
        if self._where.kind == "unix":
            Path(self._where.path).unlink(missing_ok=True)
        self._end(self._workers, self._settings.milter.stop_grace_s + STOP_MARGIN_S)
        self._end([self._recorder], STOP_MARGIN_S)
        if self._status is not None:
            self._status.close()
        self._log.info("stopped")

    def _end(self, children: Sequence[_Child], wait_s: float) -> None:
        """Tell children to stop, and end those that have not after `wait_s`."""
        self._order("stop", children)
        deadline = time.monotonic() + wait_s
        left = {child.pid for child in children if child.pid}
        while left and time.monotonic() < deadline:
            left = {pid for pid in left if not os.waitpid(pid, os.WNOHANG)[0]}
            time.sleep(0.02)
        for pid in left:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def run(settings: DaemonSettings, reload: Callable[[], DaemonSettings]) -> None:
    """Be the daemon until SIGTERM. `reload` reads the configuration anew on SIGHUP; if it raises, the old one stays.

    Raises MilterError where the daemon cannot start.
    """
    Daemon(settings, reload, open_log(settings.milter)).run()


def _worker_count(settings: DaemonSettings) -> int:
    return settings.milter.workers or len(os.sched_getaffinity(0))


def _take_socket(where: Endpoint) -> TextIO | None:
    """Make sure that no other daemon uses the unix socket, and remove what a dead one left; returns the lock.

    The lock is of the kind that forked children do not inherit: it ends with the parent, whatever ends that.
    """
    if where.kind != "unix":
        return None
    path = Path(where.path)
    if not path.parent.is_dir():
        raise MilterError(
            f"{path.parent} does not exist, where [milter] socket lies: make it, owned by the milter's account "
            f"(`install -d -o hoptrail -m 0750 {path.parent}`); `hoptrail doctor` says more"
        )
    try:
        lock = path.with_name(f"{path.name}.lock").open("w")
    except OSError as error:
        raise MilterError(
            f"{path.parent}, where [milter] socket lies, cannot be written by this account ({error.strerror}): "
            "give it the directory; `hoptrail doctor` says how"
        ) from error
    try:
        fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise MilterError(f"{where}: another Hoptrail daemon is running on this socket") from None
    if path.is_socket():
        path.unlink()
    return lock
