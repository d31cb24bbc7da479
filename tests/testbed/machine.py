"""A machine of its own for one MTA: host name, users, /etc, /dev, mail spool and process tree, on the host's loopback.

Made of Linux namespaces, so it needs root. Nothing in it is seen outside, and killing its first process ends all of
it. Inside, /mnt is the unpacked `.testbed/root` and /media the unpacked `.testbed/sendmail`.
"""

import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from testbed.places import ROOT, SENDMAIL_ROOT, TestbedError, unpacked, wait_for
from testbed.service import Service
from testbed.syslog import SyslogFile

HOSTNAME = "mx.example.test"
UIDS = {"root": 0, "daemon": 1, "tty": 5, "mail": 8, "nobody": 65_534}
UIDS |= {
    "postfix": 58_925,
    "postdrop": 58_926,
    "smmta": 58_927,
    "smmsp": 58_928,
    "hoptrail": 58_929,
    "Debian-exim": 58_930,
}
FIRST_USER_UID = 58_940

# No answer comes from this resolver: an MTA on test must never ask the world.
RESOLV_CONF = "nameserver 127.255.255.254\noptions timeout:1 attempts:1\n"
SERVICES = "smtp 25/tcp mail\nsubmission 587/tcp\nsubmissions 465/tcp\ndomain 53/udp\ndomain 53/tcp\n"

ENTER = """
set -eu
folder=$1 hostname=$2 root=$3 sendmail=$4
shift 4
hostname "$hostname"
mount --bind "$root" /mnt
mount --bind "$sendmail" /media
printf '%s\n' /mnt/usr/lib/postfix /media/usr/lib/*-linux-gnu 'include /etc/ld.so.conf.d/*.conf' >"$folder/ld.so.conf"
ldconfig -X -f "$folder/ld.so.conf" -C "$folder/etc/ld.so.cache"
mount --bind /etc/alternatives "$folder/etc/alternatives"
mount --bind "$folder/mail" /var/mail
mount -t tmpfs -o mode=755 dev "$folder/dev"
for node in null zero full random urandom tty; do
    touch "$folder/dev/$node"
    mount --bind "/dev/$node" "$folder/dev/$node"
done
mkdir -m 1777 "$folder/dev/shm"
ln -s /proc/self/fd "$folder/dev/fd"
for n in 0:stdin 1:stdout 2:stderr; do ln -s "/proc/self/fd/${n%:*}" "$folder/dev/${n#*:}"; done
if [ -S "$folder/syslog" ]; then
    touch "$folder/dev/log"
    mount --bind "$folder/syslog" "$folder/dev/log"
fi
mount --rbind "$folder/dev" /dev
mount --bind "$folder/etc" /etc
cd /
# This shell stays the first process. The kernel ends it with its parent, and all the others with it; an MTA gives up root
# for a moment, and with it loses that promise.
trap 'kill -TERM -1' TERM
"$@" &
wait $! || { code=$?; wait $! || true; exit $code; }
"""


def root_is_mounted(mounts: Path = Path("/proc/self/mountinfo")) -> bool:
    """Whether / is a mount point, as the kernel wants it of a root whose mounts are made private."""
    return any(line.split()[4] == "/" for line in mounts.read_text(encoding="utf-8").splitlines())


class Machine:
    """The machine's files below `folder`, and its processes once `start` has run.

    `users` get a home with a Maildir. With `logging` off nothing listens on /dev/log, as a bench wants it.
    """

    def __init__(self, folder: Path, users: Sequence[str], *, logging: bool) -> None:
        self.folder = folder
        self.etc = folder / "etc"
        self.log = folder / "log"
        self._uids = UIDS | {user: FIRST_USER_UID + n for n, user in enumerate(users)}
        self._service: Service | None = None
        self.log.touch()
        for name in ("etc", "etc/alternatives", "dev", "mail", "home"):
            (folder / name).mkdir()
        (folder / "mail").chmod(0o1777)
        self._write_etc()
        for user in users:
            self._make_home(user)
        self._syslog = SyslogFile(folder / "syslog", self.log) if logging else None

    def _write_etc(self) -> None:
        lines = {
            "passwd": [f"{name}:x:{uid}:{uid}::{self.home(name)}:/bin/sh" for name, uid in self._uids.items()],
            "group": [f"{name}:x:{uid}:" for name, uid in self._uids.items()],
            "hosts": [f"127.0.0.1 localhost\n::1 localhost\n127.0.1.1 {HOSTNAME} mx"],
            "nsswitch.conf": ["passwd: files\ngroup: files\nhosts: files dns\nservices: files\naliases: files"],
            "resolv.conf": [RESOLV_CONF.rstrip()],
            "services": [SERVICES.rstrip()],
            "protocols": ["tcp 6\nudp 17"],
            "shells": ["/bin/sh"],
            "procmailrc": ["DROPPRIVS=yes", "DEFAULT=$HOME/Maildir/"],
        }
        for name, content in lines.items():
            (self.etc / name).write_text("\n".join(content) + "\n", encoding="ascii")

    def _make_home(self, user: str) -> None:
        for folder in (self.home(user), *(self.home(user) / "Maildir" / sub for sub in ("cur", "new", "tmp"))):
            folder.mkdir(parents=True)
        self.own(self.home(user), user)

    def home(self, user: str) -> Path:
        """The user's home, the same path inside and outside."""
        return self.folder / "home" / user

    def uid(self, user: str) -> int:
        """The number of a user, who has no name outside. User and group have the same."""
        return self._uids[user]

    def own(self, path: Path, user: str) -> None:
        """Give a file, or a folder with all in it, to a user."""
        for each in (path, *path.rglob("*")):
            os.chown(each, self.uid(user), self.uid(user))

    def start(self, argv: Sequence[str | Path]) -> Service:
        """Run the machine's main program, in the foreground."""
        unshare = ["unshare", "--mount", "--uts", "--pid", "--fork", "--kill-child"]
        enter = ["sh", "-c", ENTER, "sh", self.folder, HOSTNAME, unpacked(ROOT), unpacked(SENDMAIL_ROOT)]
        if os.geteuid() != 0:
            raise TestbedError("an MTA needs namespaces and so root: use `sudo make test`")
        if not root_is_mounted():
            raise TestbedError(
                "an MTA needs mounts of its own, and this root directory, a plain chroot's, is no mount point: outside, "
                "`mount --bind DIR DIR` the chroot's directory, then enter it again"
            )
        self._service = Service([*unshare, *enter, *argv], log=self.log)
        return self._service

    @property
    def running(self) -> bool:
        return self._service is not None and self._service.running

    def first_pid(self) -> int:
        """The host's pid of the machine's first process."""
        assert self._service is not None
        children = Path(f"/proc/{self._service.pid}/task/{self._service.pid}/children")
        return int(wait_for(children.read_text, "the machine's first process", log=self.log))

    def run(
        self, argv: Sequence[str | Path], *, stdin: bytes = b"", user: str = "root", group: str | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a program in the machine to its end, as a user with that user's home, and group unless another is named."""
        enter = ["nsenter", "--target", str(self.first_pid()), "--mount", "--uts", "--pid", "--root"]
        if user != "root":
            enter += ["--setuid", str(self.uid(user)), "--setgid", str(self.uid(group or user))]
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(self.home(user)), "USER": user, "LOGNAME": user}
        return subprocess.run([*enter, *map(str, argv)], input=stdin, env=env, capture_output=True, check=False)

    def mailbox(self, user: str, folder: str = "Maildir") -> list[bytes]:
        """The messages in a Maildir below the user's home, oldest first."""
        new = self.home(user) / folder / "new"
        return [path.read_bytes() for path in sorted(new.glob("*"), key=lambda path: path.stat().st_mtime_ns)]

    def stop(self) -> None:
        """End every process of the machine: its first one politely, the rest with it."""
        if self.running:
            with suppress(ProcessLookupError):
                os.kill(self.first_pid(), signal.SIGTERM)
            with suppress(TestbedError):
                wait_for(lambda: not self.running, "the MTA to end", timeout_s=5)
        self.kill()

    def kill(self) -> None:
        """End every process of the machine at once, as a power cut would."""
        if self._service is None:
            return
        if self.running:
            # The kernel ends all others with the first one, before that one's parent hears of it.
            with suppress(ProcessLookupError):
                os.kill(self.first_pid(), signal.SIGKILL)
            wait_for(lambda: not self.running, "the machine to end", timeout_s=10)
        self._service.kill()
        self._service = None

    def close(self) -> None:
        """Stop everything; the files stay for whoever made the folder to remove."""
        self.stop()
        if self._syslog is not None:
            self._syslog.close()
            self._syslog = None
