"""Fuzzes the parser of Received lines with atheris (the extra `fuzz`).

    python tests/fuzz/received_fuzz.py [corpus folder] [-max_total_time=1800] [other libFuzzer options]

A finding is an exception, a result that breaks the promises of `Received`, or a line that takes more than 5 ms a KiB.
Findings become cases in tests/tracer/received/hostile.py.
"""

import sys
import time

import atheris

with atheris.instrument_imports(include=["hoptrail_tracer.received"]):
    from hoptrail_tracer.received import parse

from promises import check

SLOWEST_MS_PER_KIB = 5.0
# Interpreter noise: what a garbage collection or a lost time slice may add to any one line.
GRACE_MS = 200.0


def one_input(data: bytes) -> None:
    """Parse `data` as it would come out of a message: undecodable bytes as surrogate escapes."""
    line = data.decode("utf-8", "surrogateescape")
    start = time.process_time()
    received = parse(line)
    spent_ms = (time.process_time() - start) * 1000
    check(line, received)
    if spent_ms > GRACE_MS + SLOWEST_MS_PER_KIB * len(data) / 1024:
        raise AssertionError(f"{spent_ms:.0f} ms for {len(data)} bytes")


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
