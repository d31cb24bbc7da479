"""What stands after `with`: the protocol, and what some products add to it."""

import re
from functools import lru_cache
from typing import NamedTuple

from hoptrail_tracer.model import Kind


class Protocol(NamedTuple):
    """A protocol as written, with the software and TLS that its phrase names."""

    name: str | None
    software: str | None
    tls: str | None


_XMAIL = re.compile(r"\[(XMail [^\s\]]+) (\w+) Server\]")
_ENCRYPTED = re.compile(r"(\S+) encrypted (\S+)")
_SLASHED = re.compile(r"(\w+)/(TLS\S*)")
_PRODUCT = re.compile(
    r"Microsoft SMTP Server|Microsoft SMTPSVC|Microsoft Exchange|Internet Mail Service|Novell_GroupWise|qmail-scanner\S*|MailEnable",
    re.IGNORECASE,
)
_AUTHENTICATED = re.compile(r"(?:ES|L|UTF8S|UTF8L)MTPS?A|ASMTP|HTTP[US]?", re.IGNORECASE)


@lru_cache(maxsize=1024)
def read(phrase: str) -> Protocol:
    """What the phrase after `with` names."""
    phrase = phrase.strip(",;")
    if not phrase:
        return Protocol(None, None, None)
    if found := _XMAIL.match(phrase):
        return Protocol(found[2], found[1], None)
    if found := _ENCRYPTED.match(phrase):
        return Protocol(found[2], None, found[1])
    if found := _SLASHED.match(phrase):
        return Protocol(found[1], None, found[2])
    if found := _PRODUCT.match(phrase):
        return Protocol(phrase, found[0], None)
    return Protocol(phrase, None, None)


def auth(protocol: str | None, kind: Kind) -> str | None:
    """The protocol where its name says that the client authenticated (RFC 3848, RFC 6531, and customs before them)."""
    if protocol and kind is not Kind.INTERNAL and _AUTHENTICATED.fullmatch(protocol):
        return protocol
    return None
