"""A private Hoptrail daemon, `with running_daemon() as daemon: ...`, and mail to send past it."""

import os
import pickle
import signal
import smtplib
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from hoptrail_milter.endpoint import parse_endpoint
from hoptrail_milter.settings import DaemonSettings, HarvestSettings, MilterSettings, ScoreSettings
from hoptrail_milter.status import fetch
from hoptrail_store.errors import StoreError
from hoptrail_store.recorder import is_waiting
from hoptrail_store.settings import StoreSettings
from hoptrail_tracer.settings import SiteSettings
from testbed.places import private_folder, wait_for
from testbed.service import Service

HOST = "mx.example.test"
# The command's own way to its settings is the command's test; this one needs no TOML.
RUN = """
import pickle, sys
from pathlib import Path
from hoptrail_milter.daemon import run
read = lambda: pickle.loads(Path(sys.argv[1]).read_bytes())
run(read(), read)
"""


@dataclass(frozen=True)
class Start:
    """How a daemon is started: `env` goes into its environment, `prelude` is run first in its Python, `store_mount` are
    options of a tmpfs over its store's folder, which nobody else sees."""

    env: Mapping[str, str] | None = None
    prelude: str = ""
    store_mount: str = ""


PLAIN = Start()
RECORDED = """
import sqlite3, sys
from testbed.daemon import wait_until_stored
wait_until_stored(sys.argv[1])
for [found] in sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True).execute("SELECT message_id FROM message"):
    print(found)
"""
MOUNT = 'mount -t tmpfs -o "$1" store "$2" && shift 2 && exec "$@"'


@dataclass
class Daemon:
    folder: Path
    settings: DaemonSettings
    service: Service
    how: Start = PLAIN

    def start(self, how: Start | None = None) -> None:
        """Start the daemon again after it was killed; returns when it answers."""
        self.how = how or self.how
        self.service = _start(self.folder, self.how)
        self.service.wait_until(self.answers, "the milter")

    @property
    def store(self) -> Path:
        """The store's file as it is reached from here."""
        path = Path(self.settings.store.path)
        return Path(f"/proc/{self.service.pid}/root{path}") if self.how.store_mount else path

    def recorded(self) -> list[str]:
        """The Message-IDs in the store, if there is one, seen from where the daemon is: SQLite follows no path through
        /proc."""
        enter = ["nsenter", "--target", str(self.service.pid), "--mount"]
        done = subprocess.run(
            [*enter, sys.executable, "-c", RECORDED, self.settings.store.path],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.split()

    def remount_store(self, options: str) -> None:
        """Change the options of the store's own mount."""
        enter = ["nsenter", "--target", str(self.service.pid), "--mount"]
        command = [*enter, "mount", "-o", f"remount,{options}", Path(self.settings.store.path).parent]
        subprocess.run(command, check=True, capture_output=True)

    @property
    def socket(self) -> str:
        return self.settings.milter.socket

    def log(self) -> str:
        return self.service.log.read_text(encoding="utf-8")

    def status(self) -> dict:
        return fetch(parse_endpoint(self.settings.milter.status))

    def answers(self) -> bool:
        try:
            self.status()
        except OSError:
            return False
        return True

    def counter(self, name: str) -> int:
        return self.status()["counters"][name]

    def workers(self) -> list[int]:
        return [worker["pid"] for worker in self.status()["workers"]]

    def wait_for_log(self, text: str) -> None:
        wait_for(lambda: text in self.log(), f"{text!r} in the daemon's log", log=self.service.log)

    def wait_for_workers(self, times: int) -> None:
        """Until each worker has taken up a new configuration so many times."""
        wanted = times * len(self.workers())
        wait_for(lambda: self.log().count("in-force pid=") == wanted, "the workers to take it up", log=self.service.log)

    def reload(self, settings: DaemonSettings | bytes) -> None:
        """Replace the configuration (by bytes that are none, for a broken one) and signal."""
        content = settings if isinstance(settings, bytes) else pickle.dumps(settings)
        (self.folder / "settings").write_bytes(content)
        self.service.signal(signal.SIGHUP)

    def rows(self, query: str, *values: object) -> list[sqlite3.Row]:
        if self.how.store_mount:
            raise TypeError("the store is on a mount of the daemon's own: use `recorded`")
        wait_until_stored(self.settings.store.path)
        database = sqlite3.connect(f"file:{self.store}?mode=ro", uri=True, timeout=10)
        database.row_factory = sqlite3.Row
        try:
            return database.execute(query, values).fetchall()
        finally:
            database.close()


def wait_until_stored(path: str, timeout_s: float = 5.0) -> None:
    """Return when the store holds what the journal does, or when it seems that it cannot be written."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        with suppress(StoreError):
            if not is_waiting(StoreSettings(path=path)):
                return
        time.sleep(0.02)


def settings_in(folder: Path, **sections: object) -> DaemonSettings:
    """Settings for a daemon in `folder`; the changes of each section as a mapping."""
    base = DaemonSettings(
        site=SiteSettings(hostname=HOST),
        store=StoreSettings(path=str(folder / "store/store.sqlite"), lock_wait_s=1.0),
        milter=MilterSettings(
            socket=f"unix:{folder}/milter.sock",
            status=f"unix:{folder}/status.sock",
            socket_mode="0666",
            workers=2,
            stop_grace_s=2.0,
            log_level="debug",
        ),
        score=ScoreSettings(),
        harvest=HarvestSettings(),
    )
    changed = {name: replace(getattr(base, name), **changes) for name, changes in sections.items()}
    return replace(base, **changed)


@contextmanager
def running_daemon(
    *, may_complain: bool = False, how: Start = PLAIN, **sections: Mapping[str, object]
) -> Iterator[Daemon]:
    """A started daemon; there must be no traceback in its log when it ends, unless it may complain."""
    with private_folder("milter") as folder:
        (folder / "store").mkdir()
        settings = settings_in(folder, **sections)
        (folder / "settings").write_bytes(pickle.dumps(settings))
        daemon = Daemon(folder, settings, _start(folder, how), how)
        try:
            daemon.service.wait_until(daemon.answers, "the milter")
            yield daemon
        finally:
            daemon.service.stop()
        assert may_complain or "Traceback" not in daemon.log(), daemon.log()


def _start(folder: Path, how: Start) -> Service:
    command = [sys.executable, "-c", how.prelude + RUN, folder / "settings"]
    if how.store_mount:
        command = ["unshare", "--mount", "sh", "-c", MOUNT, "sh", how.store_mount, folder / "store", *command]
    return Service(command, log=folder / "daemon.log", env=how.env)


@dataclass(frozen=True)
class Sent:
    """What the MTA said to the end of a message, and the mark by which to find it."""

    mark: str
    code: int
    text: str


def send(
    smtp: smtplib.SMTP,
    head: bytes = b"",
    body: bytes = b"Hello\r\n",
    *,
    sender: str = "<carol@example.net>",
    recipients: tuple[str, ...] = ("alice@example.test",),
    options: str = "",
) -> Sent:
    """Send one message with a Message-ID of its own on an open connection; `head` is more header, CRLF at its end."""
    mark = f"{os.urandom(8).hex()}@example.net"
    assert smtp.docmd(f"MAIL FROM:{sender} {options}".rstrip())[0] == 250
    for recipient in recipients:
        smtp.docmd(f"RCPT TO:<{recipient}>")
    code, text = smtp.data(b"Message-ID: <" + mark.encode() + b">\r\n" + head + b"\r\n" + body)
    return Sent(mark, code, text.decode())


def delivered(mta, sent: Sent, user: str = "alice") -> bytes:
    """The message as it lies in the user's mailbox."""

    def found() -> bytes | None:
        return next((mail for mail in mta.mailbox(user) if sent.mark.encode() in mail), None)

    return wait_for(found, f"{sent} in {user}'s mailbox", log=mta.machine.log)


def header(mail: bytes) -> bytes:
    return mail.replace(b"\r\n", b"\n").partition(b"\n\n")[0] + b"\n"


def unfolded(mail: bytes) -> dict[str, list[str]]:
    """Header fields, by name in lower case."""
    found: dict[str, list[str]] = {}
    for line in header(mail).replace(b"\n ", b" ").replace(b"\n\t", b" ").decode("utf-8", "replace").splitlines():
        name, _, value = line.partition(":")
        found.setdefault(name.lower(), []).append(value.strip())
    return found
