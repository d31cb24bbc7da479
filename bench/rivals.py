"""The milters that Hoptrail is compared with, unpacked below .testbed/bench and run from there, never installed.

Each runs in a mount namespace in which the unpacked packages lie over the host's files, so that it finds its libraries
and rules where it was built to look for them.
"""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TOP / "tests"))

from testbed.places import wait_for  # noqa: E402
from testbed.service import Service  # noqa: E402

UNPACKED = TOP / ".testbed/bench"
PACKAGES = ("opendkim", "rspamd", "spamass-milter")

OVERLAY = """
set -eu
mount -t tmpfs tmpfs /mnt
mkdir /mnt/root
cp -a "$1" /mnt/unpacked # a layer may not lie within the one below it
mount -t overlay overlay -o lowerdir=/mnt/unpacked:/ /mnt/root
shift
for folder in /run /dev /proc /tmp /sys; do mount --rbind "$folder" "/mnt/root$folder"; done
exec chroot /mnt/root "$@"
"""

RSPAMD = """
options {{
  pidfile = "{folder}/rspamd.pid";
  dns {{ nameserver = ["127.255.255.254"]; timeout = 0.1s; retransmits = 1; }}
  filters = "chartable,regexp";
  cache_file = "{folder}/symbols.cache";
  hs_cache_dir = "{folder}";
  raw_mode = false;
  one_shot = false;
}}
logging {{ type = "file"; filename = "{folder}/rspamd.log"; level = "warning"; }}
metric {{ name = "default"; actions {{ reject = 15; add_header = 6; }} unknown_weight = 1; }}
worker "rspamd_proxy" {{
  bind_socket = "{socket} mode=0666";
  milter = true;
  timeout = 120s;
  count = 1;
  upstream "local" {{ default = yes; self_scan = yes; }}
}}
lua = "/usr/share/rspamd/rules/rspamd.lua";
.include(try=true) "/etc/rspamd/modules.d/headers_checks.conf"
"""


def unpack() -> None:
    """Fetch the packages and what they need from the distribution, once."""
    if UNPACKED.exists():
        return
    folder = UNPACKED.with_name("bench.new")
    shutil.rmtree(folder, ignore_errors=True)
    debs = folder / "debs"
    debs.mkdir(parents=True)
    plan = subprocess.run(
        ["apt-get", "install", "--simulate", "--no-install-recommends", *PACKAGES],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    names = [line.split()[1] for line in plan.splitlines() if line.startswith("Inst ")]
    fetch = ["apt-get", "download", "--quiet=2", "--option", "APT::Sandbox::User=root", *names]
    subprocess.run(fetch, cwd=debs, check=True, stdout=subprocess.DEVNULL)
    for deb in debs.glob("*.deb"):
        subprocess.run(["dpkg-deb", "--extract", deb, folder], check=True)
    shutil.rmtree(debs)
    for old in (folder / "lib", folder / "bin", folder / "sbin"):  # symbolic links on the host, not to be hidden
        if old.is_dir():
            shutil.copytree(old, folder / "usr" / old.name, symlinks=True, dirs_exist_ok=True)
            shutil.rmtree(old)
    folder.rename(UNPACKED)


def start(stack: ExitStack, folder: Path, name: str, argv: Sequence[str], socket: Path) -> Service:
    """Run a program among the unpacked packages until its socket is there."""
    command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", OVERLAY, "sh"]
    service = Service([*command, UNPACKED, *argv], log=folder / f"{name}.log")
    stack.callback(service.stop)
    service.wait_until(socket.exists, name)
    wait_for(socket.is_socket, name)
    socket.chmod(0o666)
    return service


def opendkim(stack: ExitStack, folder: Path, public_key: str) -> tuple[str, Service]:
    """opendkim, verifying with a key out of a file: nothing may leave the host, so it asks no DNS."""
    socket = folder / "opendkim.sock"
    config = folder / "opendkim.conf"
    config.write_text(
        f"Mode v\nSocket local:{socket}\nSyslog no\nBackground no\nUserID root\nAlwaysAddARHeader yes\n"
        f"PidFile {folder}/opendkim.pid\nTestPublicKeys {folder}/keys\nRequireSafeKeys no\nInternalHosts 192.0.2.1\n",
        encoding="ascii",
    )
    (folder / "keys").write_text(public_key, encoding="ascii")
    return f"unix:{socket}", start(stack, folder, "opendkim", ["/usr/sbin/opendkim", "-f", "-x", str(config)], socket)


def rspamd(stack: ExitStack, folder: Path) -> tuple[str, Service]:
    """rspamd as a proxy that scans by itself, network checks off."""
    socket = folder / "rspamd.sock"
    config = folder / "rspamd.conf"
    config.write_text(RSPAMD.format(folder=folder, socket=socket), encoding="ascii")
    argv = ["/usr/bin/rspamd", "--no-fork", "--insecure", "--config", str(config)]
    return f"unix:{socket}", start(stack, folder, "rspamd", argv, socket)


def spamass_milter(stack: ExitStack, folder: Path, spamd: Path) -> tuple[str, Service]:
    """spamass-milter beside a running spamd."""
    socket = folder / "spamass.sock"
    argv = ["/usr/sbin/spamass-milter", "-p", str(socket), "--", "-U", str(spamd)]
    return f"unix:{socket}", start(stack, folder, "spamass-milter", argv, socket)
