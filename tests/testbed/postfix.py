"""A private Postfix on a loopback port: `with Postfix(milters=["unix:/run/.../milter.sock"]) as mta: ...`."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from testbed.machine import HOSTNAME
from testbed.mta import Mta
from testbed.places import ROOT, unpacked

CONFIG = "/etc/postfix"  # in the machine
SERVICE_FIELDS = 8  # of a line in master.cf, the command last

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
smtpd_sasl_local_domain = example.test
default_transport = error:5.1.2 nothing leaves this machine
disable_dns_lookups = yes
"""

TLS_CF = """
smtpd_tls_security_level = may
smtpd_tls_key_file = {folder}/tls.key
smtpd_tls_cert_file = {folder}/tls.crt
"""

SUBMISSION_CF = """
{port} inet n - n - - smtpd
  -o syslog_name=postfix/submission
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_client_restrictions=permit_sasl_authenticated,reject
  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
"""


class Postfix(Mta):
    """Postfix with `milters` for SMTP and for local mail; clients from loopback may use XCLIENT.

    `main` and `master` are lines put at the end of main.cf and master.cf, so they win. `chroot` runs smtpd and cleanup
    in the queue directory, as Debian does. `discard` throws mail away once it has been queued.
    """

    name = "postfix"

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
        super().__init__(users=users, tls=tls, logging=logging, folder=folder)
        self._milters = milters
        self._main = main
        self._master = master
        self._chroot = chroot
        self._discard = discard

    @property
    def queue(self) -> Path:
        """The queue directory: root of what runs in the chroot."""
        return self.folder / "queue"

    def _configure(self) -> None:
        config = self.machine.etc / "postfix"
        shutil.copytree(unpacked(ROOT / "etc/postfix"), config, symlinks=True)
        data = self.folder / "data"
        self.queue.mkdir()
        data.mkdir()
        self.machine.own(data, "postfix")
        self.make_passwords(config / "sasl/smtpd.conf", "postfix")
        if self.tls:
            self.make_certificate()
        (config / "master.cf").write_text(self._master_cf(), encoding="utf-8")
        (config / "main.cf").write_text(self._main_cf(data), encoding="utf-8")
        os.utime(config / "main.cf", (0, 0))  # Postfix waits for 2 s when the file looks as if it were being written

    def _main_cf(self, data: Path) -> str:
        settings = MAIN_CF.format(queue=self.queue, data=data, config=CONFIG, hostname=HOSTNAME)
        if self._milters:
            settings += f"smtpd_milters = {', '.join(self._milters)}\nnon_smtpd_milters = $smtpd_milters\n"
        if self.tls:
            settings += TLS_CF.format(folder=self.folder)
        if self._discard:
            settings += "local_transport = discard:\n"
        return settings + self._main + "\n"

    def _master_cf(self) -> str:
        """The services of the file that Postfix ships, with SMTP and submission on our ports."""
        lines = []
        for line in (ROOT / "usr/share/postfix/master.cf.dist").read_text(encoding="ascii").splitlines():
            fields = line.split()
            if not line[:1].isalnum() or len(fields) < SERVICE_FIELDS:
                continue
            if fields[:2] == ["smtp", "inet"]:
                fields[0] = str(self.port)
            fields[4] = "y" if self._chroot and fields[7] in {"smtpd", "cleanup"} else "n"
            lines.append(" ".join(fields))
        return "\n".join(lines) + SUBMISSION_CF.format(port=self.submission_port) + self._master + "\n"

    def _daemon(self) -> list[str]:
        return ["/mnt/usr/sbin/postfix", "-c", CONFIG, "start-fg"]

    def command(
        self, name: str, *arguments: str, stdin: bytes = b"", user: str = "root"
    ) -> subprocess.CompletedProcess[bytes]:
        """Run one of Postfix's programs (`postconf`, `postqueue`, `sendmail`, ...) to its end.

        It runs with the group that an installed `postdrop` gets from its setgid bit.
        """
        return self.machine.run([f"/mnt/usr/sbin/{name}", *arguments], stdin=stdin, user=user, group="postdrop")
