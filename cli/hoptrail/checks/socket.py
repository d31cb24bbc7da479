"""Checks of the milter's socket: that the MTA may reach it, and that a milter answers there."""

import os
import shutil
import socket
import stat
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hoptrail.checks import Finding
from hoptrail.checks.access import User, obstacle
from hoptrail.checks.host import run
from hoptrail.config import Config
from hoptrail_milter.endpoint import Endpoint, parse_endpoint
from hoptrail_milter.status import fetch

SENDMAIL_CF = Path("/etc/mail/sendmail.cf")
_ANSWER_WAIT_S = 5.0
# libmilter's mfdef.h: length, SMFIC_OPTNEG, protocol version 6, all actions, no protocol steps left out.
_NEGOTIATE = struct.pack("!IcIII", 13, b"O", 6, 0x1FF, 0)
_QUIT = struct.pack("!Ic", 1, b"Q")


@dataclass(frozen=True, slots=True)
class Postfix:
    """What the Postfix on this host says of itself."""

    owner: str
    queue: Path
    is_chrooted: bool
    milters: str


def find_postfix(config_directory: Path | None = None) -> Postfix | None:
    """Return what postconf(1) says, None where there is no Postfix."""
    if shutil.which("postconf") is None:
        return None
    where = ("-c", str(config_directory)) if config_directory else ()
    queue = run("postconf", *where, "-h", "queue_directory")
    if not queue:
        return None
    chroot = run("postconf", *where, "-F", "smtp/inet/chroot").rpartition("=")[2].strip()
    return Postfix(
        owner=run("postconf", *where, "-h", "mail_owner") or "postfix",
        queue=Path(queue),
        is_chrooted=chroot == "y",
        milters=run("postconf", *where, "-h", "smtpd_milters"),
    )


def check_socket(config: Config, postfix: Postfix | None) -> Iterator[Finding]:
    """Say whether the MTA's user can reach the socket's place, and whether that place is safe."""
    endpoint = parse_endpoint(config.milter.socket)
    if endpoint.kind != "unix":
        mend = "set [milter] socket to a unix socket, unless the MTA is on another host"
        yield Finding("socket", "warn", f"{endpoint}: over TCP each message stalls for about 43 ms", mend)
        return
    path = Path(endpoint.path)
    if not path.parent.is_dir():
        yield Finding("socket", "bad", f"{path.parent} does not exist", _place(path.parent, postfix))
        return
    yield from _check_folders(path)
    if postfix:
        yield from _check_postfix(config, path, postfix)


def _place(folder: Path, postfix: Postfix | None) -> str:
    if postfix and folder == postfix.queue / "hoptrail":
        return "systemd-tmpfiles --create, with contrib/systemd/hoptrail-postfix.tmpfiles in /usr/lib/tmpfiles.d"
    if folder == Path("/run/hoptrail"):
        return "systemctl start hoptrail-milter: the unit makes it"
    return f"install -d -o hoptrail -m 0750 {folder}, the owner being the account of the milter"


def check_sendmail(config: Config, cf: Path = SENDMAIL_CF) -> Iterator[Finding]:
    """Say whether Sendmail, where it is configured, asks our socket, and would take it for safe."""
    endpoint = parse_endpoint(config.milter.socket)
    try:
        filters = [line for line in cf.read_text("utf-8", "replace").splitlines() if line.startswith("X")]
    except OSError:
        return
    if not any(f"S={name}" in line for line in filters for name in (endpoint, f"local:{endpoint.path}")):
        mend = f"include contrib/sendmail/hoptrail.m4 in sendmail.mc, with S={endpoint}, rebuild and restart Sendmail"
        yield Finding("sendmail", "warn", f"{cf} does not name our socket", mend)
        return
    yield Finding("sendmail", "ok", f"{cf} names our socket")
    path = Path(endpoint.path)
    if endpoint.kind != "unix" or not path.parent.is_dir():
        return
    for folder in path.parents:
        if folder.stat().st_mode & stat.S_IWGRP:
            text = f"a group may write in {folder}; Sendmail refuses a socket below it"
            yield Finding("sendmail", "bad", text, f"chmod g-w {folder}")


def _check_folders(path: Path) -> Iterator[Finding]:
    """Sendmail refuses a socket below a folder that anybody may write, and is right: it could be replaced."""
    unsafe = [folder for folder in path.parents if folder.stat().st_mode & stat.S_IWOTH]
    for folder in unsafe:
        mend = f"chmod o-w {folder}, or set [milter] socket to a place below /run/hoptrail"
        yield Finding("socket", "bad", f"anybody may write in {folder}; Sendmail refuses a socket below it", mend)
    if not unsafe:
        yield Finding("socket", "ok", f"{path.parent} is safe from other users")


def _check_postfix(config: Config, path: Path, postfix: Postfix) -> Iterator[Finding]:
    inside = postfix.queue / "hoptrail" / "milter.sock"
    if is_hidden := postfix.is_chrooted and not path.is_relative_to(postfix.queue):
        yield Finding(
            "socket",
            "bad",
            f"Postfix's smtpd runs chrooted in {postfix.queue} and cannot see {path}",
            f'set [milter] socket = "unix:{inside}", or take smtpd out of the chroot: the fifth column of its line in '
            "master.cf",
        )
    meant = inside if is_hidden else path
    seen_as = meant.relative_to(postfix.queue) if meant.is_relative_to(postfix.queue) else meant
    names = {f"unix:{seen_as}"} if postfix.is_chrooted else {f"unix:{seen_as}", f"unix:{path}"}
    if any(name in postfix.milters for name in names):
        yield Finding("postfix", "ok", "its smtpd_milters names our socket")
    else:
        mend = f"add the lines of contrib/postfix/main.cf.hoptrail to main.cf, with unix:{seen_as}, and reload Postfix"
        yield Finding("postfix", "warn", "its smtpd_milters does not name our socket", mend)
    yield from _check_reach(config, path, postfix)


def _check_reach(config: Config, path: Path, postfix: Postfix) -> Iterator[Finding]:
    user = User.named(postfix.owner)
    if user is None:
        yield Finding("socket", "warn", f"Postfix's user {postfix.owner} does not exist on this host")
        return
    target, rights = (path, os.R_OK | os.W_OK) if path.exists() else (path.parent, os.X_OK)
    if (blocked := obstacle(user, target, rights)) is None:
        yield Finding("socket", "ok", f"{user.name} may reach {target}")
        return
    group = blocked.group()
    mend = f"usermod --append --groups {group} {user.name}, then restart Postfix"
    if user.is_in(group):
        mend = "set [milter] socket_mode to 0660" if blocked == path else f"chmod g+x {blocked}"
    elif config.milter.socket_group and blocked == path:
        mend = f"restart the milter: it makes the socket with the group {config.milter.socket_group}"
    yield Finding("socket", "bad", f"Postfix's user {user.name} may not use {blocked}", mend)


def check_milter(config: Config) -> Iterator[Finding]:
    """Say whether a milter answers on the socket as the MTA would ask it, and whether its status can be read."""
    endpoint = parse_endpoint(config.milter.socket)
    try:
        _negotiate(endpoint)
    except OSError as error:
        mend = "systemctl start hoptrail-milter, and look at its log"
        yield Finding("milter", "warn", f"{endpoint}: no milter answers ({error})", mend)
        return
    yield Finding("milter", "ok", f"{endpoint}: answers")
    if config.milter.status:
        try:
            lost = fetch(parse_endpoint(config.milter.status))["counters"]["lost"]
        except (OSError, KeyError) as error:
            yield Finding("milter", "warn", f"its status cannot be read: {error}", "run this as root or as its user")
            return
        if lost:
            mend = "look at the log for the reason; the store's findings are above"
            yield Finding("milter", "bad", f"{lost:,} messages passed without a record since it started", mend)


def _negotiate(endpoint: Endpoint) -> None:
    with _connect(endpoint) as connection:
        connection.settimeout(_ANSWER_WAIT_S)
        connection.sendall(_NEGOTIATE)
        if connection.recv(5, socket.MSG_WAITALL)[4:] != b"O":
            raise OSError("it does not speak the milter protocol")
        with suppress(OSError):  # mere politeness
            connection.sendall(_QUIT)


def _connect(endpoint: Endpoint) -> socket.socket:
    if endpoint.kind != "unix":
        return socket.create_connection((endpoint.host, endpoint.port), timeout=_ANSWER_WAIT_S)
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(_ANSWER_WAIT_S)
        connection.connect(endpoint.path)
    except BaseException:
        connection.close()
        raise
    return connection
