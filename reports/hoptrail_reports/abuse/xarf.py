"""A report as X-ARF 4: a feedback report whose last part is JSON, the message inside it.

The document is made here rather than by the `xarf` library, whose schema gate passes a source that is no address, a
time that is none, line breaks and a wrong hash; the tests hold documents against its schemas and against these rules.
"""

import base64
import hashlib
import json
import uuid
from datetime import UTC
from typing import Any, Final

from hoptrail_reports.abuse import arf
from hoptrail_reports.abuse.mail import Content
from hoptrail_reports.abuse.report import Report, statements
from hoptrail_reports.shown import shown
from hoptrail_tracer.lookups.mailaddr import parse_mail_address

SPEC_VERSION: Final = "4.2.0"
DESCRIPTION_MAX: Final = 1_000
SUBJECT_MAX: Final = 500
_PART_FIELDS: Final = (
    b'Content-Type: application/json; name="xarf.json"\r\n'
    b'Content-Disposition: attachment; filename="xarf.json"\r\n'
    b"Content-Transfer-Encoding: base64\r\n\r\n"
)


def suits(report: Report) -> bool:
    """Whether X-ARF can say what the report says: of mail it demands an envelope sender and the client's port."""
    return bool(report.source_port and report.evidence.raw and _envelope_from(report))


def content(report: Report, sender: str) -> Content:
    """The feedback report; `sender` is the reporter's address. Only for a report that `suits`."""
    feedback = (("Feedback-Type", "xarf"), *arf.ORIGIN)
    text = base64.encodebytes(json.dumps(document(report, sender), indent=2).encode("ascii")).replace(b"\n", b"\r\n")
    return arf.assembled(report, feedback, _PART_FIELDS + text)


def document(report: Report, sender: str) -> dict[str, Any]:
    """The JSON of one report; the same whenever it is made."""
    domain = sender.rpartition("@")[2]
    organisation = {"org": domain, "contact": sender, "domain": domain}
    raw = report.evidence.raw
    description = " ".join(line.strip() for line in statements(report))
    return {
        "xarf_version": SPEC_VERSION,
        "report_id": str(uuid.UUID(bytes=hashlib.sha256(report.id.encode()).digest()[:16], version=4)),
        "timestamp": report.received_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "reporter": organisation,
        "sender": organisation,
        "source_identifier": report.facts.ip,
        "source_port": report.source_port,
        "category": "messaging",
        "type": "spam",
        "protocol": "smtp",
        "smtp_from": _envelope_from(report),
        "subject": shown(report.subject or "", SUBJECT_MAX),
        "evidence_source": "automated_filter",
        "evidence": [
            {
                "content_type": "message/rfc822",
                "description": shown(" ".join(("The message.", *report.evidence.notes)), SUBJECT_MAX),
                "payload": base64.b64encode(raw).decode("ascii"),
                "hash": f"sha256:{hashlib.sha256(raw).hexdigest()}",
                "size": len(raw),
            }
        ],
        "description": shown(description, DESCRIPTION_MAX),
    }


def _envelope_from(report: Report) -> str | None:
    return parse_mail_address((report.envelope_from or "").strip("<> "))
