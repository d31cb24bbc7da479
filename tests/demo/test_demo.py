"""The demo does what it says, and leaves nothing running, however it ends."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.places import TOP, private_folder, wait_for

pytestmark = pytest.mark.mta


def _hear_interrupts() -> None:
    """Whoever runs the tests in a shell's background has its children ignore SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Show:
    """A running demo: its screen, the folder that it leaves, and the one below which everything private is."""

    def __init__(self, private: Path, folder: Path) -> None:
        self.private = private
        self.output = folder / "output"
        self._screen = folder / "screen"
        with self._screen.open("wb") as screen:
            self.process = subprocess.Popen(
                [sys.executable, TOP / "demo/run.py", self.output],
                env={**os.environ, "PYTHONPATH": str(TOP / "tests"), "HOPTRAIL_RUN": str(private), "COLUMNS": "120"},
                stdout=screen,
                stderr=subprocess.STDOUT,
                preexec_fn=_hear_interrupts,  # noqa: PLW1509 - no thread runs here
            )

    def screen(self) -> str:
        return self._screen.read_text(encoding="utf-8")

    def wait_for(self, words: str) -> None:
        wait_for(lambda: words in self.screen(), repr(words), log=self._screen, timeout_s=60)

    def exit_code(self) -> int:
        return self.process.wait(120)

    def processes(self) -> list[str]:
        """The command lines of what speaks of the private folder, or has a part of it mounted."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                words = (process / "cmdline").read_bytes().decode(errors="replace")
                mounts = (process / "mountinfo").read_text(encoding="utf-8")
            except OSError:  # ended meanwhile
                continue
            if self.private.name in words or self.private.name in mounts:
                found.append(words)
        return found


@pytest.fixture
def show(tmp_path) -> Iterator[Show]:
    with private_folder("demo") as private:
        running = Show(private, tmp_path)
        yield running
        running.process.kill()
        running.process.wait()


def test_every_step_succeeds_and_all_is_stopped(show):
    assert show.exit_code() == 0, show.screen()
    assert len(re.findall(r"^\d+\. ", show.screen(), re.MULTILINE)) == 10
    assert list(show.output.glob("reports/*/index.html"))
    assert show.processes() == []
    assert list(show.private.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_demo_stops_all(show, number):
    show.wait_for("A dozen messages")
    assert show.processes()
    show.process.send_signal(number)
    assert show.exit_code() == 130, show.screen()
    assert show.processes() == []
    assert list(show.private.iterdir()) == []


def test_killed_demo_leaves_no_process(show):
    show.wait_for("A dozen messages")
    show.process.kill()
    show.process.wait()
    wait_for(lambda: not show.processes(), "the end of every process")


def test_failing_step_ends_the_demo_with_1(show):
    wait_for((show.output / "hoptrail.toml").exists, "the configuration", timeout_s=60)
    (show.output / "hoptrail.toml").write_text("[nonsense]\n", encoding="utf-8")
    assert show.exit_code() == 1
    assert "The demo failed" in show.screen()
    assert show.processes() == []
