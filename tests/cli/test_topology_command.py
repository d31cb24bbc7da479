"""`hoptrail topology`: filters, collections, one relay, comparisons, and errors that say what to do."""

import json
import re
import subprocess
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET

import networkx as nx
import pytest

from reports.night_samples import fill, message, settings

YESTERDAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(hours=12)
DAY = str(YESTERDAY.date())
BEFORE = str(YESTERDAY.date() - timedelta(days=1))
GRAPHML = "{http://graphml.graphdrawing.org/xmlns}"


@pytest.fixture
def config(tmp_path):
    mail = [
        message(f"gw{n % 3}.example.net", at=YESTERDAY + timedelta(seconds=n), points=9.0 * (n % 2)) for n in range(12)
    ]
    fill(settings(tmp_path), [*mail, message("gone.example", at=YESTERDAY - timedelta(days=1))])
    path = tmp_path / "hoptrail.toml"
    path.write_text(
        f'[site]\nhostname = "mx.example.org"\n[store]\npath = "{tmp_path}/store.sqlite"\n'
        f'[reports]\ndirectory = "{tmp_path}/reports"\n[abuse]\ndraft = false\n'
    )
    return path


@pytest.fixture
def topology(hoptrail, config):
    def run(*arguments, code=0):
        done = hoptrail("topology", *arguments, "--config", config)
        assert done.code == code, done.err
        return done

    return run


def test_filters_choose_the_mail_of_the_map(topology):
    graph = json.loads(topology("--spam", "--format", "json").out)
    assert graph["graph"]["messages"] == 6
    assert json.loads(topology("--sender-domain", "example.net", "--format", "json").out)["graph"]["messages"] == 12


def test_an_empty_window_says_which_days_have_mail(topology):
    done = topology("--since", "2020-01-01", code=1)
    assert done.err == f"hoptrail: no mail of 2020-01-01; there is mail of 2 days from {BEFORE} to {DAY}\n"


def test_a_store_without_mail_says_how_to_fill_it(hoptrail, config, tmp_path):
    hoptrail("import", "--config", config, "--store", tmp_path / "new.sqlite", "/nonexistent")
    config.write_text(f'[store]\npath = "{tmp_path}/new.sqlite"\n')
    assert "hoptrail import" in hoptrail("topology", "--config", config).err


def test_an_unknown_root_names_relays_like_it(topology):
    done = topology("--root", "gw.example.net", code=1)
    assert "passed a relay of this name; like it: gw" in done.err


def test_a_collection_is_made_listed_shown_drawn_and_deleted(topology):
    assert "12 messages" in topology("collections", "add", "november", "--since", DAY).out
    assert topology("collections").out.startswith(f"november: {DAY}, 12 messages")
    shown = json.loads(topology("collections", "show", "november", "--json").out)
    assert (shown["since"], shown["messages"], shown["anonymous"]) == (DAY, 12, False)
    assert "gw0" in topology("--collection", "november").out
    topology("collections", "delete", "november")
    assert topology("collections", "--json").out == "[]\n"


def test_a_collection_keeps_its_filter_and_root(topology):
    topology("collections", "add", "spam", "--since", DAY, "--spam", "--root", "GW1.example.net")
    [found] = json.loads(topology("collections", "--json").out)
    assert (found["filter"], found["root"], found["messages"]) == ({"spam": True}, "gw1.example.net", 2)


def test_an_anonymous_collection_shows_no_name(topology):
    topology("collections", "add", "hidden", "--since", DAY, "--anonymise")
    drawn = topology("--collection", "hidden", "--format", "csv").out
    assert "example" not in drawn
    assert ".invalid" in drawn


def test_collections_are_drawn_side_by_side_with_ids_of_their_own(topology):
    topology("collections", "add", "one", "--since", BEFORE)
    topology("collections", "add", "two", "--since", DAY)
    drawn = topology("--collection", "one", "--collection", "two").out
    ids = re.findall(r'\bid="([^"]*)"', drawn)
    assert len(ids) == len(set(ids))
    assert ET.fromstring(drawn.encode()).tag.endswith("svg")
    page = topology("--collection", "one", "--collection", "two", "--format", "html").out
    assert page.count("<h2>") == 2


def test_output_is_what_its_name_ends_in_unless_a_format_is_given(topology, tmp_path):
    output = tmp_path / "map.json"
    topology("--since", DAY, "--output", output)
    assert json.loads(output.read_text())["nodes"]
    topology("--since", DAY, "--output", output, "--format", "csv")
    assert output.read_text().startswith("source,target,")
    topology("--since", DAY, "--output", tmp_path / "map.picture")
    assert (tmp_path / "map.picture").read_text().startswith("<?xml")
    topology("compare", BEFORE, DAY, "--output", tmp_path / "changes.html")
    assert "<h2>What differs</h2>" in (tmp_path / "changes.html").read_text()


def test_anomalies_of_a_day_without_a_report_say_how_to_get_them(topology):
    said = topology("anomalies", "--day", "2002-08-22", code=1).err
    assert said.startswith("hoptrail: 2002-08-22: no night has reported on it")
    assert "hoptrail nightly --day" in said


def test_a_collection_takes_no_other_days_or_root(topology):
    topology("collections", "add", "one", "--since", DAY)
    assert "make another one" in topology("--collection", "one", "--root", "gw1.example.net", code=2).err
    assert (
        "takes one collection" in topology("--collection", "one", "--collection", "one", "--format", "dot", code=2).err
    )


def test_an_unknown_collection_names_those_there_are(topology):
    topology("collections", "add", "one", "--since", DAY)
    assert "no collection of this name; there is one" in topology("--collection", "two", code=2).err


def test_collections_and_days_are_compared_in_every_format(topology):
    topology("collections", "add", "before", "--since", BEFORE)
    assert "relays that came: 3\n  gw0.example.net" in topology("compare", "before", DAY).out
    assert ["gone.example", "mx.example.org"] in json.loads(topology("compare", "before", DAY, "--format", "json").out)[
        "links_removed"
    ]
    assert "<h2>What differs</h2>" in topology("compare", "before", DAY, "--format", "html").out
    assert topology("compare", BEFORE, DAY, "--format", "svg").out.startswith("<?xml")


def test_relay_tells_links_delays_ranks_addresses_and_software(topology):
    text = topology("relay", "GW1.example.net").out
    assert "4 messages, 33% of all" in text
    assert "ranks: 1: 4" in text
    assert "addresses: 192.0.2.9" in text
    assert "mail went to: 1 relay\n  mx.example.org: 4 messages" in text
    found = json.loads(topology("relay", "gw1.example.net", "--json").out)
    assert (found["row"], found["standing"], found["reach"]["median_s"]) == (1, "seen", 3.0)
    assert found["links_out"][0]["delays"]["n"] == 4


def test_relay_takes_an_address_without_brackets(topology):
    assert json.loads(topology("relay", "198.51.100.7", "--json").out)["relay"] == "[198.51.100.7]"


def test_relay_of_an_unknown_host_names_those_like_it(topology):
    assert "like it: gw" in topology("relay", "gw9.example.net", code=1).err


def test_graphml_has_what_gephi_asks_for(topology):
    """Typed keys, each declared once, ids unique, and the weight of a link as a number."""
    text = topology("--format", "graphml").out
    root = ET.fromstring(text)
    keys = root.findall(f"{GRAPHML}key")
    assert len({key.get("id") for key in keys}) == len(keys)
    assert {key.get("attr.type") for key in keys} <= {"string", "int", "long", "float", "double", "boolean"}
    assert {key.get("for") for key in keys} <= {"node", "edge", "graph"}
    [weight] = [key for key in keys if key.get("attr.name") == "weight" and key.get("for") == "edge"]
    assert weight.get("attr.type") == "double"
    [graph] = root.findall(f"{GRAPHML}graph")
    assert graph.get("edgedefault") == "directed"
    nodes = [node.get("id") for node in graph.findall(f"{GRAPHML}node")]
    assert len(set(nodes)) == len(nodes)
    assert {element.get("key") for element in graph.iter(f"{GRAPHML}data")} <= {key.get("id") for key in keys}
    edges = graph.findall(f"{GRAPHML}edge")
    assert {edge.get(end) for edge in edges for end in ("source", "target")} <= set(nodes)
    read = nx.parse_graphml(text)
    assert sum(values["weight"] for _, _, values in read.edges(data=True)) == 24


def test_dot_is_drawn_by_graphviz(topology):
    text = topology("--format", "dot").out
    drawn = subprocess.run(["dot", "-Tsvg"], input=text, capture_output=True, text=True, check=True)
    assert drawn.stderr == ""
    assert "gw0.example.net" in drawn.stdout
    assert drawn.stdout.count('class="edge"') == 6
