import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoptrail_milter import stamp
from hoptrail_store.records import MessageRecord, Score
from hoptrail_tracer.model import (
    AddressFacts,
    Anomaly,
    Connection,
    Hop,
    Origin,
    Received,
    Trace,
    Trust,
    ZoneResult,
)

NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
# The grammar of docs/headers.md, on an unfolded value.
FIELD = re.compile(r"[A-Za-z0-9.:_/+,-]{1,255}(; [A-Za-z0-9.:_/+,-]+=[A-Za-z0-9.:_/+,-]{1,255})+")


def hop(trust, seconds_ago=None):
    date = None if seconds_ago is None else NOON - timedelta(seconds=seconds_ago)
    return Hop(Received("parsed", date=date), trust)


def record(**changes):
    trace = Trace(
        hops=(hop(Trust.OBSERVED, 0), hop(Trust.TRUSTED, 4), hop(Trust.CLAIMED), hop(Trust.FORGED, 34)),
        origin=Origin("203.0.113.9", "mail.example.net", Trust.OBSERVED, 0.95, "connection"),
        anomalies=(Anomaly("loop", "twice"), Anomaly("date-order", "back"), Anomaly("loop", "again")),
    )
    base = MessageRecord(
        id="01KA3V8Y6ZJ0T8M6Q4S2W9X7EB",
        host="mx.example.org",
        source="milter",
        received_at=NOON,
        connection=Connection("203.0.113.9", id="4dD1Zx0YqGz9vNP"),
        envelope_from="a@example.net",
        recipients=("b@example.org",),
        refused_recipients=0,
        message_id=None,
        size_bytes=1,
        trace=trace,
        fields=(),
    )
    return replace(base, **changes)


def unfold(value):
    return value.replace("\n", "")


def fields(**changes):
    return {name: unfold(value) for name, value in stamp.additions(record(**changes))}


def test_origin_names_address_class_and_facts():
    facts = AddressFacts("203.0.113.9", "out.example.net", name_confirmed=True, asn=64500, country="NL")
    assert fields(facts=facts)["X-Hoptrail-Origin"] == (
        "mx.example.org; ip=203.0.113.9; name=out.example.net; class=observed; confidence=0.95; basis=connection; "
        "asn=64500; country=NL"
    )


def test_origin_without_facts_says_unknown():
    assert fields()["X-Hoptrail-Origin"].endswith("basis=connection; asn=unknown; country=unknown")


def test_a_name_that_does_not_resolve_back_is_not_shown():
    trace = replace(record().trace, origin=Origin("203.0.113.9", None, Trust.OBSERVED, 0.95, "connection"))
    facts = AddressFacts("203.0.113.9", "liar.example.net", name_confirmed=False)
    assert "; name=unknown;" in fields(trace=trace, facts=facts)["X-Hoptrail-Origin"]


def test_path_counts_hops_and_names_each_anomaly_once():
    assert fields()["X-Hoptrail-Path"] == (
        "mx.example.org; hops=4; trusted=2; forged=1; seconds=34; anomalies=loop,date-order"
    )


def test_path_without_dates_or_anomalies_says_so():
    trace = Trace((hop(Trust.OBSERVED),), Origin(None, None, Trust.OBSERVED, 0.0, "none"))
    assert fields(trace=trace)["X-Hoptrail-Path"].endswith("forged=0; seconds=unknown; anomalies=none")


def test_dnsbl_has_one_result_a_zone():
    zones = (
        ZoneResult("zen.example", "listed", ("127.0.0.4", "127.0.0.11")),
        ZoneResult("bl.example", "clear"),
        ZoneResult("slow.example", "late"),
    )
    assert fields(facts=AddressFacts("203.0.113.9", zones=zones))["X-Hoptrail-DNSBL"] == (
        "mx.example.org; zen.example=listed/127.0.0.4,127.0.0.11; bl.example=clear; slow.example=late"
    )


def test_dnsbl_without_zones_says_none():
    assert fields()["X-Hoptrail-DNSBL"] == "mx.example.org; none=none"


def test_id_names_record_and_queue():
    assert fields()["X-Hoptrail-Id"] == "mx.example.org; id=01KA3V8Y6ZJ0T8M6Q4S2W9X7EB; queue=4dD1Zx0YqGz9vNP"


def test_no_scoring_adds_no_spam_fields():
    assert list(fields()) == list(stamp.HOPTRAIL_NAMES)


def test_spam_gets_all_four_fields_in_spamassassins_spelling():
    score = Score(points=12.34, required=5.0, rules=("BAYES_99", "HTML_MESSAGE"))
    found = fields(score=score)
    assert {name: found[name] for name in stamp.SPAM_NAMES} == {
        "X-Spam-Flag": "YES",
        "X-Spam-Score": "12.3",
        "X-Spam-Level": "************",
        "X-Spam-Status": "Yes, score=12.3 required=5.0 tests=BAYES_99,HTML_MESSAGE",
    }


def test_ham_has_no_flag():
    found = fields(score=Score(points=-0.1, required=5.0))
    assert "X-Spam-Flag" not in found
    assert found["X-Spam-Level"] == ""
    assert found["X-Spam-Status"] == "No, score=-0.1 required=5.0 tests=none"


def test_an_unscored_message_says_why_and_nothing_else():
    found = fields(score=Score(unscored="timeout"))
    assert found["X-Spam-Status"] == "Unscored, reason=timeout"
    assert not {"X-Spam-Flag", "X-Spam-Score", "X-Spam-Level"} & set(found)


def test_many_rules_stay_below_the_longest_line():
    score = Score(points=99.0, required=5.0, rules=tuple(f"RULE_{number:057}" for number in range(200)))
    assert max(map(len, fields(score=score)["X-Spam-Status"].split("\n"))) < 998


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("a; class=observed", "a__class_observed"),
        ("a\r\nBcc: x@example.org", "a__Bcc:_x_example.org"),
        ("a\0b\x7fc", "a_b_c"),
        ("", "unknown"),
        (None, "unknown"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("\udcff\udcfe", "__"),
        ("x" * 300, "x" * 255),
    ],
)
def test_token_lets_nothing_out_of_the_grammar(raw, shown):
    assert stamp.token(raw) == shown


@given(st.text(), st.text(), st.text(), st.lists(st.text(), max_size=3))
def test_no_text_breaks_the_grammar_or_the_line_length(name, zone, code, queue):
    trace = replace(record().trace, origin=Origin(name, name, Trust.CLAIMED, 7.0, code))
    facts = AddressFacts("x", zones=(ZoneResult(zone, "listed", (code,)),))
    connection = Connection(None, id="".join(queue))
    for header, value in stamp.additions(record(trace=trace, facts=facts, connection=connection)):
        assert FIELD.fullmatch(unfold(value)), (header, value)
        lines = f"{header}: {value}".split("\n")
        assert all(line.startswith(" ") for line in lines[1:])
        assert all(len(line) <= 78 or "; " not in line.rstrip(";") for line in lines)


def test_removals_go_from_last_to_first():
    assert stamp.removals({"X-Hoptrail-Id": 3, "X-Spam-Flag": 1}, {}) == [
        ("X-Hoptrail-Id", 3),
        ("X-Hoptrail-Id", 2),
        ("X-Hoptrail-Id", 1),
        ("X-Spam-Flag", 1),
    ]


def test_spam_names_are_ours_only_with_scoring():
    assert "X-Spam-Flag" in stamp.own_names(scoring=True)
    assert "X-Spam-Flag" not in stamp.own_names(scoring=False)
