"""A private Postfix on a loopback port: `with Postfix(milters=["unix:/run/.../milter.sock"]) as mta: ...`."""

import re
import shutil
import smtplib
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from testbed.machine import HOSTNAME, Machine
from testbed.places import ROOT, free_port, greets, private_folder, unpacked, wait_for

PROCMAIL = "/mnt/usr/bin/procmail"  # as the machine sees it; for `mailbox_command`
PASSWORD = "correct horse"
CONFIG = "/etc/postfix"  # inside the machine

MAIN_CF = """
compatibility_level = 3.6
queue_directory = {queue}
data_directory = {data}
command_directory = /mnt/usr/sbin
daemon_directory = /mnt/usr/lib/postfix/sbin
shlib_directory = /mnt/usr/lib/postfix
meta_directory = {config}
sendmail_path = /mnt/usr/sbin/sendmail
mailq_path = /mnt/usr/bin/mailq
newaliases_path = /mnt/usr/bin/newaliases
mail_owner = postfix
setgid_group = postdrop
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = {hostname}
mydestination = $myhostname, example.test, localhost
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
home_mailbox = Maildir/
biff = no
message_size_limit = 33554432
enable_long_queue_ids = yes
smtputf8_enable = yes
smtpd_authorized_xclient_hosts = 127.0.0.1
default_transport = error:5.1.2 nothing leaves this machine
disable_dns_lookups = yes
smtpd_sasl_local_domain = example.test
"""

TLS_CF = """
smtpd_tls_security_level = may
smtpd_tls_key_file = {folder}/tls.key
smtpd_tls_cert_file = {folder}/tls.crt
"""

# Ports 25 and 587 of the file that Postfix ships; everything runs outside the chroot unless asked for.
SUBMISSION = """
{port} inet n - n - - smtpd
  -o syslog_name=postfix/submission
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
  -o smtpd_recipient_restrictions=
  -o smtpd_client_restrictions=permit_sasl_authenticated,reject
"""


class Postfix:
    """A running Postfix with users of its own, whose mail lies in `mailbox(user)`.

    - `port` takes mail for the users at example.test and mx.example.test from anywhere (XCLIENT included) and relays
      nothing; `submission_port` takes it from users that authenticate with PASSWORD.
    - `main` and `master` are lines put at the end of main.cf and master.cf, so they win.
    - `chroot` runs smtpd and cleanup in the queue directory, as Debian does; `discard` throws mail away after queueing
      it; `tls` offers STARTTLS; `logging` off leaves `log()` empty, for benches.
    - `folder`, where it is given, exists already, is enterable by all, and survives.
    """

    def __init__(
        self,
        *,
        milters: Sequence[str] = (),
        main: str = "",
        master: str = "",
        users: Sequence[str] = ("alice", "bob"),
        chroot: bool = False,
        discard: bool = False,
        tls: bool = False,
        logging: bool = True,
        folder: Path | None = None,
    ) -> None:
        self.port = free_port()
        self.submission_port = free_port()
        self._milters = milters
        self._main = main + ("\nlocal_transport = discard:\n" if discard else "")
        self._master = master
        self._users = users
        self._chroot = chroot
        self._tls = tls
        self._logging = logging
        self._given_folder = folder
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.folder = self._given_folder or stack.enter_context(private_folder("postfix"))
            self.machine = Machine(self.folder, self._users, logging=self._logging)
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
        config = self.machine.etc / "postfix"
        shutil.copytree(unpacked(ROOT / "etc/postfix"), config, symlinks=True)
        self.queue = self.folder / "queue"
        data = self.folder / "data"
        for folder in (self.queue, data):
            folder.mkdir()
        self.machine.own(data, "postfix")
        settings = MAIN_CF.format(queue=self.queue, data=data, config=CONFIG, hostname=HOSTNAME, folder=self.folder)
        if self._milters:
            settings += f"smtpd_milters = {', '.join(self._milters)}\nnon_smtpd_milters = $smtpd_milters\n"
        if self._tls:
            settings += TLS_CF.format(folder=self.folder)
            self._make_certificate()
        (config / "main.cf").write_text(settings + self._main + "\n", encoding="utf-8")
        (config / "master.cf").write_text(self._master_cf(), encoding="utf-8")
        self._make_passwords(config / "sasl")

    def _master_cf(self) -> str:
        """The services of the file that Postfix ships, on our ports."""
        lines = []
        for line in (ROOT / "usr/share/postfix/master.cf.dist").read_text(encoding="ascii").splitlines():
            fields = line.split()
            if not fields or line[0] in "# \t" or len(fields) < 8:
                continue
            if fields[:2] == ["smtp", "inet"]:
                fields[0] = str(self.port)
            fields[4] = "y" if self._chroot and fields[7] in {"smtpd", "cleanup"} else "n"
            lines.append(" ".join(fields))
        return "\n".join(lines) + SUBMISSION.format(port=self.submission_port) + self._master + "\n"

    def _make_passwords(self, folder: Path) -> None:
        database = self.folder / "sasldb"
        (folder / "smtpd.conf").write_text(
            f"pwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: {database}\nmech_list: PLAIN LOGIN\n",
            encoding="ascii",
        )
        for user in self._users:
            subprocess.run(
                [unpacked(ROOT / "usr/sbin/saslpasswd2"), "-p", "-c", "-f", database, "-u", "example.test", user],
                input=PASSWORD.encode(),
                check=True,
                capture_output=True,
            )
        if self._users:
            self.machine.own(database, "postfix")

    def _make_certificate(self) -> None:
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        command += ["-subj", f"/CN={HOSTNAME}", "-keyout", self.folder / "tls.key", "-out", self.folder / "tls.crt"]
        subprocess.run(command, check=True, capture_output=True)

    def start(self) -> None:
        """Start Postfix, or start it again after `kill`; return when it greets."""
        (self.queue / "pid/master.pid").unlink(missing_ok=True)
        service = self.machine.start(["/mnt/usr/sbin/postfix", "-c", CONFIG, "start-fg"])
        service.wait_until(lambda: greets(self.port), f"Postfix on port {self.port}")

    def kill(self) -> None:
        """SIGKILL for every process of Postfix; queue and mailboxes stay."""
        self.machine.kill()

    def smtp(self, *, submission: bool = False, timeout_s: float = 60) -> smtplib.SMTP:
        """A connection from 127.0.0.1 that has been greeted, for use in a `with` statement."""
        return smtplib.SMTP("127.0.0.1", self.submission_port if submission else self.port, timeout=timeout_s)

    def command(
        self, name: str, *arguments: str, stdin: bytes = b"", user: str = "root"
    ) -> subprocess.CompletedProcess[bytes]:
        """Run one of Postfix's programs (`postconf`, `postqueue`, `sendmail`, ...) to its end.

        A user's is given the group that an installed `postdrop` would take by its setgid bit.
        """
        return self.machine.run([f"/mnt/usr/sbin/{name}", *arguments], stdin=stdin, user=user, group="postdrop")

    def mailbox(self, user: str, folder: str = "Maildir") -> list[bytes]:
        """The messages delivered to a user, oldest first."""
        return self.machine.mailbox(user, folder)

    def wait_for_mail(self, user: str, count: int = 1, *, timeout_s: float = 30) -> list[bytes]:
        """The user's mailbox once it holds `count` messages."""
        wait_for(
            lambda: len(self.mailbox(user)) >= count,
            f"message {count} for {user}",
            log=self.machine.log,
            timeout_s=timeout_s,
        )
        return self.mailbox(user)

    def log(self) -> str:
        """All that Postfix has logged so far."""
        return self.machine.log.read_text(encoding="utf-8", errors="replace")

    def wait_for_log(self, pattern: str, *, timeout_s: float = 30) -> re.Match[str]:
        """The first place in the log that matches a regular expression."""
        what = f"{pattern!r} in the log"
        return wait_for(
            lambda: re.search(pattern, self.log(), re.MULTILINE), what, log=self.machine.log, timeout_s=timeout_s
        )  # type: ignore[return-value]
