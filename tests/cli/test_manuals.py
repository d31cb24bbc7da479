"""The manual pages and the sample configuration say what the program does."""

import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]


def test_pages_and_sample_are_what_the_program_says():
    command = [sys.executable, TOP / "tools/manuals.py", "--check"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
