"""What the comments of a Received line say: an address, TLS, authentication, an envelope sender, software."""

import re
from typing import NamedTuple

from hoptrail_tracer.memory import remembered
from hoptrail_tracer.received import address
from hoptrail_tracer.received.clauses import COMMENT


class Notes(NamedTuple):
    """What a run of comments says; of two that speak of the same, the first."""

    ip: str | None = None
    tls: str | None = None  # version and cipher
    auth: str | None = None
    sender: str | None = None  # of the envelope
    recipient: str | None = None  # as the sender first wrote it
    software: str | None = None  # or whatever else: what is none of the above


# A longer run, or one that names a person, does not recur; with 4,096 of them the cache stays at a few megabytes.
_CACHED_LENGTH = 300

_COMMENTS = re.compile(rf"{COMMENT}|tls [^\s()]++")
_ADDRESSES = {
    "sender": re.compile(r"(?:envelope-(?:from|sender)|return-path:?|mailfrom:)[ =:]*<?([^\s<>,)]*)", re.IGNORECASE),
    "recipient": re.compile(r"ORCPT <?(?:rfc822;)?([^\s<>]+)", re.IGNORECASE),
}
_TWO_IN_ONE = re.compile(r", (?:SSL|TLS): ")
_TLS = re.compile(
    r"""  using\ ((?:TLS|SSL)\S*)\ with\ cipher\ (\S+)
        | (?:\S+\ )?version=(?:3D)?([^\s,]+),?\ cipher=(?:3D)?([^\s,)]+)
        | cipher=([^\s,)]+)
        | (?:cipher\ |(?:using\ )?TLS:\ |tls_cipher\ )?((?:TLS|SSL)[-v]?[\d._]+(?:/SSLv3)?)[:,]\ ?(?:\d+bits,)?([\w-]+)
        | ([A-Z\d]+(?:[-_][A-Z\d]+)+)\ encrypted
        | (?:using\ )?((?:TLS|SSL)[-v]?[\d._]*)(?:,.*)?$ """,
    re.VERBOSE | re.IGNORECASE,
)
_AUTH = re.compile(
    r"""  AUTH:\ (?P<mechanism>[\w-]+)
        | (?P<postfix>Authenticated\ sender:)
        | (?P<critical_path>authenticated\ as\ )
        | .*?(?P<sendmail>authenticated)
        | (?P<communigate>account\ )
        | user=\S+\ mech=(?P<fortinet>[\w-]+)
        | via\ (?P<via>HTTP\w?)$ """,
    re.VERBOSE | re.IGNORECASE,
)
# SpamAssassin's names for the ways of saying it, kept because rules and people know them.
_AUTH_NAMES = {
    "postfix": "Postfix",
    "critical_path": "CriticalPath",
    "sendmail": "Sendmail",
    "communigate": "Communigate",
}
_BESIDE_ADDRESS = re.compile(r"[^\s\[\]]*\s?\[([^\[\]]+)\](?::\d+)?")
_NOISE = re.compile(
    r"""$ | no\ client\ cert | client\ did\ not | not\ verified | (?:un)?verified | may\ be\ forged | untrusted
        | unknown | misconfigured | original\ mail | no\ tls | uid\ \d | peer\ crosscheck | proxying | [a-z]+\d+$
        | (?:not|TLS)\ encrypted """,
    re.VERBOSE | re.IGNORECASE,
)
_SENDMAIL = re.compile(r"(?:[A-Za-z]+-)?8\.\d+\.\d+")
_PROOFPOINT = re.compile(r"(8\.\d+\.\d+\.\d+)/8\.\d+\.\d+\.\d+$")


def read(comments: str) -> Notes:
    """What a run of comments says. Exim's `tls CIPHER`, which stands between them, counts as one."""
    if "@" in comments or len(comments) > _CACHED_LENGTH:
        return _read(comments)
    return _remembered(comments)


def _read(comments: str) -> Notes:
    said: dict[str, str] = {}
    for comment in _COMMENTS.findall(comments):
        if comment[0] != "(":
            said["tls"] = f"{said['tls']} {comment[4:]}" if "tls" in said else comment[4:]
            continue
        for part in _TWO_IN_ONE.split(comment[1:-1]):  # Courier says two things in one comment
            about, value = _note(part.strip())
            said.setdefault(about, value)
    said.pop("", None)
    return Notes(**said)


_remembered = remembered(4096)(_read)


def _note(text: str) -> tuple[str, str]:
    """Which field of `Notes` the text of one comment fills, and with what; "" where it says nothing of use."""
    if at := address.endpoint(text):
        return "ip", at[0]
    for about, form in _ADDRESSES.items():
        if found := form.match(text):
            return about, found[1]
    if found := _TLS.match(text):
        return "tls", " ".join(filter(None, found.groups()))
    if found := _AUTH.match(text):
        name = found.lastgroup or ""
        return "auth", _AUTH_NAMES.get(name) or found[name]
    if (found := _BESIDE_ADDRESS.fullmatch(text)) and (at := address.endpoint(found[1])):
        return "ip", at[0]
    return ("", "") if _NOISE.match(text) else ("software", _software(text))


def _software(text: str) -> str:
    """Software as its comment names it, with a name for the kinds that give none."""
    if found := _PROOFPOINT.match(text):
        return f"Proofpoint {found[1]}"
    if _SENDMAIL.match(text):
        return f"Sendmail {text}"
    if text.startswith("qp "):  # qmail with a process number
        return "qmail"
    return "Postfix" if text.startswith("Postfix, from userid") else text
