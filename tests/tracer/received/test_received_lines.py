"""One line for each layout that mail software writes, and all that is to be read out of it (lines.jsonl)."""

import json
from dataclasses import fields
from datetime import datetime
from pathlib import Path

import pytest

from hoptrail_tracer.model import Kind, Received
from hoptrail_tracer.received import LONGEST_LINE, parse

CASES = [json.loads(line) for line in Path(__file__).with_name("lines.jsonl").read_text(encoding="ascii").splitlines()]


def shown(read: Received) -> dict[str, object]:
    """The fields of a parsed line that are there, as lines.jsonl has them."""
    values = {field.name: getattr(read, field.name) for field in fields(read)}
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in values.items()
        if value is not None
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_line_is_read_with_all_its_fields(case):
    assert shown(parse(case["line"])) == case["expected"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_line_folded_otherwise_reads_the_same(case):
    assert parse(case["line"].replace(" ", "\r\n\t ")) == parse(case["line"])


def test_line_over_the_bound_is_refused_with_the_reason():
    assert parse("x" * (LONGEST_LINE + 1)) == Received("unparseable", reason="too-long")


def test_line_at_the_bound_is_read():
    line = "from a.example (b.example [203.0.113.9]) by mx.example.org (Postfix) with SMTP id 4B1B8X; Mon, 1 Feb 2021 10:11:12 +0100"
    padded = line + " " * (LONGEST_LINE - len(line))
    assert parse(padded).ip == "203.0.113.9"


def test_empty_line_is_unparseable():
    assert parse("").status == "unparseable"


def test_parsed_line_cannot_be_changed():
    read = parse("from a.example ([203.0.113.9]) by mx.example.org with SMTP; Mon, 1 Feb 2021 10:11:12 +0100")
    with pytest.raises(AttributeError):
        read.ip = "192.0.2.1"


def test_parsed_line_equals_one_made_by_hand():
    read = parse("by mx.example.org with SMTP")
    assert read == Received("skipped", Kind.INTERNAL, "no-from", by="mx.example.org", protocol="SMTP")
    assert hash(read) == hash(Received("skipped", Kind.INTERNAL, "no-from", by="mx.example.org", protocol="SMTP"))
