"""A private spamd that asks nobody: Debian's stock rules, no network tests, no Bayes, no per-user files."""

import shutil
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from testbed.places import ROOT, free_port, private_folder, unpacked
from testbed.service import Service, as_user

LOCAL_CF = """
use_bayes 0
use_razor2 0
use_pyzor 0
skip_rbl_checks 1
dns_available no
trusted_networks 127.0.0.0/8
report_safe 0
"""

USER = "nobody"
READY = "successfully spawned child process"


class Spamd:
    """spamd on `socket` (a unix socket) or, with `tcp`, on the loopback `port`.

    `local_cf` are lines put after ours; `children` is the number of messages it takes at a time.
    """

    def __init__(self, *, tcp: bool = False, local_cf: str = "", children: int = 2, folder: Path | None = None) -> None:
        self.port = free_port() if tcp else None
        self._local_cf = local_cf
        self._children = children
        self._given_folder = folder
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.folder = self._given_folder or stack.enter_context(private_folder("spamd"))
            self.start()
            stack.callback(self.stop)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def socket(self) -> Path:
        """The unix socket, which there is without `tcp`."""
        return self.folder / "spamd.sock"

    @property
    def log(self) -> Path:
        """spamd's own log."""
        return self.folder / "log"

    def start(self) -> None:
        """Start spamd, or start it again after `stop`; return when it takes connections."""
        site = self.folder / "site"
        site.mkdir(exist_ok=True)
        for plugins in unpacked(ROOT / "etc/spamassassin").glob("v*.pre"):
            (site / plugins.name).write_bytes(plugins.read_bytes())
        (site / "local.cf").write_text(LOCAL_CF + self._local_cf, encoding="ascii")
        shutil.chown(self.folder, USER)
        self.socket.unlink(missing_ok=True)
        self.log.unlink(missing_ok=True)
        self._service = Service([*as_user(USER), *self._command(site)], log=self.log)
        self._service.wait_until(lambda: READY in self.log.read_text(encoding="utf-8"), "spamd", timeout_s=60)

    def _command(self, site: Path) -> list[str]:
        place = [f"--socketpath={self.socket}", "--socketmode=0666"]
        if self.port is not None:
            place = [f"--listen=127.0.0.1:{self.port}"]
        return [
            *("perl", "-T", "-I/mnt/usr/share/perl5", "/mnt/usr/sbin/spamd", "--local", *place),
            *("--nouser-config", "--configpath=/mnt/usr/share/spamassassin", f"--siteconfigpath={site}"),
            *(f"--max-children={self._children}", f"--min-children={self._children}", "--syslog=stderr"),
            *(f"--helper-home-dir={self.folder}", f"--pidfile={self.folder}/pid"),
        ]

    def stop(self) -> None:
        """End spamd and its children."""
        self._service.stop()

    def signal(self, number: int) -> None:
        """Send a signal (SIGSTOP, ...) to spamd and its children."""
        self._service.signal_all(number)
