"""A report in the Abuse Reporting Format (RFC 5965, used as RFC 6650 says): three parts, the last one the message.

The standard library cannot give a malformed message back as it came under any of its policies, so the parts are
joined as bytes and only the outer header passes through it.
"""

import hashlib
from collections.abc import Iterable
from email.message import EmailMessage
from email.utils import format_datetime
from importlib.metadata import version
from typing import Final

from hoptrail_reports.abuse.mail import POLICY, Content, transfer_encoding
from hoptrail_reports.abuse.report import Report, note, statements
from hoptrail_tracer.lookups.mailaddr import parse_mail_address

MUNGED: Final = "x@munged.invalid"
"""In place of a hidden recipient, where the grammar wants an address (RFC 2606)."""
ORIGIN: Final = (("User-Agent", f"Hoptrail/{version('hoptrail')}"), ("Version", "1"))
"""With Feedback-Type, the fields that stand exactly once (RFC 5965 section 3.1)."""


def content(report: Report) -> Content:
    """The feedback report: words for a person, fields for a machine, the message."""
    raw = report.evidence.raw
    encoding = transfer_encoding(raw)
    original = f"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n".encode() + raw
    return assembled(report, (("Feedback-Type", "abuse"), *ORIGIN, *_fields(report)), original)


def assembled(report: Report, feedback: Iterable[tuple[str, str | None]], original: bytes) -> Content:
    """The three parts joined; values of `feedback` that are unknown, not ASCII or not printable are left out."""
    lines = [f"{name}: {value}" for name, value in feedback if value and value.isascii() and value.isprintable()]
    machine = "\r\n".join(("Content-Type: message/feedback-report", "", *lines, "")).encode("ascii")
    parts = (_words(report), machine, original)
    boundary = _boundary(b"".join(parts))
    line = b"--" + boundary.encode() + b"\r\n"
    body = b"".join(line + part + b"\r\n" for part in parts) + line[:-2] + b"--\r\n"
    fields = (
        ("Content-Type", f'multipart/report; report-type=feedback-report; boundary="{boundary}"'),
        ("Content-Transfer-Encoding", transfer_encoding(body)),
    )
    return Content(f"FW: {report.subject or ''}", fields, body)


def _words(report: Report) -> bytes:
    part = EmailMessage(policy=POLICY)
    ip = report.facts.ip
    opening = f"This is an email abuse report for a message from {ip}, received {format_datetime(report.received_at)}."
    part.set_content("\n".join((opening, f"Report id: {report.id}", "", *note(report), *statements(report), "")))
    del part["MIME-Version"]
    return part.as_bytes()


def _fields(report: Report) -> tuple[tuple[str, str | None], ...]:
    """The optional fields of the second part (RFC 5965 section 3.2, RFC 6692)."""
    sender = parse_mail_address((report.envelope_from or "").strip("<> "))
    recipients = map(parse_mail_address, report.recipients) if report.recipients else (MUNGED,)
    return (
        ("Original-Mail-From", f"<{sender}>" if sender else None),
        *(("Original-Rcpt-To", f"<{recipient}>") for recipient in filter(None, recipients)),
        ("Arrival-Date", format_datetime(report.received_at)),
        ("Reporting-MTA", f"dns; {report.reporting_mta}"),
        ("Source-IP", report.facts.ip),
        ("Source-Port", str(report.source_port) if report.source_port else None),
    )


def _boundary(parts: bytes) -> str:
    """The same for the same report, and nothing a sender could have written into it: it depends on every byte."""
    return "hoptrail-" + hashlib.sha256(parts).hexdigest()[:32]
