"""Goodput as the share of mail to unknown recipients rises (Pathak, Roy and Hu's Figure 2), on a private Postfix.

    .venv/bin/python bench/bounces.py [--rounds 2] [--sessions 4000] [--scored 300] [--clients 200] [--svg FILE]

A closed loop of client connections, each with one message; the share of them that names an unknown recipient is spread
evenly. The table holds valid messages a second, and refused ones in brackets, medians of the rounds; the last line is
one JSON object.
"""

import argparse
import json
import statistics
import sys
from contextlib import ExitStack
from pathlib import Path

import curve
import load
import rivals
import sample

from testbed.daemon import running_daemon
from testbed.places import free_port, private_folder, wait_for
from testbed.postfix import Postfix
from testbed.spamd import Spamd

SHARES = (0, 25, 50, 75, 90)
MASTER = "\n{port} inet n - n - 100 smtpd\n  -o smtpd_milters={milter}\n  -o syslog_name=bench\n"
MAIN = "smtpd_peername_lookup = no\nin_flow_delay = 0\nmilter_default_action = tempfail\n"
SCORED = "spamass-milter"


def recipient(share: int, number: int) -> bytes:
    """An unknown recipient for so many of a hundred, evenly spread."""
    return b"noone%d@example.test" % number if number * share % 100 < share else b"alice@example.test"


def drain(mta: Postfix) -> None:
    """Return when the queue is empty."""
    folders = [mta.queue / name for name in ("incoming", "active")]
    wait_for(lambda: not any(path.is_file() for folder in folders for path in folder.rglob("*")), "an empty queue")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=2)
    arguments.add_argument("--sessions", type=int, default=4_000)
    arguments.add_argument("--scored", type=int, default=300, help="sessions through spamass-milter")
    arguments.add_argument("--clients", type=int, default=200)
    arguments.add_argument("--svg", type=Path, help="draw the curves into this file")
    given = arguments.parse_args()
    rivals.unpack()
    with ExitStack() as stack:
        folder = stack.enter_context(private_folder("bounces"))
        message, _ = sample.make(folder)
        daemon = stack.enter_context(running_daemon(milter={"log_level": "warning"}))
        spamd = stack.enter_context(Spamd(children=4))
        spamass, _ = rivals.spamass_milter(stack, folder, spamd.socket)
        milters = {"none": "", "hoptrail": daemon.socket, SCORED: spamass}
        ports = {name: free_port() for name in milters}
        master = "".join(MASTER.format(port=ports[name], milter=milters[name]) for name in ports)
        mta = stack.enter_context(Postfix(main=MAIN, master=master, discard=True, logging=False))
        rates: dict[tuple[str, int], list[tuple[float, float]]] = {}
        for number in range(given.rounds):
            for share in SHARES:
                for name, port in ports.items():
                    drain(mta)
                    result = load.burst(
                        port,
                        lambda n: message % n,
                        messages=given.scored if name == SCORED else given.sessions,
                        sessions=given.clients,
                        recipient=lambda n, share=share: recipient(share, n),
                    )
                    rates.setdefault((name, share), []).append((result.per_second, result.refused / result.seconds))
                    print(f"round {number + 1}: {share}%: {name}: {result.per_second:.0f}/s", file=sys.stderr)
        medians = {key: tuple(map(statistics.median, zip(*pairs, strict=True))) for key, pairs in rates.items()}
        print("share of unknown  " + "".join(f"{share:>15}%" for share in SHARES))
        for name in ports:
            cells = (f"{valid:.0f} ({refused:.0f})" for valid, refused in (medians[name, share] for share in SHARES))
            print(f"{name:<18}" + "".join(f"{cell:>16}" for cell in cells))
        print(f"Hoptrail counted {daemon.counter('recipients_refused')} refused recipients")
        goodput = {name: [round(medians[name, share][0], 1) for share in SHARES] for name in ports}
        if given.svg:
            title = "Valid mail a second as the share of unknown recipients rises"
            axes = ("% of the mail names an unknown recipient", "valid mail/s")
            given.svg.write_text(curve.draw(title, axes, SHARES, goodput), encoding="utf-8")
        print(json.dumps(goodput))


if __name__ == "__main__":
    main()
