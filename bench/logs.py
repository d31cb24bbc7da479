"""How fast `hoptrail import` reads a Postfix log into a store, and in how much memory, beside pflogsumm.

    python bench/logs.py [--messages 50000] [--pflogsumm PROGRAM]

The log is made up: sessions of 5,000 clients, one message each with one to three recipients, and a refused recipient in
one session of five. pflogsumm (Debian has it) only adds up and keeps no message. Each program reads the file once,
Hoptrail also packed with xz. Lines a second are those of CPU time. The last line is JSON: lines, lines_per_s, rss_mib,
xz_lines_per_s, and pflogsumm_lines_per_s, pflogsumm_rss_mib, ratio where pflogsumm is there.
"""

import argparse
import json
import lzma
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

HOPTRAIL = Path(sys.executable).with_name("hoptrail")
BEGIN = datetime(2026, 5, 1, tzinfo=UTC)


class Run(NamedTuple):
    """What a program took."""

    seconds: float
    cpu_s: float
    rss_mib: float


def log_lines(messages: int, seed: int = 1) -> Iterator[str]:
    """A day of a Postfix gateway."""
    pick = random.Random(seed)
    for number in range(messages):
        second = 86_400 * number // messages
        client = int(5_000 * pick.random() ** 2)
        peer = f"out{client}.net{client % 400}.example[198.51.{client // 250}.{client % 250}]"
        queue_id, pid = f"4d{number:07X}z9v1", 1_000 + number % 50
        to = [f"user{pick.randrange(3_000)}@example.org" for _ in range(pick.choice((1, 1, 1, 2, 3)))]
        delay_s = round(pick.lognormvariate(0, 1.5), 2)

        def line(program: str, text: str, late: float = 0, *, second: int = second, pid: int = pid) -> str:
            at = BEGIN + timedelta(seconds=min(second + int(late), 86_399))
            return f"{at:%b %e %H:%M:%S} mx1 postfix/{program}[{pid}]: {text}\n"

        yield line("smtpd", f"connect from {peer}")
        if pick.random() < 0.2:
            refused = f"nobody{pick.randrange(10**6)}@example.org"
            yield line(
                "smtpd",
                f"NOQUEUE: reject: RCPT from {peer}: 550 5.1.1 <{refused}>: Recipient address rejected: User unknown "
                f"in relay recipient table; from=<a@net{client}.example> to=<{refused}> proto=ESMTP helo=<out{client}>",
            )
        yield line("smtpd", f"{queue_id}: client={peer}")
        yield line("cleanup", f"{queue_id}: message-id=<{number}.{client}@net{client}.example>")
        yield line(
            "qmgr",
            f"{queue_id}: from=<a@net{client}.example>, size={10 * number % 90_000}, nrcpt={len(to)} (queue active)",
        )
        yield line("smtpd", f"disconnect from {peer} ehlo=1 mail=1 rcpt={len(to)} data=1 quit=1 commands={4 + len(to)}")
        for address in to:
            yield line(
                "smtp",
                f"{queue_id}: to=<{address}>, relay=store.example.org[192.0.2.7]:25, delay={delay_s}, "
                f"delays=0.1/0/0.1/{delay_s}, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 4e{number:07X}z9v2)",
                delay_s,
            )
        yield line("qmgr", f"{queue_id}: removed", delay_s)


def run(command: list[str | Path], out: Path) -> Run:
    """Run a program to its end; CalledProcessError where it fails."""
    began = time.perf_counter()
    with out.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.PIPE)
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise subprocess.CalledProcessError(os.waitstatus_to_exitcode(status), command)
    return Run(time.perf_counter() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--messages", type=int, default=50_000)
    arguments.add_argument("--pflogsumm", default=shutil.which("pflogsumm"), help="default: the one on the PATH")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        log, packed, out = folder / "mail.log", folder / "mail.log.xz", folder / "out"
        # Nothing large is held here: the peak of a process that is started counts from this one's size.
        with log.open("w", encoding="ascii") as plain, lzma.open(packed, "wt", encoding="ascii", preset=1) as file:
            lines = 0
            for line in log_lines(given.messages):
                plain.write(line)
                file.write(line)
                lines += 1
        took = {
            f"hoptrail import {path.name}": run(
                [HOPTRAIL, "import", "--store", folder / f"{path.suffix}.db", path], out
            )
            for path in (log, packed)
        }
        if given.pflogsumm:
            took["pflogsumm mail.log"] = run([*given.pflogsumm.split(), log], out)
    print(f"{lines:,} lines of {given.messages:,} messages")
    print(f"{'':<30}{'s':>8}{'CPU s':>8}{'lines/s':>12}{'MiB':>8}")
    for what, one in took.items():
        print(f"{what:<30}{one.seconds:>8.1f}{one.cpu_s:>8.1f}{lines / one.cpu_s:>12,.0f}{one.rss_mib:>8.0f}")
    ours, unpacked, *theirs = took.values()
    told: dict[str, float] = {
        "lines": lines,
        "lines_per_s": round(lines / ours.cpu_s),
        "rss_mib": round(ours.rss_mib),
        "xz_lines_per_s": round(lines / unpacked.cpu_s),
    }
    for one in theirs:
        told |= {
            "pflogsumm_lines_per_s": round(lines / one.cpu_s),
            "pflogsumm_rss_mib": round(one.rss_mib),
            "ratio": round(one.cpu_s / ours.cpu_s, 2),
        }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
