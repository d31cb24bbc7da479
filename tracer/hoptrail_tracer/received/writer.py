"""Who wrote a line: software, protocol, TLS and authentication out of what stands after `by`, and what follows from it.

What a host says of itself hardly varies from line to line, so the answers are remembered.
"""

import re
from enum import Enum, auto
from typing import TypeAlias

from hoptrail_tracer.memory import remembered
from hoptrail_tracer.model import Kind
from hoptrail_tracer.received import notes
from hoptrail_tracer.received.clauses import COMMENT
from hoptrail_tracer.received.peer import Layout


class Custom(Enum):
    """Which word the software puts first in its from-clause, where the layout alone does not tell."""

    UNKNOWN = auto()
    NAME_FIRST = auto()  # the looked-up name, also before ([ip])
    HELO_FIRST = auto()  # what the client said, also before (ip)
    NO_HELO = auto()  # no client ever says HELO


# What a line says of the host that wrote it and of the connection: software, protocol, TLS, authentication, envelope
# sender, its address, the kind of step and its custom. A plain tuple, which Python takes apart twice as fast.
Writer: TypeAlias = tuple[str | None, str | None, str | None, str | None, str | None, str | None, Kind, Custom]


CACHED_LENGTH = 300  # a longer one does not recur; with 4,096 of them the cache stays at a few megabytes

_PARTS = re.compile(rf"((?: ?{COMMENT})*)(?: ?(?:with|via) ([^()]*))?(.*)")
_COMMENT = re.compile(COMMENT)

_XMAIL = re.compile(r"\[(\w*Mail [^\s\]]+) (?:[^\]]* )?(\w+) Server\]", re.IGNORECASE)
_NAMED_PROTOCOL = re.compile(r"(MailEnable|Microsoft Exchange Server) (ESMTP|SMTP|HTTP-DAV)$")
_ENCRYPTED = re.compile(r"(\S+) encrypted (\S+)")
_SLASHED = re.compile(r"(\w+)/(TLS\S*)")
_PRODUCT = re.compile(
    r"Microsoft (?:SMTP Server|SMTPSVC|Exchange)|Internet Mail Service|Novell_GroupWise|qmail-scanner\S*", re.IGNORECASE
)
# RFC 3848 and RFC 6531 name the first ones; the others are what was written before them, and webmail.
_AUTHENTICATED = re.compile(r"(?:ES|L|UTF8S|UTF8L)MTPS?A|ASMTP|HTTP(?:[US]|-DAV)?", re.IGNORECASE)

# What the protocol or, after the tab, the software says of the kind of step.
_KINDS = tuple(
    (kind, re.compile(pattern, re.IGNORECASE))
    for kind, pattern in (
        (Kind.FETCH, r"POP3?\b|IMAP|KPOP|ETRN|ODMR|[^\t]*\t(?:fetchmail|getmail|mpop)"),
        (Kind.SCANNER, r"qmail-scanner|[^\t]*(?:scanned|SpamAssassin)|[^\t]*\t.*(?:amavis|SpamAssassin|MIMEDefang)"),
        (Kind.MAPI, r"mapi\t"),
        (Kind.HTTP, r"HTTP|DAV|XIMSS|WebMail"),
        (Kind.LOCAL, r"local\b|stdin|spool|bsmtp|uucp|batch"),
    )
)
_NAME_FIRST = re.compile(r"Exim|Smail|ZMailer|qmail-ldap", re.IGNORECASE)
_HELO_FIRST = re.compile(
    r"Microsoft|PowerMTA|KumoMTA|Axigen|[XN]Mail \d|Scalix|LSMTP|Mercury/|Worldmail|Oracle Beehive", re.IGNORECASE
)

# Hosts that authenticate their users without saying so in the protocol.
_GMAIL_SUBMISSION_ID = re.compile(r"\w{1,4}sm\d{2,9}\w{3}\.\d{1,3}\.\d{4}\.")
_GMAIL = "mx.google.com"
SILENT_HOSTS = frozenset({_GMAIL, "mail.gmx.net", "mail.gmx.com"})


def read(wrote: str) -> Writer:
    """What the part of a line from the comments after `by` to those after `with` says of its writer."""
    found = _PARTS.fullmatch(wrote)
    before, phrase, after = found.groups("") if found else ("", "", "")
    protocol, software, tls = _protocol(phrase.strip(",; "))
    if software == "Microsoft SMTPSVC" and (version := _COMMENT.search(after)):
        software += version[0]
    first, second = notes.read(before), notes.read(after)
    software = software or first.software or second.software
    auth = first.auth or second.auth
    if protocol is None and auth and auth.startswith("HTTP"):  # "by host (via HTTP)"
        protocol = auth
    if protocol and _AUTHENTICATED.fullmatch(protocol):
        auth = protocol
    kind = _kind(protocol, software)
    return (
        software,
        protocol,
        tls or first.tls or second.tls,
        auth,
        first.sender or second.sender,
        first.ip,
        kind,
        _custom(kind, software or ""),
    )


read_cached = remembered(4096)(read)


def custom_auth(by: str, id_: str, *, protocol: str | None, tls: str | None, layout: Layout) -> str | None:
    """How a client authenticated to one of the silent hosts, which say so only by the shape of the line."""
    if by == _GMAIL:
        if protocol == "ESMTPS" and tls and _GMAIL_SUBMISSION_ID.match(id_):
            version, _, cipher = tls.partition(" ")
            return f"GMail - transport={version} cipher={cipher}"
    elif layout is Layout.BEHIND:  # (EHLO name) [ip], where the provider's MXes write ([ip])
        return f"GMX ({protocol} / {by})"
    return None


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


def _kind(protocol: str | None, software: str | None) -> Kind:
    said = f"{protocol or ''}\t{software or ''}"
    return next((kind for kind, pattern in _KINDS if pattern.match(said)), Kind.RELAY)


def _custom(kind: Kind, software: str) -> Custom:
    if kind is Kind.HTTP or software.startswith("ecelerity"):
        return Custom.NO_HELO
    if kind is Kind.MAPI or _HELO_FIRST.match(software):
        return Custom.HELO_FIRST
    return Custom.NAME_FIRST if _NAME_FIRST.match(software) else Custom.UNKNOWN
