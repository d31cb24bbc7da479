"""`hoptrail archive`, and what status and doctor say of the archive."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hoptrail_store.settings import StoreSettings
from hoptrail_store.store import Store
from store.samples import a_trace, record_maker

HOPTRAIL = Path(sys.executable).with_name("hoptrail")
LAST_WEEK = datetime.now(UTC) - timedelta(days=5)


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "hoptrail.toml"
    path.write_text(
        f'[site]\nhostname = "mx1.example.org"\n[store]\npath = "{tmp_path}/store.sqlite"\n'
        f'archive = "{tmp_path}/archive"\n[milter]\nstatus = "unix:{tmp_path}/status.sock"\n'
    )
    make = record_maker()
    with Store.open(StoreSettings(path=str(tmp_path / "store.sqlite"))) as store:
        store.put([make(number, at=LAST_WEEK, trace=a_trace(LAST_WEEK)) for number in range(3)])
    return path


def hoptrail(config, *arguments):
    return subprocess.run(
        [HOPTRAIL, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "HOPTRAIL_CONFIG": str(config)},
    )


def test_closed_days_are_moved_and_drawn_as_before(config, tmp_path):
    span = ("topology", "--since", str(LAST_WEEK.date()), "--format", "json")
    before = hoptrail(config, *span)
    done = hoptrail(config, "archive")
    assert (done.stdout, done.stderr, done.returncode) == ("9 hops of 1 days moved, 0 old messages deleted\n", "", 0)
    assert (tmp_path / "archive" / f"date={LAST_WEEK.date()}" / "host=mx1.example.org" / "part=1").is_dir()
    assert json.loads(before.stdout)["nodes"]
    assert hoptrail(config, *span).stdout == before.stdout
    assert "9 hops of 1 days" in hoptrail(config, "status").stdout


def test_without_an_archive_it_says_which_option_to_set(config):
    config.write_text(config.read_text().replace("archive =", "#"))
    done = hoptrail(config, "archive")
    assert done.returncode == 2
    assert "[store] archive is empty" in done.stderr


def test_a_damaged_file_of_the_archive_is_named(config, tmp_path):
    hoptrail(config, "archive")
    [path] = (tmp_path / "archive").glob("*/*/*/hops.parquet")
    path.write_bytes(path.read_bytes()[:100])
    done = hoptrail(config, "topology", "--since", str(LAST_WEEK.date()))
    assert done.returncode == 1
    assert f"{path}: damaged" in done.stderr


def test_doctor_says_whether_days_can_move(config):
    assert "archive" in hoptrail(config, "doctor").stdout
