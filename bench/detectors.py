"""How often the detectors are right: seeded sites of several shapes, the last 14 of 56 days judged as nights would.

    .venv/bin/python bench/detectors.py [--links 2000] [--seeds 1]

The simulator is that of the tests. The last line is JSON.
"""

import argparse
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from hoptrail_reports.detectors import silence, slowness
from reports.detectors.simulator import Shape, judge_silence, judge_slowness, site

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


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--links", type=int, default=2000)
    arguments.add_argument("--seeds", type=int, default=1)
    given = arguments.parse_args()
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
    print(json.dumps({"links": given.links, "results": results}))


if __name__ == "__main__":
    main()
