"""A private Exim on a loopback port: `with Exim(routers=...) as mta: ...`."""

from pathlib import Path

from testbed.machine import HOSTNAME
from testbed.mta import Mta
from testbed.places import EXIM_ROOT, unpacked

CONFIG = "/etc/exim4/exim4.conf"  # in the machine

CONF = """
primary_hostname = {hostname}
exim_path = {program}
spool_directory = {spool}
log_file_path = {spool}/%slog
pid_file_path = {spool}/exim.pid
log_selector = {log_selector}
deliver_drop_privilege
daemon_smtp_ports = {port}
local_interfaces = 127.0.0.1
host_lookup =
tls_advertise_hosts =
rfc1413_query_timeout = 0s
queue_only_load = 1000
keep_environment =
domainlist local_domains = example.test
acl_smtp_rcpt = rcpt

begin acl
rcpt:
  deny !domains = +local_domains : {relayed}
       message = relay not permitted
  deny domains = +local_domains
       !verify = recipient
       message = unknown user
  accept

begin routers
hub:
  driver = manualroute
  domains = {relayed}
  route_list = {routes}
  transport = hub
  self = send
users:
  driver = accept
  domains = +local_domains
  check_local_user
  transport = maildir

begin transports
maildir:
  driver = appendfile
  directory = $home/Maildir
  maildir_format
  return_path_add
  user = Debian-exim
hub:
  driver = smtp
  allow_localhost
  # else what waits for another port of the same host may go over the connection that is open
  connection_max_messages = 1
  hosts_try_chunking =

begin retry
* * F,1h,1m
"""


class Exim(Mta):
    """Exim, filing users' mail into their Maildirs and handing mail for the domains in `relays` to loopback ports."""

    name = "exim"

    def __init__(
        self, *, relays: dict[str, int] | None = None, log_selector: str = "", users: tuple[str, ...] = ("alice", "bob")
    ) -> None:
        super().__init__(users=users, tls=False, logging=True, folder=None)
        self._relays = relays or {}
        self._log_selector = log_selector

    @property
    def _spool(self) -> Path:
        return self.folder / "spool"

    def _configure(self) -> None:
        self._spool.mkdir()
        self.machine.own(self._spool, "Debian-exim")
        for user in self.users:
            self.machine.own(self.machine.home(user), "Debian-exim")  # Exim is not privileged enough to become the user
        (self.machine.etc / "exim4").mkdir()
        (self.machine.etc / "exim4/exim4.conf").write_text(
            CONF.format(
                hostname=HOSTNAME,
                program=unpacked(EXIM_ROOT / "usr/sbin/exim4"),
                spool=self._spool,
                port=self.port,
                log_selector=self._log_selector,
                relayed=" : ".join(self._relays),
                routes="; ".join(f"{domain} 127.0.0.1::{port}" for domain, port in self._relays.items()),
            ),
            encoding="ascii",
        )

    def _daemon(self) -> list[str]:
        return [str(EXIM_ROOT / "usr/sbin/exim4"), "-C", CONFIG, "-bdf", "-q1m"]

    def log(self) -> str:
        """Its main log so far."""
        path = self._spool / "mainlog"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
