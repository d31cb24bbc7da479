"""Draw the samples of docs/topology.md: STAMP's Figures 2 and 3 anew, from a made-up collection of the same size.

    .venv/bin/python tools/figures.py [--check]

With --check nothing is written; the exit code is 1 where something would be. The mail is seeded: the same each time.
"""
# ruff: noqa: INP001, S311 - a tool, not a package; no secret is drawn

import random
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import numpy as np

from hoptrail_reports.topology import svg
from hoptrail_reports.topology.fold import fold
from hoptrail_reports.topology.graph import RelayMap, relay_map
from hoptrail_reports.topology.grouping import contract
from hoptrail_reports.topology.traffic import Traffic, Way, traffic
from hoptrail_tracer.path import Step

SAMPLES = Path(__file__).resolve().parents[1] / "docs/samples"
MESSAGES = 100
BEGIN = datetime(2026, 11, 20, tzinfo=UTC)

OURS = ("mx.example.org", "filter.example.org", "store.example.org")
PROVIDERS = {"bigmail.example": 5, "post.example": 4, "webhost.example": 3}
LIST = "lists.university.example"
SMALL = 5  # senders with a host of their own
LINES = 11  # hosts of one access provider


def senders(pick: random.Random) -> Iterator[tuple[str, ...]]:
    """Yield what stands before our MX on each message's way, oldest first.

    A branch office stands far down, behind a hub that also sends by itself: the one that is lowered.
    """
    for number in range(MESSAGES):
        kind = pick.random()
        provider = pick.choices([*PROVIDERS], weights=(6, 3, 2))[0]
        out = f"out{pick.randrange(PROVIDERS[provider])}.{provider}"
        inside = f"smtp{pick.randrange(2)}.{provider}"
        for share, relays in (
            (0.45, (inside, out)),
            (0.55, (f"mail.firm{pick.randrange(3)}.example", inside, out)),
            (0.62, ("mail.branch.example", "hub.firm.example", inside, out)),
            (0.67, ("hub.firm.example",)),
            (0.75, (f"gw.small{number % SMALL}.example",)),
            (0.86, (f"line{pick.randrange(LINES)}.access.example",)),
            (0.97, (inside, out, LIST)),
            (1.0, (f"[203.0.113.{pick.randrange(1, 250)}]",)),
        ):
            if kind < share:
                yield relays
                break


def ways(seed: int = 2010) -> Iterator[Way]:
    """Yield the collection; two messages of it went in a circle between the filter and the MX."""
    pick = random.Random(seed)
    for number, sender in enumerate(senders(pick)):
        inner = ("mx.example.org", "filter.example.org", "mx.example.org", *OURS[1:]) if number in {30, 70} else OURS
        at = BEGIN + timedelta(minutes=14 * number)
        recorded = int(at.timestamp())
        steps = []
        for place, relay in enumerate((*sender, *inner)):
            at += timedelta(seconds=int(pick.lognormvariate(1.0, 1.2)))
            steps.append(Step(relay, int(at.timestamp()) if place else None, observed=place >= len(sender)))
        yield Way(steps, recorded)


def first_rows(seen: Traffic, relays: RelayMap) -> RelayMap:
    """The map as Figure 2 has it, each relay in the row of its least rank, before any is lowered."""
    return replace(relays, row=np.searchsorted(np.unique(seen.relays.least_rank), relays.relays.least_rank))


def figure(relays: RelayMap, title: str) -> str:
    """Return a map as a document, every relay named."""
    return svg.standalone(svg.draw(relays, fold(relays, servers=100, domains=0), title=title))


def written() -> Iterator[tuple[Path, str]]:
    """Yield each file with what should stand in it."""
    seen = traffic(ways())
    relays = relay_map(seen)
    yield SAMPLES / "stamp-figure2.svg", figure(first_rows(seen, relays), f"A collection of {MESSAGES} mails")
    yield SAMPLES / "stamp-figure3.svg", figure(contract(relays), "The same collection lowered and grouped")


def main() -> None:
    """Write or check."""
    stale = [(path, text) for path, text in written() if not path.exists() or path.read_text("utf-8") != text]
    for path, text in stale:
        if "--check" in sys.argv:
            click.echo(f"docs/samples/{path.name} is not what the program draws: run tools/figures.py", err=True)
        else:
            path.write_text(text, "utf-8")
    sys.exit(bool(stale) and "--check" in sys.argv)


if __name__ == "__main__":
    main()
