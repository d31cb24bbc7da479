"""A Spark standalone cluster on loopback: a master and some workers, out of the pyspark package."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyspark

START_S = 120
_HOME = Path(pyspark.__file__).parent
_MASTER = re.compile(r"Starting Spark master at (spark://\S+)")
_WORKER = re.compile(r"Registering worker \S+ with")


@contextmanager
def spark_cluster(folder: Path, *, workers: int) -> Iterator[str]:
    """Give the master's address for a block; sessions of this process find it on loopback."""
    places = {
        "SPARK_HOME": str(_HOME),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_LOCAL_DIRS": str(folder / "local"),
        "SPARK_WORKER_DIR": str(folder / "work"),
        "PYSPARK_PYTHON": sys.executable,
    }
    kept = dict(os.environ)
    os.environ.update(places)
    running = []
    try:
        log = folder / "master.log"
        running.append(_start(log, "master.Master", "--host", "127.0.0.1", "--port", "0", "--webui-port", "0"))
        master = _wait_for(log, _MASTER, 1)[0]
        options = ("--host", "127.0.0.1", "--cores", "1", "--memory", "1g", "--webui-port", "0", master)
        running += [_start(folder / f"worker{number}.log", "worker.Worker", *options) for number in range(workers)]
        _wait_for(log, _WORKER, workers)
        yield master
    finally:
        for process in reversed(running):
            process.terminate()
        for process in running:
            process.wait(30)
        os.environ.clear()
        os.environ.update(kept)


def _start(log: Path, what: str, *options: str) -> "subprocess.Popen[bytes]":
    with log.open("wb") as out:
        return subprocess.Popen(
            [_HOME / "bin/spark-class", f"org.apache.spark.deploy.{what}", *options], stderr=out, stdout=out
        )


def _wait_for(log: Path, line: "re.Pattern[str]", times: int) -> list[str]:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        found = [match[1] if match.groups() else match[0] for match in line.finditer(log.read_text())]
        if len(found) >= times:
            return found
        time.sleep(0.2)
    raise TimeoutError(f"{log}: {log.read_text()[-2_000:]}")
