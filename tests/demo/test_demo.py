"""The demo does what it says, and leaves nothing running, however it ends."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from testbed.places import TOP, wait_for

pytestmark = pytest.mark.mta


def start(folder: Path, screen: Path) -> subprocess.Popen:
    with screen.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, TOP / "demo/run.py", folder],
            env={**os.environ, "PYTHONPATH": str(TOP / "tests"), "COLUMNS": "120"},
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def private_folders(folder: Path) -> set[str]:
    """Those that the configuration of the demo with its output in `folder` speaks of."""
    found = set(re.findall(r"/run/hoptrail-[^/\"]+", (folder / "hoptrail.toml").read_text(encoding="utf-8")))
    assert len(found) >= 2
    return found


def left_behind(folder: Path) -> list[str]:
    """Processes and private folders of the demo whose output is in `folder`."""
    private = private_folders(folder)
    running = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().decode(errors="replace")
        except OSError:  # ended meanwhile
            continue
        running += [words for place in (*private, str(folder)) if place in words]
    return running + [place for place in private if Path(place).exists()]


def test_every_step_succeeds_and_all_is_stopped(tmp_path):
    folder, screen = tmp_path / "output", tmp_path / "screen"
    assert start(folder, screen).wait(150) == 0, screen.read_text()
    assert len(re.findall(r"^\d+\. ", screen.read_text(), re.MULTILINE)) == 10
    assert left_behind(folder) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_demo_stops_all(tmp_path, number):
    folder, screen = tmp_path / "output", tmp_path / "screen"
    demo = start(folder, screen)
    wait_for(lambda: "A dozen messages" in screen.read_text(), "the messages", log=screen, timeout_s=60)
    demo.send_signal(number)
    assert demo.wait(60) == 130, screen.read_text()
    assert left_behind(folder) == []


def test_killed_demo_leaves_no_process(tmp_path):
    folder, screen = tmp_path / "output", tmp_path / "screen"
    demo = start(folder, screen)
    wait_for(lambda: "A dozen messages" in screen.read_text(), "the messages", log=screen, timeout_s=60)
    demo.kill()
    demo.wait(60)
    private = private_folders(folder)
    wait_for(lambda: set(left_behind(folder)) <= private, "the end of every process")
    for place in private:
        shutil.rmtree(place)


def test_failing_step_ends_the_demo_with_1(tmp_path):
    folder, screen = tmp_path / "output", tmp_path / "screen"
    demo = start(folder, screen)
    wait_for((folder / "hoptrail.toml").exists, "the configuration", log=screen, timeout_s=60)
    (folder / "hoptrail.toml").write_text("[nonsense]\n", encoding="utf-8")
    assert demo.wait(60) == 1
    assert "The demo failed" in screen.read_text()
