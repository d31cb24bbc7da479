import base64
import hashlib
import ipaddress
import json
import re
from datetime import datetime
from email import message_from_bytes, policy

import pytest
import xarf
from hypothesis import given, settings
from hypothesis import strategies as st

from hoptrail_reports.abuse.forms import suitable, written
from hoptrail_reports.abuse.leaks import leaks
from hoptrail_reports.abuse.xarf import document
from reports.abuse.samples import NOON, SPAM, SPAMMER, VICTIM, report

SENDER = "reports@example.org"


def sent(made=None) -> dict:
    message = message_from_bytes(written(made or report(), "xarf", sender=SENDER), policy=policy.default)
    assert message.get_content_type() == "multipart/report"
    _, feedback, last = message.get_payload()
    assert [part.defects for part in message.walk()] == [[]] * len(list(message.walk()))
    assert feedback.get_payload(0)["Feedback-Type"] == "xarf"
    assert (last.get_content_type(), last.get_filename()) == ("application/json", "xarf.json")
    return json.loads(last.get_content())


def strict_faults(found: dict) -> list[str]:
    """What the library's schema gate lets through and no desk should see."""
    ipaddress.ip_address(found["source_identifier"])
    datetime.fromisoformat(found["timestamp"])
    texts = (found["description"], found["subject"], found["evidence"][0]["description"], found["smtp_from"])
    faults = [f"control characters: {text!r}" for text in texts if not text.isprintable()]
    for item in found["evidence"]:
        raw = base64.b64decode(item["payload"], validate=True)
        if (item["hash"], item["size"]) != (f"sha256:{hashlib.sha256(raw).hexdigest()}", len(raw)):
            faults.append("hash or size")
    return faults


def test_document_passes_the_librarys_schemas_and_our_stricter_rules():
    found = sent()
    result = xarf.parse(found)
    assert [str(error) for error in result.errors] == []
    assert strict_faults(found) == []


def test_document_says_what_happened():
    found = sent()
    assert (found["source_identifier"], found["source_port"]) == (SPAMMER, 51234)
    assert found["timestamp"] == f"{NOON:%Y-%m-%dT%H:%M:%SZ}"
    assert found["smtp_from"] == "security@bank.example"
    assert found["reporter"] == {"org": "example.org", "contact": SENDER, "domain": "example.org"}
    raw = base64.b64decode(found["evidence"][0]["payload"])
    assert raw == report().evidence.raw
    assert not leaks(raw, [VICTIM])
    assert VICTIM not in json.dumps(found)


def test_id_is_a_uuid_and_the_same_for_the_same_report():
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", sent()["report_id"])
    assert sent() == sent()
    assert sent()["report_id"] != document(report(id="20261120-other"), SENDER)["report_id"]


@pytest.mark.parametrize(
    "changes",
    [{"source_port": None}, {"envelope_from": None}, {"envelope_from": "x"}, {"envelope_from": "a@b\r\nc: d"}],
)
def test_report_that_xarf_cannot_say_is_written_as_arf(changes):
    made = report(**changes)
    assert suitable(made, "xarf") == "arf"
    message = message_from_bytes(written(made, "xarf", sender=SENDER))
    assert message.get_payload(2).get_content_type() == "message/rfc822"


@settings(deadline=None, max_examples=40)
@given(hostile=st.text(max_size=60), raw=st.binary(min_size=1, max_size=200))
def test_nothing_a_spammer_writes_breaks_the_document(hostile, raw):
    made = report(SPAM + raw, subject=hostile, helo=hostile, reasons=(hostile,))
    found = sent(made)
    assert strict_faults(found) == []
    assert [str(error) for error in xarf.parse(found).errors] == []
