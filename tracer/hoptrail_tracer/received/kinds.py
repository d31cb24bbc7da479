"""What sort of step a line records, and why it is no handover between hosts where it is none."""

import re

from hoptrail_tracer.model import Kind
from hoptrail_tracer.received.clauses import Clauses
from hoptrail_tracer.received.peer import Peer

_FETCH = re.compile(r"\((?:fetchmail|getmail|mpop)|^(?:POP3?|IMAP|KPOP|ETRN|ODMR)", re.IGNORECASE)
_SCANNER = re.compile(r"amavis|qmail-scanner|spamassassin|spamd|scanned|AVG SMTP|uvscan|MIMEDefang", re.IGNORECASE)
_LOCAL = re.compile(r"local(?:-|$)|stdin|spool|bsmtp|uucp", re.IGNORECASE)
_PICKUP = re.compile(r"\[UNIX|\[local\]|\[unix|@localhost|\buid \d|from userid|^mail pickup|^spool", re.IGNORECASE)


def classify(
    text: str, found: Clauses, seen: Peer, protocol: str | None, software: str | None
) -> tuple[Kind, str | None]:
    """The kind of step, and the reason for leaving the line out of the way of the mail, None where it belongs in."""
    word = protocol or ""
    if _FETCH.search(word) or "fetchmail-" in text or "getmail" in text:
        return Kind.FETCH, "fetched"
    if word.startswith("qmail-scanner"):
        return Kind.SCANNER, "scanner"
    kind = Kind.RELAY
    if _SCANNER.search(word) or (software and _SCANNER.search(software)):
        kind = Kind.SCANNER
    elif word == "mapi":
        kind = Kind.MAPI
    elif word.upper().startswith("HTTP"):
        kind = Kind.INTERNAL if word == "HTTPS" and ".prod." in text.lower() else Kind.HTTP
    elif _LOCAL.match(word):
        kind = Kind.LOCAL
    if seen.ip is not None:
        return kind, None
    if not found.has_from:
        return (Kind.LOCAL if _PICKUP.search(text) else Kind.INTERNAL if kind is Kind.RELAY else kind), "no-from"
    if kind is Kind.LOCAL or _PICKUP.search(found.name + found.peer):
        return Kind.LOCAL, "local-pickup"
    return kind, "scanner" if kind is Kind.SCANNER else "no-address"
