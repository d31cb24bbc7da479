"""A private Sendmail on a loopback port: `with Sendmail(milters=["unix:/run/.../milter.sock"]) as mta: ...`."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from testbed.mta import PROCMAIL, Mta
from testbed.places import SENDMAIL_ROOT, unpacked

MACROS = SENDMAIL_ROOT / "usr/share/sendmail/cf"
PROGRAM = "/media/usr/libexec/sendmail/sendmail"  # in the machine
CONFIG = "/etc/mail/sendmail.cf"

MC = """
define(`confEBINDIR', `/media/usr/libexec/sendmail')dnl
define(`PROCMAIL_MAILER_PATH', `{procmail}')dnl
define(`QUEUE_DIR', `{folder}/queue')dnl
define(`STATUS_FILE', `{folder}/statistics')dnl
define(`confPID_FILE', `{folder}/sendmail.pid')dnl
define(`confCONTROL_SOCKET_NAME', `')dnl
define(`confSERVICE_SWITCH_FILE', `/etc/mail/service.switch')dnl
define(`confDONT_PROBE_INTERFACES', `True')dnl
define(`confTO_IDENT', `0')dnl
define(`confQUEUE_LA', `1000')dnl
define(`confREFUSE_LA', `1000')dnl
define(`confDELAY_LA', `0')dnl
define(`confLOG_LEVEL', `{log_level}')dnl
define(`confAUTH_REALM', `example.test')dnl
define(`confAUTH_MECHANISMS', `PLAIN LOGIN')dnl
TRUST_AUTH_MECH(`PLAIN LOGIN')dnl
FEATURE(`no_default_msa')dnl
FEATURE(`nocanonify')dnl
FEATURE(`accept_unresolvable_domains')dnl
FEATURE(`local_procmail')dnl
LOCAL_DOMAIN(`example.test localhost')dnl
DAEMON_OPTIONS(`Name=MTA, Family=inet, Addr=127.0.0.1, Port={port}')dnl
DAEMON_OPTIONS(`Name=MSA, Family=inet, Addr=127.0.0.1, Port={submission_port}, M=Ea')dnl
"""

TLS_MC = """
define(`confSERVER_KEY', `{folder}/tls.key')dnl
define(`confSERVER_CERT', `{folder}/tls.crt')dnl
define(`confCACERT', `{folder}/tls.crt')dnl
define(`confCACERT_PATH', `{folder}')dnl
"""

MAILERS = """
MAILER(`local')dnl
MAILER(`smtp')dnl
"""


class Sendmail(Mta):
    """Sendmail with `milters`, delivering through procmail; `mc` are lines of m4 put before the mailers."""

    name = "sendmail"

    def __init__(
        self,
        *,
        milters: Sequence[str] = (),
        mc: str = "",
        users: Sequence[str] = ("alice", "bob"),
        tls: bool = False,
        logging: bool = True,
        folder: Path | None = None,
    ) -> None:
        super().__init__(users=users, tls=tls, logging=logging, folder=folder)
        self._milters = milters
        self._mc = mc

    def _configure(self) -> None:
        mail = self.machine.etc / "mail"
        for folder in (mail, self.folder / "queue"):
            folder.mkdir()
        (self.folder / "queue").chmod(0o700)
        (self.folder / "statistics").touch()
        (mail / "service.switch").write_text("hosts files\naliases files\npasswd files\n", encoding="ascii")
        (mail / "aliases").touch()
        (mail / "sendmail.cf").write_text(self._configuration(), encoding="utf-8")
        self.make_passwords(self.machine.etc / "sasl2/Sendmail.conf", "root")
        if self.tls:
            self.make_certificate()

    def _configuration(self) -> str:
        """sendmail.cf, as m4 makes it of our lines."""
        lines = MC.format(
            folder=self.folder,
            procmail=PROCMAIL,
            port=self.port,
            submission_port=self.submission_port,
            log_level=14 if self._logging else 0,
        )
        if self.tls:
            lines += TLS_MC.format(folder=self.folder)
        for number, address in enumerate(self._milters):
            lines += f"INPUT_MAIL_FILTER(`milter{number}', `S={address}')dnl\n"
        return build_cf("OSTYPE(`linux')dnl\n" + lines + self._mc + MAILERS)

    def _daemon(self) -> list[str]:
        # Without a database of aliases, even of none, all mail for local users stays in the queue.
        return ["sh", "-c", f"{PROGRAM} -C {CONFIG} -bi && exec {PROGRAM} -C {CONFIG} -bD -q1m"]

    def command(self, *arguments: str, stdin: bytes = b"", user: str = "root") -> subprocess.CompletedProcess[bytes]:
        """Run `sendmail` with arguments (`-bp`, `-bt`, a recipient, ...) to its end."""
        return self.machine.run([PROGRAM, "-C", CONFIG, *arguments], stdin=stdin, user=user)


def build_cf(mc: str) -> str:
    """What m4 and Sendmail's macros make of a configuration in m4; CalledProcessError where m4 refuses it."""
    command = ["m4", f"-D_CF_DIR_={MACROS}/", unpacked(MACROS / "m4/cf.m4"), "-"]
    return subprocess.run(command, input=mc, check=True, capture_output=True, text=True).stdout
