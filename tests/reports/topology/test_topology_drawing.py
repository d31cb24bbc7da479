import csv
import io
import json
import re
import xml.etree.ElementTree as ET
from collections import Counter
from itertools import pairwise

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoptrail_reports.topology import export, svg
from hoptrail_reports.topology.colours import Colour, Thresholds
from hoptrail_reports.topology.fold import fold
from hoptrail_reports.topology.graph import Standing, relay_map
from hoptrail_reports.topology.grouping import contract
from hoptrail_reports.topology.layout import BOX_HEIGHT, place
from hoptrail_reports.topology.traffic import traffic
from reports.topology.relay_samples import way, ways

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = st.text(min_size=1, max_size=40)


@pytest.fixture(scope="module")
def large():
    return relay_map(traffic(ways(1_500, 6_000)))


def test_every_relay_is_in_exactly_one_box_and_no_row_has_too_many(large):
    folded = fold(large, servers=10, domains=4)
    assert Counter(relay for row in folded.rows for node in row for relay in node.relays) == Counter(list(large.relays))
    assert max(len(row) for row in folded.rows) <= 15


def test_a_row_names_its_busiest_then_domains_then_others(large):
    row = fold(large, servers=10, domains=4).rows[2]
    assert [node.kind for node in row] == ["relay"] * 10 + ["domain"] * 4 + ["others"]
    named = [node.messages for node in row[:10]]
    assert named == sorted(named, reverse=True)
    assert named[-1] >= max(large.relays[relay].messages for node in row[10:] for relay in node.relays)


def test_folding_loses_no_handover(large):
    folded = fold(large)
    home = {relay: node for row in folded.rows for node in row for relay in node.relays}
    between = sum(e.total.traversals for e in large.edges.values() if home[e.source] is not home[e.target])
    assert sum(line.traversals for line in folded.lines if line.source is not line.target) == between


def test_lines_of_others_have_no_colour_unless_mail_went_in_a_circle(large):
    for line in fold(large).lines:
        if "others" in (line.source.kind, line.target.kind):
            assert line.colour in {Colour.NONE, Colour.GREEN}


def test_boxes_of_a_row_do_not_overlap_and_lie_inside_the_picture(large):
    layout = place(fold(large))
    rows = {}
    for box in layout.boxes.values():
        rows.setdefault(box.y, []).append(box)
        assert box.x - box.width / 2 >= 0
        assert box.x + box.width / 2 <= layout.width
        assert box.y + BOX_HEIGHT / 2 <= layout.height
    for boxes in rows.values():
        boxes.sort(key=lambda box: box.x)
        for left, right in pairwise(boxes):
            assert left.x + left.width / 2 < right.x - right.width / 2


@given(HOSTILE, HOSTILE)
def test_the_picture_is_well_formed_and_inert_whatever_relays_are_called(name, other):
    relays = relay_map(traffic([way(name, other, "mx.example")]))
    root = ET.fromstring(svg.standalone(svg.draw(relays, fold(relays), title=name, new={name})))
    assert {element.tag for element in root.iter()} <= {
        f"{SVG}{tag}"
        for tag in ("svg", "title", "desc", "defs", "marker", "path", "g", "line", "text", "rect", "a", "style")
    }
    assert not [key for element in root.iter() for key in element.attrib if key.lower().startswith("on")]


def test_map_on_its_own_explains_each_colour_in_words_and_by_its_dashes(large):
    root = ET.fromstring(svg.standalone(svg.draw(large, fold(large), title="map"), Thresholds(0.9, 0.1)))
    [legend] = [g for g in root.iter() if g.get("class") == "legend"]
    entries = {" ".join(g.find(f"{SVG}text").itertext()): g for g in legend}
    assert {"backbone: 90% of all mail or more", "rare: under 10% of all mail"} <= set(entries)
    signs = {sign.get("class") for g in legend for sign in g.findall(f"{SVG}g")}
    assert {*(f"line {colour}" for colour in Colour), *(f"box {standing}" for standing in Standing)} <= signs
    _, _, width, height = map(float, root.get("viewBox").split())
    for words, entry in entries.items():
        x, y = map(float, entry.get("transform").removeprefix("translate(").rstrip(")").split())
        assert x + 52 + len(words) * svg.CHAR_WIDTH < width
        assert place(fold(large)).height < y < height


def test_every_box_and_line_has_a_tooltip_that_says_what_its_colour_says(large):
    root = ET.fromstring(svg.draw(large, fold(large), title="map"))
    groups = [g for g in root.iter() if (g.get("class") or "").startswith(("box", "line "))]
    assert len(groups) > 50
    for group in groups:
        words = group.findtext(f"{SVG}title")
        assert words
        if group.get("class").startswith("line"):
            assert words.splitlines()[1].rpartition(": ")[2] in {"loop", "backbone", "common", "rare", "folded"}


def test_a_box_leads_to_its_relays_page():
    relays = relay_map(traffic([way("a.example", "mx.example")]))
    drawn = svg.draw(relays, fold(relays), title="map", link_to={"a.example": "relays/a&b.html"}.get)
    [link] = ET.fromstring(drawn).iter(f"{SVG}a")
    assert link.get("href") == "relays/a&b.html"


def test_the_same_mail_gives_the_same_picture():
    one, other = (relay_map(traffic(ways(200, 2_000, seed=3))) for _ in range(2))
    assert svg.draw(one, fold(one), title="map") == svg.draw(other, fold(other), title="map")


def test_grouping_keeps_every_message_and_hop_in_its_sums(large):
    grouped = contract(large)
    assert len(grouped.relays) < len(large.relays)
    assert sum(stats.messages for stats in grouped.relays.values()) == sum(s.messages for s in large.relays.values())

    def hops(relays):
        inside = sum(use.traversals for use in relays.filters.values())
        return inside + sum(edge.total.traversals for edge in relays.edges.values())

    assert hops(grouped) == hops(large)
    assert set(grouped.rows) == set(grouped.relays) == set(grouped.standing)


def test_graphml_comes_back_with_its_figures(large):
    graph = nx.parse_graphml(export.graphml(large))
    assert graph.number_of_nodes() == len(large.relays)
    edge = large.edges["mx1.example.org", "store.example.org"]
    assert graph.edges["mx1.example.org", "store.example.org"]["weight"] == edge.total.traversals


@given(HOSTILE, HOSTILE)
def test_no_name_breaks_an_export(name, other):
    relays = relay_map(traffic([way(name, other, "mx.example")]))
    nx.parse_graphml(export.graphml(relays))
    json.loads(export.node_link_json(relays))
    rows = list(csv.DictReader(io.StringIO(export.links_csv(relays))))
    assert all(row["source"][:1] not in {"=", "+", "-", "@"} for row in rows)
    quotes = re.findall(r'(?<!\\)(?:\\\\)*"', export.dot(relays))
    assert len(quotes) % 2 == 0


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20", " ="])
def test_no_spreadsheet_takes_a_name_for_a_formula(sign):
    relays = relay_map(traffic([way(f'{sign}HYPERLINK("x")', "mx.example")]))
    [row] = csv.DictReader(io.StringIO(export.links_csv(relays)))
    assert row["source"].startswith("'")


def test_json_is_what_networkx_reads(large):
    graph = nx.node_link_graph(json.loads(export.node_link_json(large)), edges="links")
    assert graph.number_of_edges() == len(large.edges)


def test_csv_has_the_busiest_link_first(large):
    rows = list(csv.DictReader(io.StringIO(export.links_csv(large))))
    weights = [int(row["weight"]) for row in rows]
    assert weights == sorted(weights, reverse=True)
    assert len(rows) == len(large.edges)
