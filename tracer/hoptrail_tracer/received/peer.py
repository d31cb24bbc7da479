"""The from-clause: which address the line names, and which words are a looked-up name, a HELO, an ident answer.

Each layout belongs to a family of mail software, and the same word means different things in different families:

    helo (rdns [ip])            Sendmail, Postfix, Gmail      helo ([ip])           Sendmail; Exim: rdns ([ip])
    rdns ([ip] helo=helo)       Exim                          [ip] (helo=helo)      Exim, no rdns
    rdns (HELO helo) (ip)       qmail                         rdns (ident@ip)       qmail, where HELO is the rdns
    helo (ip)                   Exchange, PowerMTA            helo [ip]             IMail, MDaemon
"""

import re
from dataclasses import dataclass
from enum import Enum, auto

from hoptrail_tracer.received import address
from hoptrail_tracer.received.clauses import COMMENT


class Layout(Enum):
    """Where the address stands."""

    NONE = auto()
    NAMED = auto()  # (name [ip]): the name beside the address, or a word that says there is none
    BRACKETED = auto()  # ([ip])
    BARE = auto()  # (ip)
    BEHIND = auto()  # name [ip]
    GLUED = auto()  # name(ip)
    ALONE = auto()  # the address is all there is


@dataclass(slots=True)
class Peer:
    """What the from-clause says, before it is known who wrote it."""

    layout: Layout = Layout.NONE
    ip: str | None = None
    port: int | None = None
    beside: str = ""  # the name beside the address
    helo: str | None = None  # where the line marks it as such; "" is an empty one
    ident: str | None = None
    verified: bool = False  # the writer says that the name was looked up and confirmed
    notes: str = ""  # comments that speak of something else


_PART = re.compile(rf'{COMMENT}|\[[^\s\[\]()]*\](?::\d+)?|"[^"()]*"|[^\s()\[\]"]+')
_HELO = re.compile(r"(?:account \S+ )?[EHL]{1,2}[HE]?LO\b[ =]?(.*)", re.DOTALL)
_HELO_INSIDE = re.compile(r"""helo=(\[[^\]]*\]|[^\s()]*)|["\s,][EHL]{1,2}LO\ ([^\s"()]*)""", re.VERBOSE | re.IGNORECASE)
_IDENT_INSIDE = re.compile(r"\bident=(\[[^\]]*\]|[^\s()]*)")
_BRACKETED = re.compile(
    r"""(?:IDENT:)?(?:([^\s\[\]]*)@)? ([^\s\[\]@]*)\ ? \[\[?([^\s\[\]]+)(?:\ port:(\d+))?\]? (?::(\d+))? (.*)""",
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
_BARE = re.compile(
    r"\s?(?:([^\s\[\]]*)@)?((?:IPv6:)?[/\dA-Fa-f:.]{2,}(?:%[^\s\[\]]*)?)(?=[\s,]|$)(.*)", re.DOTALL | re.IGNORECASE
)


def read(name: str, peer: str) -> Peer:
    """What the from-clause `name` `peer` says."""
    seen = Peer()
    notes = []
    for part in _PART.finditer(peer):
        text = part[0]
        if text[0] == "(":
            if not _comment(seen, text[1:-1], glued=bool(name) and part.start() == 0):
                notes.append(text)
        elif text[0] == '"':
            seen.helo = text[1:-1]  # Obtuse smtpd: , claiming to be "name"
        elif seen.ip is None:
            _place(seen, Layout.BEHIND, text, None)
    if seen.ip is None:
        _place(seen, Layout.ALONE, name, None)
    seen.notes = " ".join(notes)
    return seen


def _comment(seen: Peer, text: str, *, glued: bool) -> bool:
    """Take what a comment says of the peer; False where it speaks of something else."""
    if found := _HELO.match(text):
        seen.helo = found[1].strip()
        return True
    if seen.ip is not None:
        return False
    if found := _BRACKETED.match(text):
        ident, beside, ip, port, more_port, rest = found.groups()
        if _place(seen, Layout.NAMED if beside else Layout.BRACKETED, ip, port or more_port):
            seen.ident, seen.beside = ident, beside
        else:
            return _comment(seen, rest, glued=glued)
    elif found := _BARE.match(text):
        ident, ip, rest = found.groups()
        if not _place(seen, Layout.GLUED if glued else Layout.BARE, ip, None):
            return False
        seen.ident = ident
    else:
        return False
    _attributes(seen, rest)
    return True


def _place(seen: Peer, layout: Layout, text: str, port: str | None) -> bool:
    """Take `text` as the peer's address if it is one."""
    found = address.endpoint(text)
    if found is None:
        return False
    seen.layout = layout
    seen.ip, seen.port = found
    if port:
        seen.port = address.port_number(port)
    return True


def _attributes(seen: Peer, rest: str) -> None:
    """Take what stands behind the address inside its comment."""
    if not rest:
        return
    if found := _HELO_INSIDE.search(rest):
        seen.helo = found[1] if found[1] is not None else found[2]
    if found := _IDENT_INSIDE.search(rest):
        seen.ident = found[1]
    seen.verified = " verified" in rest
