import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import networkx as nx
import pytest
from click.testing import CliRunner

from hoptrail.commands.nightly import command as nightly
from hoptrail.commands.topology import command as topology
from hoptrail_reports.errors import OpenDayError, UnknownRelayError
from hoptrail_reports.pages.folder import NightsFolder
from reports.night_samples import fill, message, refused, settings

HOPTRAIL = Path(sys.executable).with_name("hoptrail")
YESTERDAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(hours=12)


@pytest.fixture
def config(tmp_path):
    fill(
        settings(tmp_path),
        [message(f"gw{n % 3}.example.net", at=YESTERDAY + timedelta(seconds=n)) for n in range(12)],
        [refused(at=YESTERDAY)],
    )
    path = tmp_path / "hoptrail.toml"
    path.write_text(
        f'[site]\nhostname = "mx.example.org"\n[store]\npath = "{tmp_path}/store.sqlite"\n'
        f'[reports]\ndirectory = "{tmp_path}/reports"\n[abuse]\ndraft = false\n'
    )
    return path


def run(command, config, *arguments):
    return CliRunner().invoke(command, ["--config", str(config), *arguments])


def test_nightly_reports_yesterday_and_prints_what_cron_mails(config):
    done = run(nightly, config)
    assert done.exit_code == 0
    assert "messages                    12" in done.output
    assert f"{config.parent}/reports/{YESTERDAY.date()}/index.html" in done.output


def test_nightly_says_where_the_pages_of_an_old_day_will_not_stay(config):
    assert "the next night deletes those of 2002-08-22" in run(nightly, config, "--day", "2002-08-22").output
    assert "the next night deletes" not in run(nightly, config).output


def test_root_goes_on_as_the_folders_owner(tmp_path):
    owner = 65534 if os.geteuid() == 0 else os.geteuid()  # root may give the folder away, others have their own
    os.chown(tmp_path, owner, -1)
    script = "import os, pathlib, sys; from hoptrail.account import become_owner; "
    script += "become_owner(pathlib.Path(sys.argv[1])); print(os.getresuid(), 0 in os.getgroups())"
    done = subprocess.run([sys.executable, "-c", script, tmp_path], check=True, capture_output=True, text=True)
    assert done.stdout == f"{(owner,) * 3} {os.geteuid() != 0 and 0 in os.getgroups()}\n"


def test_nightly_refuses_today(config):
    done = run(nightly, config, "--day", str(datetime.now(UTC).date()))
    assert isinstance(done.exception, OpenDayError)


def test_the_same_night_is_the_same_to_the_byte_in_any_process(config):
    found = []
    for seed in ("1", "2"):
        subprocess.run(
            [HOPTRAIL, "nightly", "--config", config],
            env=os.environ | {"PYTHONHASHSEED": seed},
            check=True,
            stdout=subprocess.DEVNULL,
        )
        place = config.parent / "reports" / "latest"
        found.append({path.name: path.read_bytes() for path in place.rglob("*") if path.is_file()})
    assert len(found[0]) > 6
    assert found[0] == found[1]


def test_a_second_nightly_job_says_so_on_one_line_and_leaves(config):
    with NightsFolder(config.parent / "reports").locked():
        done = subprocess.run(
            [HOPTRAIL, "nightly", "--config", config],
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert "another nightly job is at work" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("form", "beginning"),
    [
        ("svg", "<?xml"),
        ("html", "<!doctype html>"),
        ("dot", "digraph"),
        ("csv", "source,target,"),
        ("graphml", "<graphml"),
    ],
)
def test_topology_writes_every_format(config, form, beginning):
    done = run(topology, config, "--format", form)
    assert done.exit_code == 0
    assert done.output.startswith(beginning)
    assert "gw0.example.net" in done.output


def test_topology_counts_what_passed_a_chosen_root(config):
    day = str(YESTERDAY.date())
    onwards = run(topology, config, "--since", day, "--root", "GW1.example.net", "--onwards", "--format", "json")
    graph = nx.node_link_graph(json.loads(onwards.output), edges="links")
    assert {name: values["row"] for name, values in graph.nodes.items()} == {"gw1.example.net": 0, "mx.example.org": 1}
    back = run(topology, config, "--since", day, "--root", "gw1.example.net", "--format", "json")
    graph = nx.node_link_graph(json.loads(back.output), edges="links")
    assert set(graph) == {"gw1.example.net", "[198.51.100.7]"}


def test_topology_groups_what_is_alike(config, tmp_path):
    out = tmp_path / "map.json"
    assert run(topology, config, "--group", "--format", "json", "-o", str(out)).exit_code == 0
    names = {node["id"] for node in json.loads(Path(out).read_text())["nodes"]}
    assert any(name.startswith("3 of example.net (row 1") for name in names)


def test_topology_knows_no_relay_that_no_mail_passed(config):
    done = run(topology, config, "--root", "nowhere.example")
    assert isinstance(done.exception, UnknownRelayError)


def test_topology_refuses_a_span_that_ends_before_it_begins(config):
    done = run(topology, config, "--since", "2026-11-02", "--until", "2026-11-01")
    assert done.exit_code == 2
    assert "lies before" in done.output


def test_topology_compare_says_what_came_and_went(config):
    day, before = YESTERDAY.date(), YESTERDAY.date() - timedelta(days=1)
    fill(settings(config.parent), [message("gone.example", at=YESTERDAY - timedelta(days=1))])
    arguments = ["compare", f"{before}..{before}", str(day), "--config", str(config)]
    done = CliRunner().invoke(topology, arguments)
    assert done.exit_code == 0
    assert "relays that came: 3\n  gw0.example.net\n" in done.output
    assert "relays that went: 1\n  gone.example\n" in done.output
    found = json.loads(CliRunner().invoke(topology, [*arguments, "--json"]).output)
    assert ["gone.example", "mx.example.org"] in found["links_removed"]


def test_topology_refuses_options_that_compare_would_not_see(config):
    done = run(topology, config, "compare", "2026-11-01", "2026-11-02")
    assert done.exit_code == 2
    assert "options of compare stand after it" in done.output


@pytest.mark.parametrize("span", ["yesterday", "2026-11-02..2026-11-01", "2026-11-01..2026-11-02..2026-11-03", ".."])
def test_topology_compare_refuses_what_is_no_span(config, span):
    assert CliRunner().invoke(topology, ["compare", span, "2026-11-01", "--config", str(config)]).exit_code == 2
