"""Real name servers on loopback: rbldnsd serving DNS lists, and unbound answering for the rest of a small world.

Neither ever asks the internet: what no record or list here holds does not exist.
"""

import itertools
import os
import signal
import socket
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from ipaddress import ip_network
from pathlib import Path
from types import TracebackType
from typing import Self

import dns.exception
import dns.message
import dns.query

from testbed.places import ROOT, private_folder, unpacked, wait_for
from testbed.service import Service, as_user

Entries = Mapping[str, str | Sequence[str]]  # address or network, or "*" for all -> code or codes

TEST_ENTRIES = {4: "127.0.0.2 :127.0.0.2:test entry", 6: "::ffff:7f00:2 :127.0.0.2:test entry"}


def free_dns_port() -> int:
    """A port of 127.0.0.1 that was free a moment ago for both UDP and TCP."""
    while True:
        with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            try:
                udp.bind(tcp.getsockname())
            except OSError:
                continue
            return int(tcp.getsockname()[1])


def answers(port: int, name: str, record: str = "A", *, timeout_s: float = 0.2) -> list[str] | None:
    """The records a server gives for a name, or None while it does not answer."""
    try:
        reply = dns.query.udp(dns.message.make_query(name, record), "127.0.0.1", port=port, timeout=timeout_s)
    except (dns.exception.DNSException, OSError):
        return None
    return [record.to_text() for rrset in reply.answer for record in rrset]


class _Daemon:
    """A name server in a private folder: `configure` writes its files and says how to start it."""

    name: str

    def __init__(self) -> None:
        self.port = 0
        self.log = Path()
        self._stack = ExitStack()
        self._service: Service | None = None

    @property
    def address(self) -> str:
        """As `nameservers` in [lookups] wants it."""
        return f"127.0.0.1@{self.port}"

    def configure(self, folder: Path) -> list[str | Path]:
        raise NotImplementedError

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            folder = stack.enter_context(private_folder(self.name))
            self.port = free_dns_port()
            self.log = folder / "log"
            self._service = Service(self.configure(folder), log=self.log)
            stack.callback(self._service.stop)
            self._service.wait_until(lambda: answers(self.port, "ready.invalid.") is not None, f"{self.name} to answer")
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def service(self) -> Service:
        assert self._service is not None, f"{self.name} is not started"
        return self._service


class Rbldnsd(_Daemon):
    """DNS lists: {"zen.spamhaus.org": {"203.0.113.9": "127.0.0.4", "2001:db8::/64": ["127.0.0.2", "127.0.0.9"]}}.

    Each list holds the test entries of RFC 5782 too, unless it is named in `untested`.
    """

    name = "rbldnsd"

    def __init__(self, lists: Mapping[str, Entries], *, untested: Sequence[str] = ()) -> None:
        super().__init__()
        self._lists = dict(lists)
        self._untested = frozenset(untested)
        self._folder = Path()
        self._edition = itertools.count(1)

    def configure(self, folder: Path) -> list[str | Path]:
        self._folder = folder
        zones = ["ready.invalid:ip4set:ready"]
        (folder / "ready").write_text("127.0.0.2\n", encoding="ascii")
        for zone, entries in self._lists.items():
            self._write(zone, entries)
            zones += [f"{zone}:ip4trie:{zone}.all", f"{zone}:ip4set:{zone}.v4", f"{zone}:ip6trie:{zone}.v6"]
        program = unpacked(ROOT / "usr/sbin/rbldnsd")
        command = [*as_user("nobody"), "/mnt/usr/sbin/rbldnsd"] if os.geteuid() == 0 else [program]
        return [*command, "-n", "-b", f"127.0.0.1/{self.port}", "-w", folder, *zones]

    def _write(self, zone: str, entries: Entries) -> str:
        """Write a list's three files; returns the name of an entry that only this edition has."""
        lines: dict[str, list[str]] = {"all": [], "v4": [], "v6": []}
        if zone not in self._untested:
            lines["v4"].append(TEST_ENTRIES[4])
            lines["v6"].append(TEST_ENTRIES[6])
        number = next(self._edition)
        edition = f"127.255.1.{number}"
        lines["v4"].append(f"{edition} :127.0.0.2:edition")
        for place, codes in entries.items():
            for code in [codes] if isinstance(codes, str) else codes:
                if place == "*":
                    lines["all"].append(f"0.0.0.0/0 :{code}:")
                    lines["v6"].append(f"::/0 :{code}:")
                else:
                    lines[f"v{ip_network(place).version}"].append(f"{place} :{code}:")
        for kind, text in lines.items():
            path = self._folder / f"{zone}.{kind}"
            path.write_text("\n".join([*text, ""]), encoding="ascii")
            # rbldnsd takes a file of the same size and second for the one that it has read.
            os.utime(path, (path.stat().st_atime, path.stat().st_mtime + number))
        return ".".join(reversed(edition.split("."))) + "." + zone

    def publish(self, zone: str, entries: Entries) -> None:
        """Replace what a list holds; returns when the new edition is served."""
        marker = self._write(zone, entries)
        self.service.signal(signal.SIGHUP)
        wait_for(lambda: answers(self.port, marker), f"rbldnsd to read {zone} again", log=self.log)


class Unbound(_Daemon):
    """A resolver that knows `records` ("mail.example.net. A 192.0.2.7"), and asks `stubs` (zone -> port) for lists.

    Questions below a name in `silent` get no answer at all, those below `refused` are refused. `extra` are lines for
    its server section.
    """

    name = "unbound"

    def __init__(
        self,
        records: Sequence[str] = (),
        *,
        stubs: Mapping[str, int] | None = None,
        silent: Sequence[str] = (),
        refused: Sequence[str] = (),
        extra: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self._records = records
        self._stubs = stubs or {}
        self._policies = [(name, "deny") for name in silent] + [(name, "always_refuse") for name in refused]
        self._extra = extra

    def configure(self, folder: Path) -> list[str | Path]:
        lines = [
            "server:",
            *('username: ""', 'chroot: ""', 'pidfile: ""', f'directory: "{folder}"', "use-syslog: no"),
            *("interface: 127.0.0.1", f"port: {self.port}", "num-threads: 1", "verbosity: 1"),
            *('module-config: "iterator"', "do-not-query-localhost: no", "minimal-responses: no"),
            "unblock-lan-zones: yes",
            'local-zone: "." static',
            *(f'local-zone: "{name}" {policy}' for name, policy in self._policies),
            *(f'local-zone: "{zone}" transparent' for zone in self._stubs),
            *(f"local-data: '{record}'" for record in self._records),
            *self._extra,
        ]
        for zone, port in self._stubs.items():
            lines += ["stub-zone:", f'name: "{zone}"', f"stub-addr: 127.0.0.1@{port}", "stub-no-cache: yes"]
        lines += ["remote-control:", "control-enable: no"]
        (folder / "unbound.conf").write_text("\n".join([*lines, ""]), encoding="utf-8")
        return [unpacked(ROOT / "usr/sbin/unbound"), "-d", "-c", folder / "unbound.conf"]
