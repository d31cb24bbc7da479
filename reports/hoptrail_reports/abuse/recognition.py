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

from hoptrail_reports.abuse import mime
from hoptrail_reports.abuse.incoming import PARTS_MAX, parse_mail
from hoptrail_store.reader import Reader
from hoptrail_store.records import MessageRecord

ATTACHED_MAX: Final = 20
_LINES_MAX: Final = 40  # Received lines whose queue ids are looked up
_PLACES_MAX: Final = 5  # where our line may stand: once in the message, and where somebody quotes it
_HEADER_ENDS: Final = (b"\n\n", b"\n\r\n")
_SAME_ID_MAX: Final = 20  # messages of one Message-ID or queue id that are looked at
_OWN_ID: Final = "X-Hoptrail-Id"
_ULID = re.compile(r"(?:^|[;\s])id=([0-9A-HJKMNP-TV-Z]{26})(?=[;\s]|$)")
_QUEUE_ID = re.compile(r"\bid\s+<?([A-Za-z0-9.-]{5,64})(?=[\s;>]|$)")
_FOLDED = rb"(?:[^\r\n]|\r?\n[ \t]){0,4000}"
_OUR_LINE = rb"(?im)^received:" + _FOLDED + rb"?\bid\s+<?%s(?![A-Za-z0-9.-])" + _FOLDED + rb"\r?\n"
_RESENT = ("Resent-From", "Resent-To", "Resent-Message-ID", "Resent-Date")


@dataclass(frozen=True, slots=True)
class Header:
    """What a mail's header says of which message it is."""

    ids: frozenset[str]
    message_id: str | None
    received: tuple[str, ...]
    resent: bool


@dataclass(frozen=True, slots=True)
class HandedIn:
    """A stored message that a mail proves to be, and the copy of it: as it came to us, where that could be told."""

    record: MessageRecord
    copy: bytes | None


def forwarded(raw: bytes, reader: Reader) -> list[HandedIn]:
    """The stored messages that a mail hands in: those attached to it, else the mail itself where it was resent."""
    mail = parse_mail(raw)
    if mail is None:
        return []
    attached = {
        found[0].id: HandedIn(found[0], _copy(raw if decoded is None else decoded, found[0]))
        for header, decoded in _attached(mail)
        if (found := _proven(header, reader))
    }
    if attached:
        return list(attached.values())
    header = _header(mail)
    found = _proven(header, reader)  # the newest is how it came here, where that passed the milter too
    return [HandedIn(found[-1], _copy(raw, found[-1]))] if len(found) > 1 or (found and header.resent) else []


def itself(raw: bytes, reader: Reader) -> list[HandedIn]:
    """The stored message that a mail is, in a list of one; empty where the store does not prove it."""
    mail = parse_mail(raw)
    found = _proven(_header(mail), reader)[:1] if mail is not None else []
    return [HandedIn(record, _copy(raw, record)) for record in found]


def _attached(mail: Message) -> Iterator[tuple[Header, bytes | None]]:
    """The headers of the messages attached to a mail, each with its bytes where the mail has them encoded."""
    found = (inner for part in islice(mail.walk(), PARTS_MAX) if (inner := _inner(part)) is not None)
    yield from ((_header(inner), raw) for inner, raw in islice(found, ATTACHED_MAX))


def _inner(part: Message) -> tuple[Message, bytes | None] | None:
    """The message that a part holds, whichever way a mail program attaches it."""
    kind, payload = part.get_content_type(), part.get_payload()
    if kind == "message/rfc822" and isinstance(payload, list) and payload and isinstance(payload[0], Message):
        part = payload[0]
        if part.keys():
            return part, None
        part["Content-Transfer-Encoding"] = "base64"  # of the message, though RFC 2046 forbids it
    elif kind != "text/rfc822-headers" and not (part.get_filename() or "").lower().endswith(".eml"):
        return None
    try:
        raw = part.get_payload(decode=True)
    except (ValueError, LookupError):
        return None
    inner = parse_mail(raw) if isinstance(raw, bytes) else None
    return (inner, raw) if isinstance(raw, bytes) and inner is not None and inner.keys() else None


def _copy(raw: bytes, record: MessageRecord) -> bytes | None:
    """The message within a mail, byte for byte: from below our own MTA's line to the end of its part."""
    queue_id = record.connection.id if record.connection else None
    if not queue_id:
        return None
    for line in islice(re.finditer(_OUR_LINE % re.escape(queue_id.encode()), raw), _PLACES_MAX):
        above = [raw.rfind(end, 0, line.start()) + len(end) for end in _HEADER_ENDS if end in raw[: line.start()]]
        start = max(above, default=0)
        names = b"|".join(map(re.escape, mime.boundaries(raw[:start])))
        end = re.search(rb"\r?\n--(?:%s)(?:--)?[ \t]*(?:\r?\n|\Z)" % names, raw[line.end() :]) if names else None
        message = parse_mail(raw[start : line.end() + end.start() if end else None])
        if message is not None and _proves(_header(message), record):
            return raw[line.end() : line.end() + end.start() if end else None]
    return None


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
