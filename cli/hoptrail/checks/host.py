"""Checks of this host: versions, the store, the disk, the reports' folder, systemd."""

import os
import platform
import shutil
import sqlite3
import stat
import subprocess
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from hoptrail.checks import Finding
from hoptrail.checks.access import User, obstacle
from hoptrail.config import Config
from hoptrail_store.anonymise import read_key
from hoptrail_store.errors import CorruptStoreError, StoreError
from hoptrail_store.reader import open_readonly

_SYSTEMD = Path("/run/systemd/system")  # sd_booted(3)
_UNITS = {
    "hoptrail-milter.service": "without it mail passes unrecorded",
    "hoptrail-nightly.timer": "without it no report is written",
}
_RUN_TIMEOUT_S = 10

_FREE_BAD_BYTES = 100_000_000
_FREE_WARN_BYTES = 1_000_000_000
_DEEP_BYTES = 500_000_000  # a look at every page of a larger store takes minutes


def check_versions(config: Config) -> Iterator[Finding]:
    """Say what is installed, and whether what the configuration needs is."""
    yield Finding(
        "versions",
        "ok",
        f"hoptrail {version('hoptrail')}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}",
    )
    needed = {"pymilter": "milter", "jinja2": "topology", "networkx": "topology"}
    if config.score.spamd:
        needed["aiospamc"] = "score"
    if config.lookups.mmdb:
        needed["maxminddb"] = "geo"
    for package, extra in needed.items():
        try:
            version(package)
        except PackageNotFoundError:
            yield Finding("versions", "bad", f"{package} is not installed", f"pip install 'hoptrail[{extra}]'")


def check_store(config: Config, user: User) -> Iterator[Finding]:
    """Say whether the store can be written by the daemon's user, and is sound."""
    path = Path(config.store.path)
    folder = path.parent
    if not folder.is_dir():
        mend = f"install -d -o {user.name} -m 0750 {folder}"
        yield Finding("store", "bad", f"{folder} does not exist", mend)
        return
    yield from _check_writable("store", folder, user)
    yield _free_space(folder)
    if not path.exists():
        yield Finding("store", "ok", f"{path} will be made when the first message comes")
        return
    if (blocked := obstacle(user, path, os.R_OK | os.W_OK)) is not None:
        yield Finding("store", "bad", f"{user.name} may not write {blocked}", f"chown {user.name} {path}*")
    try:
        with open_readonly(path) as reader:
            summary = reader.summary()
            deep = summary.size_bytes <= _DEEP_BYTES
            [sound] = reader.db.execute("PRAGMA quick_check(1)").fetchone() if deep else ("ok",)
    except (StoreError, sqlite3.Error) as error:
        yield Finding("store", "bad", str(error), _replacement(path) if isinstance(error, CorruptStoreError) else "")
        return
    if sound != "ok":
        yield Finding("store", "bad", f"{path} is damaged: {sound}", _replacement(path))
    else:
        looked = "" if deep else "; too large to look at every page"
        yield Finding("store", "ok", f"{path}: {summary.messages:,} messages, {size_text(summary.size_bytes)}{looked}")


def _replacement(path: Path) -> str:
    return (
        f"stop the milter, move {path}, {path}-wal and {path}-shm away together, put a backup in their place if there "
        "is one, and start it; `hoptrail import` takes in what mailboxes and logs still have"
    )


def check_privacy(config: Config, user: User) -> Iterator[Finding]:
    """Say whether the key is there that local parts are hashed with, and nobody else's to read."""
    if config.store.hash_local_parts == "never":
        return
    path = Path(config.store.hash_key_file)
    try:
        read_key(str(path))
        blocked, mode = obstacle(user, path, os.R_OK), path.stat().st_mode
    except (StoreError, OSError) as error:
        yield Finding("privacy", "bad", str(error))
        return
    if blocked:
        yield Finding(
            "privacy", "bad", f"{user.name} may not read {blocked}", f"chgrp {user.name} {path}; chmod 0640 {path}"
        )
    elif mode & stat.S_IROTH:
        yield Finding(
            "privacy", "bad", f"anybody may read {path}, and try out who is in the store", f"chmod o-r {path}"
        )
    else:
        yield Finding("privacy", "ok", f"local parts are hashed with the key in {path}")


def check_reports(config: Config, user: User) -> Iterator[Finding]:
    """Say whether the nightly run can write its pages."""
    folder = Path(config.reports.directory)
    existing = next(parent for parent in (folder, *folder.parents) if parent.is_dir())
    yield from _check_writable("reports", existing, user)


def check_archive(config: Config, user: User) -> Iterator[Finding]:
    """Say whether closed days can move to the archive, where one is set."""
    if not config.store.archive:
        return
    folder = Path(config.store.archive)
    existing = next(parent for parent in (folder, *folder.parents) if parent.is_dir())
    yield from _check_writable("archive", existing, user)
    yield _free_space(existing)


def check_web(config: Config, user: User) -> Iterator[Finding]:
    """Say whether the review page's token is its user's alone, where the page was ever started."""
    path = Path(config.web.token_file)
    try:
        status = path.stat()
        blocked = obstacle(user, path, os.R_OK)
    except FileNotFoundError:
        return
    except OSError as error:
        yield Finding("web", "bad", str(error))
        return
    if status.st_mode & 0o077:
        yield Finding("web", "bad", f"others may read or change {path}, and log in", f"chmod 0600 {path}")
    elif blocked:
        yield Finding("web", "bad", f"{user.name} may not read {blocked}", f"chown {user.name} {path}")
    else:
        yield Finding("web", "ok", f"the page is for {config.web.listen}; its token in {path} is {user.name}'s alone")


def check_systemd() -> Iterator[Finding]:
    """Say whether our units are enabled and running, on hosts that systemd runs."""
    if not _SYSTEMD.is_dir() or shutil.which("systemctl") is None:
        yield Finding("systemd", "ok", "does not run this host")
        return
    for unit, loss in _UNITS.items():
        active = run("systemctl", "is-active", unit)
        if active == "active":
            yield Finding("systemd", "ok", f"{unit} is active")
        else:
            yield Finding(
                "systemd", "warn", f"{unit} is {active or 'unknown'}: {loss}", f"systemctl enable --now {unit}"
            )


def size_text(size_bytes: int) -> str:
    """Return a size for people: "2.5 GB", "40.0 MB"."""
    return f"{size_bytes / 1e9:,.1f} GB" if size_bytes >= 1e9 else f"{size_bytes / 1e6:,.1f} MB"  # noqa: PLR2004 - as it says


def run(*command: str) -> str:
    """Return what a program writes, without white space around it; "" where it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_RUN_TIMEOUT_S, check=False)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def _check_writable(topic: str, folder: Path, user: User) -> Iterator[Finding]:
    if (blocked := obstacle(user, folder, os.W_OK | os.X_OK)) is None:
        yield Finding(topic, "ok", f"{user.name} may write in {folder}")
    elif blocked == folder:
        yield Finding(topic, "bad", f"{user.name} may not write in {folder}", f"chown {user.name} {folder}")
    else:
        yield Finding(topic, "bad", f"{user.name} may not pass {blocked}", f"chmod o+x {blocked}")


def _free_space(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    text = f"{size_text(free)} free in {folder}"
    if free < _FREE_WARN_BYTES:
        mend = "make room, or keep less: [store] keep_days and evidence_days"
        return Finding("disk", "bad" if free < _FREE_BAD_BYTES else "warn", text, mend)
    return Finding("disk", "ok", text)
