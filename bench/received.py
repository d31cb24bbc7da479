"""Measures how many Received lines a second Hoptrail reads, beside mail-parser, on one core and in one run.

    python bench/received.py [--lines 20000] [--rounds 5] [chains.jsonl.xz ...]

Without files it measures lines that it composes itself (bench/received_sample.py), else the lines of the files: JSON
lines with `received`, a list of Received fields, newest first. Hoptrail fills all fields with canonical addresses and
aware dates; mail-parser's `parse_received` cuts a line into clauses and leaves the date a text. Whole chains: Hoptrail
reads, judges and names the origin; mail-parser's `receiveds_parsing` reads the lines and their dates. The rounds of
both alternate and the best of each counts, in CPU time, of which other work on the machine takes nothing. The last line
is JSON: lines_per_s, ratio, chains_ratio.
"""

import argparse
import gc
import json
import lzma
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import received_sample
from mailparser.exceptions import MailParserReceivedParsingError
from mailparser.utils import parse_received, receiveds_parsing

from hoptrail_tracer.chain import trace
from hoptrail_tracer.received import parse


def peer_line(line: str) -> None:
    with suppress(MailParserReceivedParsingError):  # its answer to a line that it cannot read
        parse_received(line)


def per_second(
    measured: Sequence[tuple[Callable[[Any], object], Sequence[Any]]], count: int, rounds: int
) -> list[float]:
    """Items a second of each function over its items, `count` in all: the best round. Rounds of all alternate."""
    best = [float("inf")] * len(measured)
    for _ in range(rounds):
        for index, (function, items) in enumerate(measured):
            gc.collect()
            start = time.process_time()
            for item in items:
                function(item)
            best[index] = min(best[index], time.process_time() - start)
    return [count / seconds for seconds in best]


def read_chains(path: Path) -> list[list[str]]:
    with lzma.open(path, "rt", encoding="utf-8") if path.suffix == ".xz" else path.open(encoding="utf-8") as file:
        return [json.loads(line)["received"] for line in file]


def measure(name: str, chains: list[list[str]], rounds: int) -> tuple[float, float, float]:
    """Print what was measured on `chains`; lines a second, and the ratios to mail-parser for lines and for chains."""
    lines = [line for chain in chains for line in chain]
    ours, theirs = per_second([(parse, lines), (peer_line, lines)], len(lines), rounds)
    our_chains, their_chains = per_second([(trace, chains), (receiveds_parsing, chains)], len(lines), rounds)
    print(f"{name:<24} {len(lines):>8} {ours:>10,.0f} {theirs:>12,.0f} {ours / theirs:>6.1f}", end="  ")
    print(f"{our_chains:>10,.0f} {their_chains:>12,.0f} {our_chains / their_chains:>6.1f}")
    return ours, ours / theirs, our_chains / their_chains


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--lines", type=int, default=20_000, help="lines to compose where no file is given")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    groups = [(path.name, read_chains(path)) for path in options.files]
    if not groups:
        groups = [("composed", received_sample.chains(options.lines))]
    print(f"Python {sys.version.split()[0]}, one core, best of {options.rounds} rounds, lines a second")
    columns = f"{'mail-parser':>12} {'ratio':>6}"
    print(f"{'':<24} {'lines':>8} {'hoptrail':>10} {columns}  {'chains':>10} {columns}")
    measured = [measure(name, chains, options.rounds) for name, chains in groups]
    lowest = [min(values) for values in zip(*measured, strict=True)]
    print(
        json.dumps({"lines_per_s": round(lowest[0]), "ratio": round(lowest[1], 2), "chains_ratio": round(lowest[2], 2)})
    )


if __name__ == "__main__":
    main()
