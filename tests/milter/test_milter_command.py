"""`hoptrail milter` as a postmaster starts it."""

import signal
import subprocess
import sys
from pathlib import Path

from hoptrail_milter.endpoint import parse_endpoint
from hoptrail_milter.status import fetch
from testbed.places import private_folder, wait_for
from testbed.service import Service

HOPTRAIL = Path(sys.executable).with_name("hoptrail")


def write(folder, more=""):
    path = folder / "hoptrail.toml"
    path.write_text(
        f'[store]\npath = "{folder}/store.sqlite"\n'
        f'[milter]\nsocket = "unix:{folder}/milter.sock"\nstatus = "unix:{folder}/status.sock"\nworkers = 1\n{more}',
        encoding="utf-8",
    )
    return path


def test_daemon_starts_from_its_file_reloads_and_stops():
    with private_folder("milter") as folder:
        path = write(folder)
        daemon = Service([HOPTRAIL, "milter", "--config", path], log=folder / "log")
        try:
            daemon.wait_until(lambda: "ready" in daemon.log.read_text(), "the milter")
            where = parse_endpoint(f"unix:{folder}/status.sock")
            write(folder, "observe_only = true\n")
            daemon.signal(signal.SIGHUP)
            wait_for(lambda: fetch(where)["counters"]["reloads"] == 1, "the reload", log=daemon.log)
            write(folder, "obseve_only = true\n")
            daemon.signal(signal.SIGHUP)
            wait_for(lambda: "obseve_only" in daemon.log.read_text(), "the complaint", log=daemon.log)
        finally:
            code = daemon.stop()
        assert code == 0


def test_daemon_that_cannot_listen_says_why():
    with private_folder("milter") as folder:
        path = write(folder)
        path.write_text(path.read_text().replace("/milter.sock", "/nowhere/milter.sock"), encoding="utf-8")
        ended = subprocess.run(
            [HOPTRAIL, "milter", "--config", path], capture_output=True, text=True, check=False, timeout=30
        )
    assert ended.returncode == 1
    assert f"{folder}/nowhere does not exist" in ended.stderr
    assert f"install -d -o hoptrail -m 0750 {folder}/nowhere" in ended.stderr
    assert "Traceback" not in ended.stderr
