"""A message from a mailbox as a record: what its header tells, and nothing that only the connection could have told."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parseaddr

from hoptrail_store.fields import subject_text, trace_fields
from hoptrail_store.ids import Ids
from hoptrail_store.mailboxes import RawMessage
from hoptrail_store.records import MessageRecord
from hoptrail_store.rows import milliseconds
from hoptrail_store.spamstatus import parse_spam_status
from hoptrail_tracer.chain import trace
from hoptrail_tracer.messages import read_fields, received_values
from hoptrail_tracer.model import Trace
from hoptrail_tracer.printable import printable
from hoptrail_tracer.received import date
from hoptrail_tracer.settings import SiteSettings

# Where delivery agents note the envelope recipient, the surest first.
_RECIPIENT_FIELDS = ("x-original-to", "delivered-to", "envelope-to", "x-envelope-to")
_END_OF_HEADER = re.compile(rb"\r?\n\r?\n")
_OWN_ID = re.compile(r"; id=([0-7][0-9A-HJKMNP-TV-Z]{25});")
_TEXT_MAX = 998


def record_of(
    message: RawMessage,
    *,
    ids: Ids,
    site: SiteSettings,
    believe_scores: bool = False,
) -> MessageRecord:
    """Return the record of an imported message; never raises, whatever state the message is in.

    The site's history is not asked: it knows nothing of the time when old mail came.

    With `believe_scores` an X-Spam-Status field counts as our own SpamAssassin's word; anybody could have written it.
    """
    header = message.content.lstrip(b"\r\n")
    if end := _END_OF_HEADER.search(header):
        header = header[: end.end()]
    fields = read_fields(header)
    first = {name.lower(): value for name, value in reversed(fields)}
    traced = trace(received_values(fields), site=site, fields=fields)
    received_at = _received_at(traced, first, message.modified_s)
    score = parse_spam_status(first.get("x-spam-status", "")) if believe_scores else None
    newest = traced.hops[0].received if traced.hops else None
    return MessageRecord(
        id=_known_id(first) or ids.new(milliseconds(received_at)),
        host=_text(newest.by if newest else None) or site.hostname or "unknown",
        source="import",
        received_at=received_at,
        connection=None,
        envelope_from=_address(first.get("return-path")),
        recipients=_recipients(first, newest.for_ if newest else None),
        refused_recipients=0,
        message_id=_text(first.get("message-id")),
        size_bytes=message.size_bytes,
        trace=traced,
        fields=trace_fields(fields),
        subject=subject_text(first.get("subject")),
        score=score,
        evidence=message.content if score and score.is_spam else None,
    )


def _known_id(first: Mapping[str, str]) -> str | None:
    """Return the id that a milter of ours gave this message, so that mail it recorded is not recorded twice."""
    found = _OWN_ID.search(first.get("x-hoptrail-id", "")[:_TEXT_MAX])
    return found[1] if found else None


def _received_at(traced: Trace, first: Mapping[str, str], modified_s: float) -> datetime:
    """Return the newest hop's date, else the Date field's, else the file's."""
    if traced.hops and (newest := traced.hops[0].received.date):
        return newest.astimezone(UTC)
    dated = date.find(first.get("date", "")[:_TEXT_MAX])
    return dated.date.astimezone(UTC) if dated else datetime.fromtimestamp(modified_s, UTC)


def _recipients(first: Mapping[str, str], for_: str | None) -> tuple[str, ...]:
    named = next((first[name] for name in _RECIPIENT_FIELDS if name in first), for_)
    address = _address(named)
    return (address,) if address else ()


def _address(text: str | None) -> str | None:
    """Return the address in a field, "" for the empty one `<>`, None where there is none."""
    if text is None:
        return None
    text = printable(text[:_TEXT_MAX])
    return "" if text == "<>" else parseaddr(text)[1] or None


def _text(value: str | None) -> str | None:
    return printable(value[:_TEXT_MAX]) if value else None
