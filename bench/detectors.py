"""How often the detectors are right: seeded sites of several shapes, the last 14 of 56 days judged as nights would.

    .venv/bin/python bench/detectors.py [--links 2000] [--seeds 1]
    .venv/bin/python bench/detectors.py --scale [--relays 200000] [--all-links 900000] [--messages 5000000]

The simulator is that of the tests. With --scale it is measured instead what the detectors' step of a night takes at the
size of a big site: eight weeks are read out of a store, and all installed detectors run. The last line is JSON.
"""

import argparse
import json
import resource
import sys
import tempfile
import time
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from hoptrail_reports.detectors import silence, slowness
from hoptrail_reports.detectors.hours import LEAST, Hours, put_hours
from hoptrail_reports.detectors.records import observations
from hoptrail_reports.detectors.run import installed, run_all
from hoptrail_reports.topology import tables
from hoptrail_reports.topology.delays import BUCKETS, DelayStats
from hoptrail_reports.topology.traffic import Traffic
from hoptrail_reports.topology.usage import Link, LinkStats, RelayStats
from hoptrail_store.settings import StoreSettings
from hoptrail_store.store import Store
from reports.detectors.faults import FAULTS, ONE_FAULT_A_DAY, judge_fault
from reports.detectors.simulator import DAYS, FIRST, Shape, judge_silence, judge_slowness, site

SHAPES = {
    "usual": Shape(),
    "flat": Shape(night=0.9, weekend=1.0),
    "weekdays": Shape(night=0.02, weekend=0.05),
    "bursty": Shape(clustering=1.0),
    "half offices": Shape(office=0.5),
    "few troubles": Shape(silent=0.02, slowed=0.02),
    "night batches": Shape(batch=0.3),
    "newsletters": Shape(weekly=0.3),
    "growing": Shape(growth=4.0),
    "holiday": Shape(holiday=0.3),
    "all together": Shape(office=0.3, batch=0.1, weekly=0.2, growth=3.0),
}


MX = 4


def scale(relays: int, links: int, messages: int) -> dict[str, float]:
    """Seconds and MiB of one night's detectors after eight weeks of Zipf-distributed links."""
    pick = np.random.default_rng(1)
    weights = 1 / np.arange(1, links + 1)
    daily = messages * weights / weights.sum()
    pairs = [
        (f"out{n % relays}.net{n % relays % 20_000}.example", f"mx{n // relays % MX}.example.org") for n in range(links)
    ]
    wave = 0.5 + 0.5 * np.cos((np.arange(24) - 13) / 12 * np.pi)
    busy = int((daily >= LEAST).sum())
    with tempfile.TemporaryDirectory() as folder, Store.open(StoreSettings(f"{folder}/hoptrail.db")) as store:
        for back in range(DAYS - 1, -1, -1):
            counts = pick.poisson(daily[:busy, None] * wave / wave.sum()).astype(np.uint32)
            traffic = Traffic() if back else _traffic(pairs, counts.sum(axis=1), daily, messages)
            day = FIRST + timedelta(days=DAYS - 1 - back)
            if back:
                tables.put_day(store, day, Traffic(messages), {})
            began = time.perf_counter()
            put_hours(store, day, Hours(pairs[:busy], counts), traffic)
            put_s = time.perf_counter() - began
        del counts
        size_mib = (
            store.db.conn.execute("SELECT sum(length(names) + length(columns)) FROM hours_day").fetchone()[0] / 2**20
        )
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        before_mib = _memory_mib("VmRSS")
        began = time.perf_counter()
        seen = observations(store.db.conn, day, traffic, new_after_days=28)
        read_s = time.perf_counter() - began
        print(
            f"{busy:,} links followed, {size_mib:.0f} MiB in the store; "
            f"written in {put_s:.1f} s, read in {read_s:.1f} s"
        )
        spent = {}
        for point in installed():
            began = time.perf_counter()
            outcome = run_all(seen, [point])
            spent[point.name] = round(time.perf_counter() - began, 2)
            print(f"  {point.name:<16}{spent[point.name]:>7.2f} s  {len(outcome.findings)} {dict(outcome.failures)}")
    return {
        "links": links,
        "followed": busy,
        "stored_mib": round(size_mib, 1),
        "put_s": round(put_s, 2),
        "read_s": round(read_s, 2),
        "detectors_s": round(sum(spent.values()), 2),
        "before_mib": round(before_mib),
        "own_mib": round(_memory_mib("VmHWM") - before_mib),
        "detector_mib": round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024 - before_mib),
        **spent,
    }


def _traffic(pairs: list[tuple[str, str]], busy: np.ndarray, daily: np.ndarray, messages: int) -> Traffic:
    """The last day's map as far as detectors look at it: every link, with delays where it is busy."""
    found = {}
    for at, pair in enumerate(pairs):
        count = int(busy[at]) if at < len(busy) else 1 + int(daily[at])
        held = (
            DelayStats(count, 20 * count, counts=tuple(int(n) for n in _BUCKETS * count))
            if at < len(busy)
            else DelayStats()
        )
        found[Link(*pair, observed=True)] = LinkStats(count, count, delays=held)
    ends = {f"mx{n}.example.org": RelayStats(messages // MX, {0: messages // MX}) for n in range(MX)}
    return Traffic.of(messages, found, ends)


_BUCKETS = np.exp(-np.arange(BUCKETS) / 2) / np.exp(-np.arange(BUCKETS) / 2).sum()


def _memory_mib(what: str) -> float:
    found = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    return int(found[what].split()[0]) / 1024


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--links", type=int, default=2000)
    arguments.add_argument("--seeds", type=int, default=1)
    arguments.add_argument("--scale", action="store_true")
    arguments.add_argument("--relays", type=int, default=200_000)
    arguments.add_argument("--all-links", type=int, default=900_000)
    arguments.add_argument("--messages", type=int, default=5_000_000)
    given = arguments.parse_args()
    if given.scale:
        print(json.dumps(scale(given.relays, given.all_links, given.messages)))
        return
    results = []
    print(f"{'shape':<14}{'seed':>5}   silence: precision recall false   delay: precision recall false      s")
    for name, shape in SHAPES.items():
        for seed in range(1, given.seeds + 1):
            began = time.perf_counter()
            made = site(given.links, seed, shape)
            quiet, slow = judge_silence(made, silence.detect), judge_slowness(made, slowness.detect)
            took = time.perf_counter() - began
            print(
                f"{name:<14}{seed:>5}   {quiet.precision:>18.3f} {quiet.recall:>6.3f} {quiet.false_alarms:>5}"
                f"   {slow.precision:>16.3f} {slow.recall:>6.3f} {slow.false_alarms:>5} {took:>6.1f}",
                flush=True,
            )
            results.append({"shape": name, "seed": seed, "silence": asdict(quiet), "delay": asdict(slow)})
    faults = {name: judge_fault(name, range(1, 201 if name in ONE_FAULT_A_DAY else 9)) for name in FAULTS}
    print(f"\n{'fault of a day':<19}precision recall false   (8 seeds together; 200 where a day has one fault or none)")
    for name, found in faults.items():
        print(f"{name:<19}{found.precision:>9.3f} {found.recall:>6.3f} {found.false_alarms:>5}")
    told = {name: asdict(found) for name, found in faults.items()}
    print(json.dumps({"links": given.links, "results": results, "faults": told}))


if __name__ == "__main__":
    main()
