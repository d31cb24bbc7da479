"""The outer header of a report, and a finished report as bytes.

Values come from outside, so each passes through the standard library's header classes, which refuse line breaks and
encode the rest; bodies are spliced below as bytes, because evidence must stand as it came.
"""

import socket
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from typing import Final

from hoptrail_reports.abuse.report import Report
from hoptrail_reports.abuse.settings import AbuseSettings
from hoptrail_reports.shown import shown
from hoptrail_tracer.settings import SiteSettings

SUBJECT_MAX: Final = 150
POLICY: Final = SMTP.clone(max_line_length=78)


@dataclass(frozen=True, slots=True)
class Content:
    """What a form makes of a report: a subject, the MIME fields and the body below them, CRLF throughout."""

    subject: str
    fields: tuple[tuple[str, str], ...]
    body: bytes


def finished(report: Report, content: Content, *, sender: str, sent_at: datetime | None) -> bytes:
    """A whole message, ready for review. `sender` is an address that a person reads; answers go there.

    Its date is that of the sending (RFC 5322 section 3.6.1), of the drafting as long as it has not been sent.
    """
    header = EmailMessage(policy=POLICY)
    header["From"] = Address(display_name="Abuse reports", addr_spec=sender)
    header["To"] = Address(addr_spec=report.contact.address)
    header["Reply-To"] = Address(addr_spec=sender)
    header["Subject"] = shown(content.subject, SUBJECT_MAX)
    header["Date"] = sent_at or report.created_at
    header["Message-ID"] = f"<{report.id}@{sender.rpartition('@')[2]}>"
    header["Auto-Submitted"] = "auto-generated"
    header["MIME-Version"] = "1.0"
    for name, value in content.fields:
        header[name] = value
    return b"".join(POLICY.fold_binary(name, value) for name, value in header.items()) + b"\r\n" + content.body


def sender_of(settings: AbuseSettings, site: SiteSettings) -> str:
    """The address reports come from: the one configured, else the postmaster of this host."""
    return settings.reporter or f"postmaster@{site.hostname or socket.getfqdn()}"


def transfer_encoding(body: bytes) -> str:
    """`7bit` or `8bit`, whichever a body with CRLF line ends needs."""
    return "7bit" if body.isascii() else "8bit"
