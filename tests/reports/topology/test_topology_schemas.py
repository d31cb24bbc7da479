"""What the commands write as JSON is what docs/topology.schema.json and docs/anomalies.schema.json say."""

import json
from datetime import date
from pathlib import Path

import jsonschema
import pytest

from hoptrail_reports.detectors.finding import Finding, finding_figures
from hoptrail_reports.topology import export
from hoptrail_reports.topology.colours import Colour
from hoptrail_reports.topology.graph import Standing, relay_map
from hoptrail_reports.topology.traffic import traffic
from reports.topology.relay_samples import way

DOCS = Path(__file__).parents[3] / "docs"


def schema(name):
    found = json.loads((DOCS / name).read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(found)
    return found


@pytest.fixture
def graph():
    return schema("topology.schema.json")


def test_a_map_is_as_its_schema_says(graph):
    ways = [way("out.example", "mx.example"), way("[203.0.113.9]", "out.example", "mx.example", "store.example")]
    written = json.loads(export.node_link_json(relay_map(traffic(ways))))
    assert written["links"]
    jsonschema.validate(written, graph)
    assert graph["$defs"]["link"]["properties"]["colour"]["enum"] == list(Colour)
    assert graph["$defs"]["relay"]["properties"]["standing"]["enum"] == list(Standing)


def test_the_schema_of_a_map_knows_each_field_and_no_other(graph):
    written = json.loads(export.node_link_json(relay_map(traffic([way("out.example", "mx.example")]))))
    written["links"][0]["more"] = 1
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(written, graph)


@pytest.mark.parametrize("since", [None, date(2026, 11, 18)])
def test_findings_are_as_their_schema_says(since):
    one = Finding("silence", "a.example -> b.example", 0.9, "It stopped.", {"hours": 18}, "a.example", since)
    written = json.loads(json.dumps([{"day": "2026-11-20", "findings": [finding_figures(one)]}]))
    jsonschema.validate(written, schema("anomalies.schema.json"))
