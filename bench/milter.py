"""What a milter costs Postfix: none, a lean one, Hoptrail, opendkim, rspamd, spamass-milter, interleaved in one run.

    .venv/bin/python bench/milter.py [--rounds 5] [--messages 1500] [--scored 100] [--sessions 20] [--only NAME ...]

One private Postfix has a port for each milter; all milters run all the time, over unix sockets. A round sends a burst
to each port in turn, the queue drained before. The table holds the medians of the rounds; the last line is one JSON
object.
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import load
import rivals
import sample

from testbed.daemon import running_daemon, wait_until_stored
from testbed.places import free_port, private_folder, wait_for
from testbed.postfix import Postfix
from testbed.service import Service
from testbed.spamd import Spamd

TICK_S = 1 / os.sysconf("SC_CLK_TCK")
MASTER = "\n{port} inet n - n - 100 smtpd\n  -o smtpd_milters={milter}\n  -o syslog_name=bench\n"
MAIN = """
smtpd_peername_lookup = no
in_flow_delay = 0
default_process_limit = 100
milter_connect_timeout = 30
milter_default_action = tempfail
smtpd_client_connection_count_limit = 0
"""
SCORED = {"spamass-milter", "hoptrail, scoring"}


@dataclass
class Contestant:
    """One milter, the port that leads through it, and what was measured."""

    name: str
    milter: str
    services: list[Service] = field(default_factory=list)
    settle: Callable[[], None] = lambda: None
    port: int = field(default_factory=free_port)
    rates: list[float] = field(default_factory=list)
    p50_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    memory_mb: float = 0.0
    failed: int = 0


def tree(pid: int) -> list[int]:
    """A process and all below it."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except OSError:
        return []
    return [pid, *(each for child in children for each in tree(int(child)))]


def cpu_s(services: list[Service]) -> float:
    """CPU time of the services' processes so far, user and system."""
    ticks = 0
    for pid in (each for service in services for each in tree(service.pid)):
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks * TICK_S


def memory_mb(services: list[Service]) -> float:
    """Proportional memory of the services' processes."""
    kib = 0
    for pid in (each for service in services for each in tree(service.pid)):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                kib += int(line.split()[1])
    return kib / 1024


def drain(mta: Postfix) -> None:
    """Return when the queue is empty."""
    folders = [mta.queue / name for name in ("incoming", "active", "deferred")]
    wait_for(lambda: not any(path.is_file() for folder in folders for path in folder.rglob("*")), "an empty queue")


def measure(mta: Postfix, one: Contestant, message: bytes, messages: int, sessions: int) -> None:
    drain(mta)
    time.sleep(0.2)
    before = cpu_s(one.services)
    numbered: Callable[[int], bytes] = lambda number: message % (number + int(time.time() * 1e6))  # noqa: E731
    result = load.burst(one.port, numbered, messages=messages, sessions=sessions)
    one.rates.append(result.per_second)
    one.p50_ms.append(result.percentile_ms(0.50))
    one.p99_ms.append(result.percentile_ms(0.99))
    one.settle()  # what is put off until after the burst costs CPU as well
    one.cpu_ms.append(1000 * (cpu_s(one.services) - before) / max(result.accepted, 1))
    one.failed += result.failed + result.refused
    one.memory_mb = memory_mb(one.services)


def contestants(stack: ExitStack, folder: Path, dkim_key: str, wanted: list[str]) -> list[Contestant]:
    """Start every milter."""
    found = [Contestant("none", "")]

    def add(name: str, start: Callable[[], tuple[str, list[Service], *tuple[Callable[[], None], ...]]]) -> None:
        if not wanted or name in wanted:
            found.append(Contestant(name, *start()))

    def lean() -> tuple[str, list[Service]]:
        socket = folder / "lean.sock"
        service = Service(
            [sys.executable, "-P", Path(__file__).with_name("lean_milter.py"), f"unix:{socket}"], log=folder / "lean"
        )
        stack.callback(service.stop)
        service.wait_until(socket.exists, "the lean milter")
        socket.chmod(0o666)
        return f"unix:{socket}", [service]

    def hoptrail(**sections: object) -> tuple[str, list[Service], Callable[[], None]]:
        settings = {"milter": {"log_level": "warning"}, "store": {"lock_wait_s": 5.0}, **sections}
        daemon = stack.enter_context(running_daemon(**settings))
        return daemon.socket, [daemon.service], lambda: wait_until_stored(daemon.settings.store.path, 60.0)

    def single(started: tuple[str, Service]) -> tuple[str, list[Service]]:
        return started[0], [started[1]]

    add("lean no-op", lean)
    add("hoptrail", hoptrail)
    add("opendkim", lambda: single(rivals.opendkim(stack, folder, dkim_key)))
    add("rspamd", lambda: single(rivals.rspamd(stack, folder)))
    if not wanted or SCORED.intersection(wanted):
        spamd = stack.enter_context(Spamd(children=4))
        add("spamass-milter", lambda: single(rivals.spamass_milter(stack, folder, spamd.socket)))
        add("hoptrail, scoring", lambda: hoptrail(score={"spamd": f"unix:{spamd.socket}", "timeout_s": 120.0}))
        for one in found:
            if one.name in SCORED:
                one.services.append(spamd._service)  # noqa: SLF001 - its CPU time is part of what scoring costs
    return found


def table(found: list[Contestant]) -> str:
    none = statistics.median(found[0].rates)
    lines = ["milter               msg/s  of none   p50 ms   p99 ms  CPU ms/msg  memory MB  failed"]
    for one in found:
        rate, p50, p99, cpu = map(statistics.median, (one.rates, one.p50_ms, one.p99_ms, one.cpu_ms))
        lines.append(
            f"{one.name:<18} {rate:>7.0f}  {rate / none:>7.3f}  {p50:>7.1f}  {p99:>7.1f}  {cpu:>10.2f}"
            f"  {one.memory_mb:>9.0f}  {one.failed:>6}"
        )
    return "\n".join(lines)


def summary(found: list[Contestant]) -> dict[str, float | None]:
    by_name = {one.name: one for one in found}

    def ratio(over: str, name: str = "hoptrail") -> float | None:
        if over not in by_name or name not in by_name:
            return None
        pairs = zip(by_name[name].rates, by_name[over].rates, strict=True)
        return round(statistics.median(ours / theirs for ours, theirs in pairs), 3)

    ours = by_name.get("hoptrail")
    return {
        "ratio_to_none": ratio("none"),
        "ratio_to_lean_noop": ratio("lean no-op"),
        "ratio_to_opendkim": ratio("opendkim"),
        "ratio_to_rspamd": ratio("rspamd"),
        "scoring_ratio_to_spamass_milter": ratio("spamass-milter", "hoptrail, scoring"),
        "cpu_ms_per_message": round(statistics.median(ours.cpu_ms), 3) if ours else None,
        "p99_ms": round(statistics.median(ours.p99_ms), 1) if ours else None,
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--messages", type=int, default=1_500, help="in a burst without scoring")
    arguments.add_argument("--scored", type=int, default=100, help="in a burst with scoring")
    arguments.add_argument("--sessions", type=int, default=20)
    arguments.add_argument("--only", nargs="*", default=[], metavar="NAME", help="measure these milters only")
    given = arguments.parse_args()
    rivals.unpack()
    with ExitStack() as stack:
        folder = stack.enter_context(private_folder("bench"))
        message, dkim_key = sample.make(folder)
        found = contestants(stack, folder, dkim_key, given.only)
        master = "".join(MASTER.format(port=one.port, milter=one.milter) for one in found)
        mta = stack.enter_context(Postfix(main=MAIN, master=master, discard=True, logging=False))
        for one in found:
            load.burst(one.port, lambda number: message % number, messages=20, sessions=4)
        for number in range(given.rounds):
            for one in found:
                count = given.scored if one.name in SCORED else given.messages
                measure(mta, one, message, count, given.sessions)
                print(f"round {number + 1}: {one.name}: {one.rates[-1]:.0f}/s", file=sys.stderr)
    print(table(found))
    print(json.dumps(summary(found)))


if __name__ == "__main__":
    main()
