import runpy
from pathlib import Path

import pytest

BENCH = runpy.run_path(str(Path(__file__).parents[3] / "bench/innocents.py"))


@pytest.mark.parametrize("seed", [1, 101])
def test_forged_chains_accuse_no_innocent_and_most_guilty_are_found(seed):
    found = BENCH["run"](5_000, seed)
    assert found["accused"] == 0
    assert found["drafts"] > 1_500, "six ways in fifteen have a guilty one"
