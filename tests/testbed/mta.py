"""What a private Postfix and a private Sendmail have in common: a machine, ports, users, mailboxes, a log."""

import re
import smtplib
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from testbed.machine import HOSTNAME, Machine
from testbed.places import ROOT, free_port, greets, private_folder, unpacked, wait_for

PROCMAIL = "/mnt/usr/bin/procmail"  # as the machine sees it
PASSWORD = "correct horse"  # every user's, for AUTH

SASL_CONF = "pwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: {database}\nmech_list: PLAIN LOGIN\n"


class Mta:
    """A running MTA with users of its own, to be used in a `with` statement.

    - `port` takes mail for the users at example.test and mx.example.test from anywhere and hands nothing on to other
      hosts; `submission_port` takes it from users who authenticate as user@example.test with PASSWORD.
    - `logging` off leaves `log()` empty, for benches; `tls` offers STARTTLS.
    - `folder`, where it is given, exists already, may be entered by all, and stays; else one is made and removed.
    """

    name: ClassVar[str]

    def __init__(self, *, users: Sequence[str], tls: bool, logging: bool, folder: Path | None) -> None:
        self.port = free_port()
        self.submission_port = free_port()
        self.users = users
        self.tls = tls
        self._logging = logging
        self._given_folder = folder
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.folder = self._given_folder or stack.enter_context(private_folder(self.name))
            self.machine = Machine(self.folder, self.users, logging=self._logging)
            stack.callback(self.machine.close)
            self._configure()
            self.start()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _configure(self) -> None:
        """Write the MTA's own files; `folder` and `machine` are there, nothing runs."""
        raise NotImplementedError

    def _daemon(self) -> list[str]:
        """The command that runs the MTA in the foreground, as seen in the machine."""
        raise NotImplementedError

    def start(self) -> None:
        """Start the MTA, or start it again after `kill`; return when it greets."""
        service = self.machine.start(self._daemon())
        service.wait_until(lambda: greets(self.port), f"{self.name} on port {self.port}")

    def kill(self) -> None:
        """SIGKILL for every process of the MTA; queue and mailboxes stay."""
        self.machine.kill()

    def smtp(self, *, submission: bool = False, source: str = "127.0.0.1", timeout_s: float = 60) -> smtplib.SMTP:
        """A connection from an address of 127.0.0.0/8 that has been greeted."""
        port = self.submission_port if submission else self.port
        return smtplib.SMTP("127.0.0.1", port, source_address=(source, 0), timeout=timeout_s)

    def mailbox(self, user: str, folder: str = "Maildir") -> list[bytes]:
        """The messages in a Maildir of the user's, oldest first."""
        return self.machine.mailbox(user, folder)

    def wait_for_mail(
        self, user: str, count: int = 1, *, folder: str = "Maildir", timeout_s: float = 30
    ) -> list[bytes]:
        """The messages in a Maildir of the user's, once there are `count`."""

        def mails() -> list[bytes]:
            found = self.mailbox(user, folder)
            return found if len(found) >= count else []

        return wait_for(mails, f"message {count} in {user}'s {folder}", log=self.machine.log, timeout_s=timeout_s)

    def log(self) -> str:
        """All that the MTA has logged so far."""
        return self.machine.log.read_text(encoding="utf-8", errors="replace")

    def wait_for_log(self, pattern: str, *, timeout_s: float = 30) -> re.Match[str]:
        """The first match of a regular expression in the log, once there is one."""

        def match() -> re.Match[str] | None:
            return re.search(pattern, self.log(), re.MULTILINE)

        found = wait_for(match, f"{pattern!r} in the log", log=self.machine.log, timeout_s=timeout_s)
        assert found
        return found

    def make_passwords(self, sasl_conf: Path, owner: str) -> None:
        """Let every user authenticate: write Cyrus SASL's configuration and its database for the MTA's user."""
        database = self.folder / "sasldb"
        sasl_conf.parent.mkdir(exist_ok=True)
        sasl_conf.write_text(SASL_CONF.format(database=database), encoding="ascii")
        program = unpacked(ROOT / "usr/sbin/saslpasswd2")
        for user in self.users:
            command = [program, "-p", "-c", "-f", database, "-u", "example.test", user]
            subprocess.run(command, input=PASSWORD.encode(), check=True, capture_output=True)
            self.machine.own(database, owner)

    def make_certificate(self) -> None:
        """Write `tls.key` and `tls.crt`, self-signed and for `localhost` too, into the folder."""
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        command += ["-subj", f"/CN={HOSTNAME}", "-addext", "subjectAltName=DNS:localhost"]
        command += ["-keyout", "tls.key", "-out", "tls.crt"]
        subprocess.run(command, cwd=self.folder, check=True, capture_output=True)
