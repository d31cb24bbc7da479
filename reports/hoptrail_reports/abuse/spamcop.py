"""A report as plain text in the manner of SpamCop: no attachment, the message below a line of its own.

Where SpamCop links to a page, the same facts stand in the text: nothing here needs a server that the desk could reach.
"""

from email.utils import format_datetime
from importlib.metadata import version

from hoptrail_reports.abuse.mail import Content, transfer_encoding
from hoptrail_reports.abuse.report import Report, note, statements

OFFENDING = "[ Offending message ]"
EXPLAINED = "[ How the source was found ]"


def content(report: Report) -> Content:
    """The text form of a report."""
    ip = report.facts.ip
    lines = [
        f"[ Hoptrail V{version('hoptrail')} ]",
        "This message is brief for your comfort. The details stand between here and the message.",
        "",
        f"Email from {ip} / {format_datetime(report.received_at)}",
        f"Report id: {report.id}",
        "",
        *note(report),
        EXPLAINED,
        *statements(report),
        "",
        OFFENDING,
        "",
    ]
    body = "\r\n".join(lines).encode("utf-8", "replace") + report.evidence.raw
    fields = (
        ("Content-Type", f"text/plain; charset={_charset(body)}"),
        ("Content-Transfer-Encoding", transfer_encoding(body)),
    )
    return Content(f"[Hoptrail ({ip}) id:{report.id}]{report.subject or ''}", fields, body)


def _charset(body: bytes) -> str:
    """What the bytes are, as far as it can be known: a message that mixes charsets has none (RFC 1428)."""
    for charset in ("us-ascii", "utf-8"):
        try:
            body.decode(charset)
        except UnicodeDecodeError:
            continue
        return charset
    return "unknown-8bit"
