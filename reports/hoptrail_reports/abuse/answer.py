"""What a mail that came back about a report is: a bounce, a machine's or ticket system's acknowledgement, a reply."""

import hashlib
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from email.utils import parseaddr
from itertools import islice
from typing import Final, Literal

from hoptrail_reports.abuse.incoming import PARTS_MAX, parse_mail
from hoptrail_reports.shown import shown

Kind = Literal["bounce", "delay", "delivered", "automatic", "ticket", "reply"]

_ACTIONS: Final[dict[str, Kind]] = {
    "failed": "bounce",
    "delayed": "delay",
    "delivered": "delivered",
    "relayed": "delivered",
    "expanded": "delivered",
}
_CLASSES: Final[dict[str, Kind]] = {"5": "bounce", "4": "delay", "2": "delivered"}
_DELIVERED_TO = ("delivered-to", "x-original-to", "envelope-to", "x-envelope-to", "to", "cc")
_AUTOMATIC = ("x-autoreply", "x-autorespond", "x-autoresponse", "x-auto-response-suppress")
_PRECEDENCE = frozenset({"auto_reply", "bulk", "junk", "list"})
_QMAIL = "Hi. This is the qmail-send program"
_NUMBER = r"((?:[A-Z]{1,10}-)?[0-9]{3,20})"
_TICKET = re.compile(
    rf"\[[^\[\]]{{0,60}}?{_NUMBER}\]|\b(?:ticket|case|incident|request|report)\W{{1,3}}(?:(?:id|no|number)\W{{1,3}})?{_NUMBER}\b"
    rf"|#{_NUMBER}\b",
    re.IGNORECASE,
)
_OUR_SUBJECT = re.compile(r"\[Hoptrail \([0-9A-Fa-f.:]+\) id:([0-9]{8}-[0-9a-f]{4,32})\]")
_OUR_ID = re.compile(r"<([0-9]{8}-[0-9a-f]{4,32})@")
_REFERENCES_MAX: Final = 10_000  # characters
_STATUS_BLOCKS_MAX: Final = 50


@dataclass(frozen=True, slots=True)
class Answer:
    """One mail that came back. `paths` may hold a report's return path; `about` are ids it names, unproven."""

    digest: bytes
    kind: Kind
    paths: str
    about: tuple[str, ...]
    sender: str | None
    subject: str | None
    detail: str | None


def read_answer(raw: bytes, *, recipient: str | None = None) -> Answer | None:
    """What a mail is, None for one that cannot be read; `recipient` is the address it was delivered to, if known."""
    mail = parse_mail(raw)
    if mail is None:
        return None
    subject = _text(mail, "Subject")
    kind, detail = _kind(mail, subject or "")
    message_id = _text(mail, "Message-ID")
    return Answer(
        digest=hashlib.sha256(message_id.encode() if message_id else raw).digest()[:16],
        kind=kind,
        paths="\n".join(filter(None, (recipient, *_values(mail, _DELIVERED_TO)))),
        about=tuple(dict.fromkeys(_about(mail, subject or ""))),
        sender=parseaddr(_text(mail, "From") or "")[1] or None,
        subject=subject,
        detail=detail,
    )


def _kind(mail: Message, subject: str) -> tuple[Kind, str | None]:
    blocks = list(_status_blocks(mail))
    if mail.get_content_type() == "multipart/report" and blocks:
        return _of_status(blocks)
    if _text(mail, "X-Failed-Recipients"):
        return "bounce", f"failed: {_text(mail, 'X-Failed-Recipients')}"
    ours = _OUR_SUBJECT.sub("", subject)
    found = _TICKET.search(ours)
    ticket = next(filter(None, found.groups()), None) if found else None
    submitted = (_text(mail, "Auto-Submitted") or "no").partition(";")[0].strip().lower()
    if submitted == "no" and _is_daemons(mail):
        return "bounce", subject or None
    automatic = submitted != "no" or any(name in mail for name in _AUTOMATIC)
    automatic = automatic or (_text(mail, "Precedence") or "").lower() in _PRECEDENCE
    if automatic:
        return ("ticket", ticket) if ticket else ("automatic", None)
    return "reply", ticket


def _is_daemons(mail: Message) -> bool:
    """A bounce in words, as qmail and others write them: from nobody, by a mail daemon."""
    local = parseaddr(_text(mail, "From") or "")[1].partition("@")[0].lower()
    return local == "mailer-daemon" or _QMAIL in _beginning(mail)


def _beginning(mail: Message) -> str:
    part = next((part for part in islice(mail.walk(), PARTS_MAX) if not part.is_multipart()), mail)
    payload = part.get_payload()
    return payload[:500] if isinstance(payload, str) else ""


def _status_blocks(mail: Message) -> Iterator[Message]:
    """The groups of fields of a delivery status (RFC 3464 section 2): one for the message, one for each recipient."""
    for part in islice(mail.walk(), PARTS_MAX):
        if part.get_content_type() == "message/delivery-status":
            payload = part.get_payload()
            blocks = payload if isinstance(payload, list) else []
            yield from (block for block in blocks[:_STATUS_BLOCKS_MAX] if isinstance(block, Message))


def _of_status(blocks: list[Message]) -> tuple[Kind, str | None]:
    """The gravest of what is said, by the order of _ACTIONS; without an action a status says it (RFC 3463)."""
    said: list[tuple[Kind, str]] = []
    for block in blocks:
        action = (_text(block, "Action") or "").lower()
        status = _text(block, "Status") or ""
        kind = _ACTIONS.get(action) or _CLASSES.get(status[:1])
        if kind:
            said.append((kind, " ".join(filter(None, (status, _text(block, "Diagnostic-Code"))))))
    gravest = min(said, key=lambda one: list(_ACTIONS.values()).index(one[0]), default=None)
    return (gravest[0], gravest[1] or None) if gravest else ("automatic", None)


def _about(mail: Message, subject: str) -> Iterator[str]:
    references = " ".join(_values(mail, ("in-reply-to", "references")))[:_REFERENCES_MAX]
    yield from _OUR_ID.findall(references)
    yield from _OUR_SUBJECT.findall(subject)
    for part in islice(mail.walk(), PARTS_MAX):  # the report itself, as a bounce brings it back
        if part is not mail and "message-id" in part:
            yield from _OUR_ID.findall(_text(part, "Message-ID") or "")
        elif part.get_content_type() == "text/rfc822-headers":
            yield from _OUR_ID.findall(str(part.get_payload())[:_REFERENCES_MAX])


def _values(mail: Message, names: tuple[str, ...]) -> list[str]:
    return [" ".join(str(value).split()) for name, value in mail.raw_items() if name.lower() in names]


def _text(mail: Message, name: str) -> str | None:
    """A field as a person reads it, on one line and bounded; None where it is absent."""
    value = mail.get(name)
    if value is None:
        return None
    text = " ".join(str(value)[:4_000].split())
    if "=?" in text:
        with suppress(HeaderParseError, ValueError, LookupError):
            text = str(make_header(decode_header(text)))
    return shown(text, 400)
