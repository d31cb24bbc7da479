"""What `hoptrail status` shows of a running milter, also where its store is out of order."""

import json
import re
import subprocess

import pytest

from testbed.daemon import running_daemon
from testbed.places import wait_for

KEY = "customerskey"  # of Spamhaus' own resolvers
ZONES = ("bl.example.net=127.0.0.2", f"{KEY}.zen.dq.spamhaus.net")


@pytest.fixture(scope="module")
def daemon():
    lookups = {"nameservers": ("127.0.0.1@9",), "dns_timeout_s": 0.1, "zones": ZONES}
    with running_daemon(lookups=lookups) as running:
        wait_for(lambda: len(running.status()["zones_paused"]) == 4, "the list's test", log=running.service.log)
        yield running


@pytest.fixture
def config(tmp_path, daemon):
    path = tmp_path / "hoptrail.toml"
    path.write_text(
        f'[store]\npath = "{daemon.settings.store.path}"\n[milter]\nstatus = "{daemon.settings.milter.status}"\n'
    )
    return path


def test_milter_is_shown_where_there_is_no_store_yet(hoptrail, config):
    done = hoptrail("status", "--config", config)
    assert done.code == 0
    assert "there is no store" in done.out
    assert "0 in 2 workers" in done.out


def test_lists_that_are_left_alone_are_named_with_the_reason(hoptrail, config):
    done = hoptrail("status", "--config", config)
    assert done.out.count("bl.example.net (IPv") == 2
    assert "no answer within 0.1 s" in done.out


def test_everything_is_there_for_programs(hoptrail, config):
    live = json.loads(hoptrail("status", "--config", config, "--json").out)["milter"]
    assert live["counters"]["waiting_store_bytes"] == 0
    assert {zone["zone"] for zone in live["zones_paused"]} == {"bl.example.net", "zen.spamhaus.org"}
    assert live["harvesters"] == []


def test_store_that_cannot_be_read_is_a_failure_and_the_milter_is_shown(hoptrail, config, tmp_path):
    broken = tmp_path / "broken.sqlite"
    broken.write_bytes(b"this is no database" * 1000)
    config.write_text(re.sub('path = ".*"', f'path = "{broken}"', config.read_text()))
    done = hoptrail("status", "--config", config)
    assert (done.code, "in 2 workers" in done.out) == (1, True)
    done = hoptrail("status", "--config", config, "--json")
    assert (done.code, "not an SQLite file" in json.loads(done.out)["store_fault"]) == (1, True)


def test_neither_store_nor_milter_is_a_failure(hoptrail, tmp_path):
    path = tmp_path / "hoptrail.toml"
    path.write_text(f'[store]\npath = "{tmp_path}/absent"\n[milter]\nstatus = "unix:{tmp_path}/absent"\n')
    done = hoptrail("status", "--config", path)
    assert done.code == 1
    assert "there is no store" in done.err


def test_no_secret_is_shown_or_logged(hoptrail, config, daemon):
    metrics = subprocess.run(
        [
            "curl",
            "-s",
            "--unix-socket",
            daemon.settings.milter.status.removeprefix("unix:"),
            "http://localhost/metrics",
        ],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert 'hoptrail_zone_paused{zone="zen.spamhaus.org",version="4"} 1' in metrics
    shown = hoptrail("status", "--config", config).out + hoptrail("status", "--config", config, "--json").out
    assert KEY not in metrics + shown + daemon.log()
