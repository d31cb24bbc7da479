"""Header fields out of raw messages, and chains out of lines of JSON."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoptrail_tracer.chainlines import ChainLineError, parse_chain_line
from hoptrail_tracer.errors import TracerError
from hoptrail_tracer.messages import MAX_HEADER_BYTES, read_fields, received_values


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_fields_come_from_the_top_with_their_folding(end):
    header = [b"Received: from a", b"\tby b;", b" date", b"RECEIVED : second", b"Subject:", b"", b"Received: body"]
    fields = read_fields(end.join(header))
    assert fields == (("Received", "from a\n\tby b;\n date"), ("RECEIVED", "second"), ("Subject", ""))
    assert received_values(fields) == ("from a\n\tby b;\n date", "second")


@pytest.mark.parametrize(
    "before",
    [b"From a@b Sat Mar  1 12:00:00 2025\n", b"\n\n", b">From x\n", b"\xef\xbb\xbf", b" stray\n", b"no field\n"],
)
def test_what_stands_before_or_between_fields_is_passed_over(before):
    assert received_values(read_fields(before + b"Received: x\n\n")) == ("x",)


def test_undecodable_bytes_become_surrogates_and_utf_8_is_read():
    assert read_fields(b"A: \xff\xc3\xbc\n") == (("A", "\udcff\xfc"),)


def test_header_beyond_the_bound_is_not_read():
    fields = read_fields(b"A: " + b"x" * MAX_HEADER_BYTES + b"\nB: y\n")
    assert [name for name, _ in fields] == ["A"]


@given(st.binary(max_size=500))
def test_fields_of_anything_are_read(content):
    for name, value in read_fields(content):
        assert name.isascii()
        value.encode("utf-8", "surrogateescape")


def test_chain_line_gives_the_chain_the_connection_and_the_fields():
    line = json.dumps(
        {
            "received": ["a", "b\udcff"],
            "connection": {"ip": "203.0.113.5", "helo": "x", "rdns": None, "date": "2025-03-01T12:00:00+00:00"},
            "fields": [["A", "b"]],
            "more": 1,
        }
    )
    chain = parse_chain_line(line)
    assert chain.received == ("a", "b\udcff")
    assert chain.connection is not None
    assert (chain.connection.ip, chain.connection.helo, chain.connection.rdns) == ("203.0.113.5", "x", None)
    assert chain.fields == (("A", "b"),)
    assert parse_chain_line('{"received": []}').connection is None


@pytest.mark.parametrize(
    "line",
    [
        "",
        "nonsense",
        "[]",
        "{}",
        '{"received": "x"}',
        '{"received": [1]}',
        '{"received": [], "connection": []}',
        '{"received": [], "connection": {"ip": 5}}',
        '{"received": [], "connection": {"port": true}}',
        '{"received": [], "connection": {"date": "yesterday"}}',
        '{"received": [], "connection": {"date": "2025-03-01T12:00:00"}}',
        '{"received": [], "fields": {}}',
        '{"received": [], "fields": [["a"]]}',
        "[" * 100_000,
    ],
)
def test_chain_line_that_is_none_is_refused(line):
    with pytest.raises(ChainLineError) as refusal:
        parse_chain_line(line)
    assert isinstance(refusal.value, TracerError)
