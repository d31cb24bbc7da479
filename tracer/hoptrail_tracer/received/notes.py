"""What one comment of a Received line says: an address, TLS, authentication, an envelope sender, software."""

import re
from enum import Enum, auto
from functools import lru_cache
from typing import NamedTuple

from hoptrail_tracer.received import address
from hoptrail_tracer.received.clauses import COMMENT


class About(Enum):
    """What a comment speaks of."""

    ADDRESS = auto()
    TLS = auto()
    AUTH = auto()
    SENDER = auto()
    SOFTWARE = auto()
    NOTHING = auto()


class Note(NamedTuple):
    """What a comment speaks of and what it says."""

    about: About
    value: str


_CACHED_LENGTH = 300  # a longer run, or one that names a person, does not recur; bounds the cache to a few megabytes

_COMMENTS = re.compile(rf"{COMMENT}|tls [^\s()]++")
_SENDER = re.compile(r"(?:envelope-(?:from|sender)|return-path:?|mailfrom:)[ =:]*<?([^\s<>,)]*)", re.IGNORECASE)
_TLS = re.compile(
    r"""  using\ (?P<version_1>(?:TLS|SSL)\S*)\ with\ cipher\ (?P<cipher_1>\S+)
        | (?:\S+\ )?version=(?:3D)?(?P<version_2>[^\s,]+),?\ cipher=(?:3D)?(?P<cipher_2>[^\s,)]+)
        | (?:cipher\ |TLS:\ |tls_cipher\ )?(?P<version_3>(?:TLS|SSL)[-v]?[\d._]+(?:/SSLv3)?)[:,](?:\d+bits,)?(?P<cipher_3>[\w-]+)
        | (?P<cipher_4>[A-Z\d]+(?:[-_][A-Z\d]+)+)\ encrypted
        | (?:using\ )?(?P<version_5>(?:TLS|SSL)[-v]?[\d._]*)(?:,.*)?$
        | tls\ (?P<cipher_6>\S+) """,
    re.VERBOSE | re.IGNORECASE,
)
_AUTH = re.compile(
    r"""  AUTH:\ (?P<mechanism>[\w-]+)
        | (?P<postfix>Authenticated\ sender:)
        | (?P<critical_path>authenticated\ as\ )
        | .*?(?P<sendmail>authenticated)
        | (?P<communigate>account\ )
        | via\ (?P<via>HTTP\w?)$ """,
    re.VERBOSE | re.IGNORECASE,
)
# SpamAssassin's words for the software's way of saying it, kept because rules and people know them.
_AUTH_NAMES = {
    "postfix": "Postfix",
    "critical_path": "CriticalPath",
    "sendmail": "Sendmail",
    "communigate": "Communigate",
}
_BESIDE_ADDRESS = re.compile(r"[^\s\[\]]*\s?\[([^\[\]]+)\](?::\d+)?")
_NOISE = re.compile(
    r"""no\ client\ cert | client\ did\ not | not\ verified | (?:un)?verified | may\ be\ forged | untrusted | misconfigured
        | original\ mail | no\ tls | unknown | uid\ \d | peer\ crosscheck | proxying | [a-z]+\d+$ """,
    re.VERBOSE | re.IGNORECASE,
)
_SENDMAIL = re.compile(r"(?:[A-Za-z]+-)?8\.\d+\.\d+")
_PROOFPOINT = re.compile(r"8\.\d+\.\d+\.\d+/8\.\d+\.\d+\.\d+$")


def read(comments: str) -> tuple[Note, ...]:
    """What each comment in a run of comments says, in their order. Exim's `tls CIPHER` counts as one."""
    if "@" in comments or len(comments) > _CACHED_LENGTH:
        return _read(comments)
    return _remembered(comments)


def _read(comments: str) -> tuple[Note, ...]:
    return tuple(note(comment) for comment in _COMMENTS.findall(comments))


_remembered = lru_cache(maxsize=4096)(_read)


def note(comment: str) -> Note:
    """What `comment` says."""
    text = comment[1:-1].strip() if comment[0] == "(" else comment
    if at := address.endpoint(text):
        return Note(About.ADDRESS, at[0])
    if found := _SENDER.match(text):
        return Note(About.SENDER, found[1])
    if found := _TLS.match(text):
        return Note(About.TLS, " ".join(part for part in found.groups() if part))
    if found := _AUTH.match(text):
        name = found.lastgroup or ""
        return Note(About.AUTH, _AUTH_NAMES.get(name) or found[name])
    if (found := _BESIDE_ADDRESS.fullmatch(text)) and (at := address.endpoint(found[1])):
        return Note(About.ADDRESS, at[0])
    if not text or _NOISE.match(text):
        return Note(About.NOTHING, "")
    return Note(About.SOFTWARE, _software(text))


def _software(text: str) -> str:
    if _PROOFPOINT.match(text):
        return f"Proofpoint {text.partition('/')[0]}"
    if _SENDMAIL.match(text):
        return f"Sendmail {text}"
    if text.startswith("qp "):
        return "qmail"
    return "Postfix" if text.startswith("Postfix, from userid") else text
