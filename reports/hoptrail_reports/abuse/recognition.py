"""Which stored message a mail is or carries: somebody forwards a spam to the address that collects them.

Such a mail may come from anybody. It names a message only by what its recipients and we have seen, the id that the
milter stamped on it, or our own MTA's line with its queue id, which its sender was told too; and what it says besides
must be what is stored. So an outsider can mark what he sent himself, and nothing else.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from itertools import islice
from typing import Final

from hoptrail_reports.abuse.incoming import PARTS_MAX, parse_mail
from hoptrail_store.reader import Reader
from hoptrail_store.records import MessageRecord

ATTACHED_MAX: Final = 20
_LINES_MAX: Final = 40  # Received lines whose queue ids are looked up
_SAME_ID_MAX: Final = 20  # messages of one Message-ID or queue id that are looked at
_OWN_ID: Final = "X-Hoptrail-Id"
_ULID = re.compile(r"(?:^|[;\s])id=([0-9A-HJKMNP-TV-Z]{26})(?=[;\s]|$)")
_QUEUE_ID = re.compile(r"\bid\s+<?([A-Za-z0-9.-]{5,64})(?=[\s;>]|$)")
_RESENT = ("Resent-From", "Resent-To", "Resent-Message-ID", "Resent-Date")


@dataclass(frozen=True, slots=True)
class Header:
    """What a mail's header says of which message it is."""

    ids: frozenset[str]
    message_id: str | None
    received: tuple[str, ...]
    resent: bool


def forwarded(raw: bytes, reader: Reader) -> list[MessageRecord]:
    """The stored messages that a mail hands in: those attached to it, else the mail itself where it was resent."""
    mail = parse_mail(raw)
    if mail is None:
        return []
    attached = [found[0] for header in _attached(mail) if (found := _proven(header, reader))]
    if attached:
        return list({record.id: record for record in attached}.values())
    header = _header(mail)
    found = _proven(header, reader)  # the newest is how it came here, where that passed the milter too
    return [found[-1]] if len(found) > 1 or header.resent else []


def itself(raw: bytes, reader: Reader) -> list[MessageRecord]:
    """The stored message that a mail is, in a list of one; empty where the store does not prove it."""
    mail = parse_mail(raw)
    return _proven(_header(mail), reader)[:1] if mail is not None else []


def _attached(mail: Message) -> Iterator[Header]:
    """The headers of the messages attached to a mail, whichever way its program attaches them."""
    found = (inner for part in islice(mail.walk(), PARTS_MAX) if (inner := _inner(part)) is not None)
    yield from map(_header, islice(found, ATTACHED_MAX))


def _inner(part: Message) -> Message | None:
    kind, payload = part.get_content_type(), part.get_payload()
    if kind == "message/rfc822" and isinstance(payload, list) and payload and isinstance(payload[0], Message):
        part = payload[0]
        if part.keys():
            return part
        part["Content-Transfer-Encoding"] = "base64"  # of the message, though RFC 2046 forbids it
    elif kind != "text/rfc822-headers" and not (part.get_filename() or "").lower().endswith(".eml"):
        return None
    try:
        raw = part.get_payload(decode=True)
    except (ValueError, LookupError):
        return None
    inner = parse_mail(raw) if isinstance(raw, bytes) else None
    return inner if inner is not None and inner.keys() else None


def _header(mail: Message) -> Header:
    fields = [(name.lower(), " ".join(str(value).split())) for name, value in mail.raw_items()]
    named = dict(reversed(fields))
    return Header(
        frozenset(match[1] for name, value in fields if name == _OWN_ID.lower() and (match := _ULID.search(value))),
        named.get("message-id"),
        tuple(value for name, value in fields if name == "received"),
        any(field.lower() in named for field in _RESENT),
    )


def _proven(header: Header, reader: Reader) -> list[MessageRecord]:
    """The stored messages that the header proves to be, the newest first."""
    records = [record for message_id in _candidates(header, reader) for record in reader.find(message_id)]
    return sorted((record for record in records if _proves(header, record)), key=lambda record: record.id, reverse=True)


def _candidates(header: Header, reader: Reader) -> set[str]:
    found = set(list(header.ids)[:ATTACHED_MAX])
    queue_ids = {match[1] for line in header.received[:_LINES_MAX] for match in _QUEUE_ID.finditer(line)}
    for queue_id in islice(queue_ids, 2 * _LINES_MAX):
        rows = reader.db.execute(
            "SELECT id FROM client JOIN message ON number = client.message WHERE queue_id = ? LIMIT ?",
            (queue_id, _SAME_ID_MAX),
        )
        found.update(message_id for (message_id,) in rows)
    if header.message_id:
        rows = reader.db.execute(
            "SELECT id FROM message WHERE message_id = ? AND source = 'import' ORDER BY received_ms DESC LIMIT ?",
            (header.message_id, _SAME_ID_MAX),
        )
        found.update(message_id for (message_id,) in rows)
    return found


def _proves(header: Header, record: MessageRecord) -> bool:
    """Whether the header shows what no third party has seen of the stored message, and contradicts nothing."""
    if record.message_id is not None and record.message_id.strip() != header.message_id:
        return False
    stored = {
        " ".join(value.decode("ascii", "surrogateescape").split())
        for name, value in record.fields
        if name.lower() == b"received"
    }
    if not stored <= set(header.received):
        return False
    if record.id in header.ids:
        return True
    if record.connection and record.connection.id:
        return any(record.connection.id == match[1] for line in header.received for match in _QUEUE_ID.finditer(line))
    return record.source == "import" and bool(stored)
