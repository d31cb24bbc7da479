"""The trace as JSON and as a transcript, whatever the mail held."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hoptrail_tracer.anomalies import WEIGHTS
from hoptrail_tracer.chain import trace
from hoptrail_tracer.document import format_document, found_document, trace_document
from hoptrail_tracer.model import AddressFacts, Connection, Contact, ContactAnswer, ZoneResult
from hoptrail_tracer.origin import BASES
from hoptrail_tracer.printable import printable
from hoptrail_tracer.rules import Rule
from hoptrail_tracer.settings import SiteSettings
from hoptrail_tracer.transcript import Found, transcript
from tracer.trust.chains import compose

TOP = Path(__file__).resolve().parents[3]
SCHEMA = json.loads((TOP / "docs" / "trace.schema.json").read_text(encoding="utf-8"))
VALID = jsonschema.Draft202012Validator(SCHEMA)
OWN = SiteSettings(networks=("192.0.2.0/24",))
LINE = "from x (dsl.isp.example [203.0.113.5]) by mx.example.org (Postfix) with ESMTP id 4B5A1B2C3D; Sat, 1 Mar 2025 12:00:00 +0000"
FOUND = Found(
    AddressFacts(
        "203.0.113.5",
        name="dsl.isp.example",
        name_confirmed=True,
        asn=64500,
        as_name="ISP",
        country="NL",
        zones=(ZoneResult("zen.example", "listed", ("127.0.0.4",)), ZoneResult("slow.example", "late")),
        missing=(("place", "late"),),
    ),
    ContactAnswer("203.0.113.5", "found", (Contact("abuse@isp.example", "rdap", 0.9),)),
    mail_host_of="isp.example",
    is_mail_host=False,
)


@pytest.mark.parametrize("seed", range(50))
def test_document_of_a_composed_chain_fits_the_schema(seed):
    made = compose(seed)
    document = trace_document(trace(made.received, connection=made.connection, site=made.site, fields=made.fields))
    VALID.validate(document)
    assert [hop["line"] for hop in document["hops"] if hop["line"] is not None] == list(range(len(made.received)))


@given(st.lists(st.text(max_size=300), max_size=6), st.booleans())
@settings(max_examples=150, deadline=None)
def test_document_of_anything_fits_the_schema_and_is_ascii(lines, observed):
    traced = trace(lines, connection=Connection("203.0.113.5") if observed else None)
    document = trace_document(traced)
    VALID.validate(document)
    assert json.loads(format_document(document).encode("ascii")) == document


def test_undecodable_bytes_are_escaped_in_json():
    text = format_document(trace_document(trace([LINE.replace("from x", "from x\udcff\x1b[31m")])))
    assert text.isascii()
    assert "\x1b" not in text


def test_found_stands_beside_the_trace():
    document = trace_document(trace([LINE])) | found_document(FOUND)
    VALID.validate(json.loads(format_document(document)))
    assert document["contacts"]["contacts"][0]["address"] == "abuse@isp.example"
    VALID.validate(trace_document(trace([LINE])) | found_document(None))


def test_schema_lists_every_code_and_basis():
    definitions = SCHEMA["$defs"]
    assert set(definitions["anomaly"]["properties"]["code"]["enum"]) == set(WEIGHTS)
    assert set(definitions["origin"]["properties"]["basis"]["enum"]) == BASES


def shown(lines, now=None, found=None, **known) -> list[str]:
    return [line.text for line in transcript(trace(lines, **known), lines, now=now, found=found)]


def test_transcript_reads_in_spamcop_s_order():
    text = shown([LINE], now=datetime(2025, 3, 1, 12, 10, tzinfo=UTC), found=FOUND, site=OWN)
    expected = [
        "Parsing header:",
        f"0: Received: {LINE}",
        "   203.0.113.5 found",
        "   host 203.0.113.5 = dsl.isp.example",
        "   host dsl.isp.example (checking ip) = 203.0.113.5",
        "   Possible spammer: 203.0.113.5",
        "   203.0.113.5 is not an MX for isp.example",
        "   Received line accepted (trusted)",
        "203.0.113.5 listed in zen.example ( 127.0.0.4 )",
        "Tracking message source: 203.0.113.5:",
        "Routing details for 203.0.113.5",
        "   Using rdap on abuse@isp.example",
        "Using best contacts abuse@isp.example",
        "Yum, this spam is fresh!",
    ]
    places = [text.index(line) for line in expected]
    assert places == sorted(places)


def test_transcript_never_says_not_listed_of_a_list_that_did_not_answer():
    assert "slow.example says nothing (late)" in shown([LINE], found=FOUND)
    assert not [line for line in shown([LINE], found=FOUND) if "not listed" in line]


def test_transcript_says_of_untrusted_lines_that_they_may_be_forged():
    text = "\n".join(shown([LINE, LINE.replace("203.0.113.5", "198.51.100.1").replace("4B5A", "5B5A")], site=OWN))
    assert "Possible forgery. Supposed receiving system not associated with any of your mailhosts" in text
    assert "Will not trust this Received line" in text


def test_transcript_without_an_origin_cannot_proceed():
    assert "No source IP address found, cannot proceed." in shown([])


@pytest.mark.parametrize(
    ("age", "said"),
    [
        (timedelta(hours=2), "Message is 2 hours old"),
        (timedelta(days=4), "too old"),
        (timedelta(hours=-3), "in the future"),
    ],
)
def test_transcript_tells_fresh_from_old(age, said):
    assert said in "\n".join(shown([LINE], now=datetime(2025, 3, 1, 12, tzinfo=UTC) + age))


def test_transcript_shows_delays_as_bars():
    older = LINE.replace("12:00:00", "11:58:00").replace("4B5A", "5B5A").replace("by mx", "by x")
    bars = [line for line in shown([LINE, older]) if "###" in line]
    assert len(bars) == 1
    assert "2 minutes" in bars[0]


@given(st.text())
def test_printable_text_stands_on_one_line_and_moves_no_terminal(text):
    assert printable(text).isprintable() or not printable(text)


def test_printable_spells_out_what_a_terminal_would_act_on():
    assert printable("a\x1b[31mb\x9bc\u202ed\udcffe\n\tf") == r"a\x1b[31mb\x9bc\u202ed\xffe f"
    assert printable("Müller") == "Müller"


@given(st.lists(st.text(alphabet=st.characters(), max_size=120), max_size=4))
@settings(max_examples=100, deadline=None)
def test_transcript_of_anything_is_printable(lines):
    assert all(line.isprintable() for line in shown([*lines, LINE, *lines]))


def test_tracing_page_names_every_rule_code_weight_and_basis():
    page = (TOP / "docs" / "tracing.md").read_text(encoding="utf-8")
    assert dict(re.findall(r"^\| `([a-z-]+)` \| (0\.\d\d) \|", page, re.MULTILINE)) == {
        code: f"{weight:.2f}" for code, weight in WEIGHTS.items()
    }
    assert not [rule for rule in Rule if f"`{rule.value}`" not in page]
    assert not [basis for basis in BASES if f"`{basis}`" not in page]
