"""The units, accounts and directories: systemd's own programs accept them, and judge the sandbox."""

import os
import re
import shutil
import subprocess

import pytest

from testbed.places import ROOT, TOP, unpacked

pytestmark = pytest.mark.services

UNITS = [
    *("hoptrail-milter.service", "hoptrail-nightly.service", "hoptrail-nightly.timer"),
    *("hoptrail-send.service", "hoptrail-send.timer", "hoptrail-web.service"),
]
SOURCE = TOP / "contrib/systemd"


@pytest.fixture
def host(tmp_path):
    """A file system as systemd's programs want it: its own units, ours, and what they start."""
    units = tmp_path / "usr/lib/systemd/system"
    shutil.copytree(unpacked(ROOT / "lib/systemd/system"), units, symlinks=True)
    for unit in UNITS:
        shutil.copy(SOURCE / unit, units)
    for program in ("opt/hoptrail/bin/hoptrail", "bin/kill"):
        path = tmp_path / program
        path.parent.mkdir(parents=True)
        shutil.copy("/bin/true", path)
    (tmp_path / "etc").mkdir()
    return tmp_path


def systemd(program: str, host, *arguments) -> subprocess.CompletedProcess[str]:
    """Run one of systemd's unpacked programs on a file system that is not the host's."""
    libraries = ":".join(str(path) for path in (ROOT / "usr/lib").glob("*/systemd"))
    [path] = [ROOT / folder / program for folder in ("bin", "usr/bin") if (ROOT / folder / program).exists()]
    command = [path, f"--root={host}", *arguments]
    env = {**os.environ, "LD_LIBRARY_PATH": libraries}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("unit", UNITS)
def test_systemd_verifies_the_unit(host, unit):
    done = systemd("systemd-analyze", host, "verify", "--man=no", unit)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("unit", "exposure"),
    [
        *(("hoptrail-milter.service", 1.5), ("hoptrail-nightly.service", 1.2)),
        *(("hoptrail-send.service", 1.2), ("hoptrail-web.service", 1.1)),
    ],
)
def test_sandbox_is_no_weaker_than_docs_say(host, unit, exposure):
    done = systemd("systemd-analyze", host, "security", "--offline=true", unit)
    [found] = re.findall(r"Overall exposure level for .*: ([\d.]+)", done.stdout)
    assert float(found) <= exposure


def test_accounts_and_directories_come_out_with_their_owners(host):
    (host / "etc/group").write_text("root:x:0:\npostfix:x:120:\n", encoding="ascii")
    (host / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\n", encoding="ascii")
    made = systemd("systemd-sysusers", host, SOURCE / "hoptrail.sysusers")
    assert made.returncode == 0, made.stderr
    [account] = [line for line in (host / "etc/passwd").read_text().splitlines() if line.startswith("hoptrail:")]
    uid = int(account.split(":")[2])
    assert account.endswith(":Hoptrail:/var/lib/hoptrail:/usr/sbin/nologin")

    files = [SOURCE / "hoptrail.tmpfiles", SOURCE / "hoptrail-postfix.tmpfiles"]
    done = systemd("systemd-tmpfiles", host, "--create", *files)
    assert (done.returncode, done.stderr) == (0, "")
    assert owner_and_mode(host / "var/lib/hoptrail") == (uid, uid, 0o750)
    assert owner_and_mode(host / "etc/hoptrail") == (0, 0, 0o755)
    assert owner_and_mode(host / "var/spool/postfix/hoptrail") == (uid, 120, 0o2750)


def owner_and_mode(path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_uid, found.st_gid, found.st_mode & 0o7777


def test_every_setting_stands_below_an_explanation():
    for path in SOURCE.iterdir():
        lines = path.read_text(encoding="utf-8").splitlines()
        assert lines[0].startswith("#"), path
        assert all(len(line) <= 120 for line in lines), path


@pytest.mark.parametrize("unit", ["hoptrail-nightly.service", "hoptrail-send.service"])
def test_walls_are_those_of_the_milter(unit):
    assert walls(unit) - {"PrivateUsers=yes"} <= walls("hoptrail-milter.service")


def walls(unit: str) -> set[str]:
    """The lines that take rights away."""
    text = (SOURCE / unit).read_text(encoding="utf-8")
    return set(
        re.findall(
            r"^(?:NoNew|Capab|Ambient|Protect|Private|Device|Restrict|Lock|Memory|Remove|System).*", text, re.MULTILINE
        )
    )
