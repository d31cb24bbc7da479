"""Who wrote a line: software, protocol, TLS and authentication out of what stands after `by`, and the customs that follow.

What stands there hardly varies from one line of a host to the next, so the answers are remembered.
"""

import re
from enum import Enum, auto
from functools import lru_cache
from typing import NamedTuple

from hoptrail_tracer.model import Kind
from hoptrail_tracer.received import notes
from hoptrail_tracer.received.clauses import COMMENT
from hoptrail_tracer.received.notes import About
from hoptrail_tracer.received.peer import Layout


class Custom(Enum):
    """Which word the software puts first in its from-clause, where the layout alone does not tell."""

    UNKNOWN = auto()
    NAME_FIRST = auto()  # the looked-up name, also before ([ip])
    HELO_FIRST = auto()  # what the client said, also before (ip)
    NO_HELO = auto()  # no client ever says HELO


class Writer(NamedTuple):
    """What a line says of the host that wrote it and of the connection."""

    software: str | None
    protocol: str | None
    tls: str | None
    auth: str | None
    sender: str | None
    by_ip: str | None
    kind: Kind
    custom: Custom


# Comments, protocol, comments again.
_SPLIT = re.compile(rf"((?: ?{COMMENT})*)(?: ?(?:with|via) ([^()]*))?(.*)")
_COMMENT = re.compile(COMMENT)
_XMAIL = re.compile(r"\[(\w*Mail [^\s\]]+) (?:[^\]]* )?(\w+) Server\]", re.IGNORECASE)
_ENCRYPTED = re.compile(r"(\S+) encrypted (\S+)")
_SLASHED = re.compile(r"(\w+)/(TLS\S*)")
_NAMED_PROTOCOL = re.compile(r"(MailEnable|Microsoft Exchange Server) (ESMTP|SMTP|HTTP-DAV)$")
_PRODUCT = re.compile(
    r"Microsoft (?:SMTP Server|SMTPSVC|Exchange)|Internet Mail Service|Novell_GroupWise|qmail-scanner\S*", re.IGNORECASE
)
# RFC 3848 and RFC 6531 name the first line; the second is what was written before them, and webmail.
_AUTHENTICATED = re.compile(r"(?:ES|L|UTF8S|UTF8L)MTPS?A|ASMTP|HTTP(?:[US]|-DAV)?", re.IGNORECASE)

_KINDS = (
    (
        Kind.FETCH,
        re.compile(r"POP3?\b|IMAP|KPOP|ETRN|ODMR", re.IGNORECASE),
        re.compile(r"fetchmail|getmail|mpop", re.IGNORECASE),
    ),
    (
        Kind.SCANNER,
        re.compile(r"qmail-scanner|.*(?:scanned|SpamAssassin)", re.IGNORECASE),
        re.compile(r".*(?:amavis|SpamAssassin|AVG SMTP|MIMEDefang)", re.IGNORECASE),
    ),
    (Kind.MAPI, re.compile(r"mapi$", re.IGNORECASE), None),
    (Kind.HTTP, re.compile(r"HTTP|DAV|XIMSS|WebMail", re.IGNORECASE), None),
    (Kind.LOCAL, re.compile(r"local\b|stdin|spool|bsmtp|uucp|batch", re.IGNORECASE), None),
)
_NAME_FIRST = re.compile(r"Exim|Smail|ZMailer|qmail-ldap", re.IGNORECASE)
_HELO_FIRST = re.compile(
    r"Microsoft|PowerMTA|KumoMTA|Axigen|[XN]Mail \d|Scalix|LSMTP|Mercury/|Worldmail|Oracle Beehive", re.IGNORECASE
)
_CACHED_LENGTH = 300  # longer ones do not recur; bounds the cache's memory to a few megabytes


@lru_cache(maxsize=4096)
def _remembered(text: str) -> Writer:
    return _read(text)


def read(text: str) -> Writer:
    """What the part of a line from the comments after `by` to those after `with` says of its writer."""
    return _remembered(text) if len(text) <= _CACHED_LENGTH else _read(text)


def _read(text: str) -> Writer:
    split = _SPLIT.fullmatch(text)
    by_notes, phrase, with_notes = split.groups("") if split else ("", "", "")
    protocol, software, tls = _protocol(phrase.strip(",; "))
    auth = sender = by_ip = None
    if software == "Microsoft SMTPSVC" and (version := _COMMENT.search(with_notes)):
        software += version[0]
    for place, comments in (("by", by_notes), ("with", with_notes)):
        for about, value in notes.read(comments):
            if about is About.TLS:
                tls = f"{tls} {value}" if tls and "_" in value and "TLS" in tls else tls or value
            elif about is About.AUTH:
                auth = auth or value
            elif about is About.SENDER:
                sender = sender or value
            elif about is About.ADDRESS and place == "by":
                by_ip = by_ip or value
            elif about is About.SOFTWARE:
                software = software or value
    if protocol is None and auth and auth.startswith("HTTP"):  # "by host (via HTTP)"
        protocol = auth
    kind = _kind(protocol or "", software or "")
    if protocol and _AUTHENTICATED.fullmatch(protocol):
        auth = protocol
    return Writer(software, protocol, tls, auth, sender, by_ip, kind, _custom(kind, software or ""))


def _protocol(phrase: str) -> tuple[str | None, str | None, str | None]:
    """The protocol as written, and the software and TLS that its phrase names."""
    if found := _XMAIL.match(phrase) or _NAMED_PROTOCOL.match(phrase):
        return found[2], found[1], None
    if found := _ENCRYPTED.match(phrase):
        return found[2], None, found[1]
    if found := _SLASHED.match(phrase):
        return found[1], None, found[2].replace("/", " ")
    if found := _PRODUCT.match(phrase):
        return phrase, found[0], None
    return phrase or None, None, None


def _kind(protocol: str, software: str) -> Kind:
    for kind, by_protocol, by_software in _KINDS:
        if by_protocol.match(protocol) or (by_software and by_software.match(software)):
            return kind
    return Kind.RELAY


def _custom(kind: Kind, software: str) -> Custom:
    if kind is Kind.HTTP or software.startswith("ecelerity"):
        return Custom.NO_HELO
    if kind is Kind.MAPI or _HELO_FIRST.match(software):
        return Custom.HELO_FIRST
    return Custom.NAME_FIRST if _NAME_FIRST.match(software) else Custom.UNKNOWN


# Hosts that authenticate their users without saying so in the protocol.
_GMAIL_SUBMISSION = re.compile(r"\w{1,4}sm\d{2,9}\w{3}\.\d{1,3}\.\d{4}\.")
_GMX_HOSTS = frozenset({"mail.gmx.net", "mail.gmx.com"})


def custom_auth(by: str, id_: str, *, protocol: str | None, tls: str | None, layout: Layout) -> str | None:
    """How a client authenticated to a host that says so only by the shape of its line; None for all others."""
    if by == "mx.google.com":
        if protocol == "ESMTPS" and tls and _GMAIL_SUBMISSION.match(id_):
            version, _, cipher = tls.partition(" ")
            return f"GMail - transport={version} cipher={cipher}"
    elif by in _GMX_HOSTS and layout is Layout.BEHIND:  # (EHLO name) [ip], where MXes of this provider write ([ip])
        return f"GMX ({protocol} / {by})"
    return None
