import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[3]


def test_the_figures_in_the_docs_are_what_the_program_draws():
    done = subprocess.run(
        [sys.executable, TOP / "tools/figures.py", "--check"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
