"""What one comment of a Received line says: an address, TLS, authentication, an envelope sender, software."""

import re
from enum import Enum, auto
from functools import lru_cache
from typing import NamedTuple

from hoptrail_tracer.received import address
from hoptrail_tracer.received.clauses import COMMENT

_COMMENTS = re.compile(COMMENT)


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


_SENDER = re.compile(r"(?:envelope-(?:from|sender)|return-path:?|mailfrom:)[ =:]*<?([^\s<>,)]*)", re.IGNORECASE)
_TLS = re.compile(
    r"""(?: using\ (?P<v1>(?:TLS|SSL)\S*)\ with\ cipher\ (?P<c1>\S+)
        | (?:\S+\ )? version=(?:3D)?(?P<v2>[^\s,]+),?\ cipher=(?:3D)?(?P<c2>[^\s,)]+)
        | (?:cipher\ |TLS:\ |tls_cipher\ )?(?P<v3>(?:TLS|SSL)[-v]?[\d._]+(?:/SSLv3)?)[:,](?:\d+bits,)?\ ?(?P<c3>[\w-]+)
        | (?P<c4>[A-Z\d]+(?:[-_][A-Z\d]+)+)\ encrypted
        | using\ (?P<v5>(?:TLS|SSL)\S*)
        | (?P<v6>TLS) ) """,
    re.VERBOSE | re.IGNORECASE,
)
_AUTH = re.compile(
    r"""AUTH:\ (?P<mechanism>[\w-]+)
      | (?P<postfix>Authenticated\ sender:)
      | (?P<critical_path>authenticated\ as\ )
      | .*?(?P<sendmail>authenticated)
      | (?P<communigate>account\ )
      | via\ (?P<via>HTTP\w?)$
      | .*\ with\ (?P<with>login|plain|cram-md5|digest-md5)$""",
    re.VERBOSE | re.IGNORECASE,
)
_AUTH_NAMES = {
    "postfix": "Postfix",
    "critical_path": "CriticalPath",
    "sendmail": "Sendmail",
    "communigate": "Communigate",
}
_BESIDE_ADDRESS = re.compile(r"[^\s\[\]]*\s?\[([^\[\]]+)\](?::\d+)?")
_NOISE = re.compile(
    r"(?:no client certificate|client did not|not verified|verified|unverified|may be forged|single-drop|multi-drop"
    r"|misconfigured|original mail|no tls|untrusted|unknown|uid \d|rdns failed|peer crosscheck|google transport|proxying"
    r"|[a-z]+\d+$|[A-Z]{3,5}$|[-+\d]+$)",
    re.IGNORECASE,
)
_SENDMAIL = re.compile(r"(?:[A-Za-z]+-)?8\.\d+\.\d+")
_PROOFPOINT = re.compile(r"8\.\d+\.\d+\.\d+/8\.\d+\.\d+\.\d+$")


def read(comments: str) -> list[Note]:
    """What each comment in a run of comments says, in their order."""
    return [note(comment) for comment in _COMMENTS.findall(comments)]


def note(comment: str) -> Note:
    """What `comment`, with its parentheses, says."""
    if "<" in comment or "@" in comment or len(comment) > _LONGEST_CACHED:
        return _note(comment)  # it names a person: no use in remembering it
    return _remembered(comment)


_LONGEST_CACHED = 120  # longer comments do not recur, and 4,096 of this length stay below a megabyte


def _note(comment: str) -> Note:
    text = comment[1:-1].strip()
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


_remembered = lru_cache(maxsize=4096)(_note)


def _software(text: str) -> str:
    if _PROOFPOINT.match(text):
        return f"Proofpoint {text.partition('/')[0]}"
    if _SENDMAIL.match(text):
        return f"Sendmail {text}"
    if text.startswith("Postfix, from userid"):
        return "Postfix"
    return text
