"""The from-clause: which address the line names, where it stands, and the words around it.

The same place means different things in different families of mail software; `names` knows which is which:

    helo (rdns [ip])            Sendmail, Postfix, Gmail      helo ([ip])           Sendmail, but Exim: rdns ([ip])
    rdns ([ip] helo=helo)       Exim                          [ip] (helo=helo)      Exim where there is no rdns
    rdns (HELO helo) (ip)       qmail                         rdns (ident@ip)       qmail where HELO is the rdns
    helo (ip)                   Exchange, PowerMTA            helo [ip]             IMail, MDaemon
"""

import re
from enum import Enum, auto
from typing import NamedTuple

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


class Peer(NamedTuple):
    """What the from-clause says, before it is known who wrote it."""

    layout: Layout = Layout.NONE
    ip: str | None = None
    port: int | None = None
    beside: str = ""  # the name beside the address
    helo: str | None = None  # where the line marks it as such; "" is an empty one
    ident: str | None = None
    verified: bool = False  # the writer says that the name was looked up and confirmed
    auth: str | None = None  # a mechanism of SMTP AUTH beside the address
    notes: str = ""  # comments that speak of something else


_NOBODY = Peer()
_PART = re.compile(rf'{COMMENT}|\[[^\s\[\]()]*\](?::\d+)?|"[^"()]*"|[^\s()\[\]"]+')
_HELO = re.compile(r"(account \S+ )?(?:HELO|EHLO|LHLO)(?: (.*)|$)", re.DOTALL | re.IGNORECASE)
_HELO_INSIDE = re.compile(
    r"""\bhelo=(\[[^\]]*\]|[^\s()]*)|["\s,](?:HELO|EHLO)\ ([^\s"()]*)""", re.VERBOSE | re.IGNORECASE
)
_IDENT_INSIDE = re.compile(r"\bident=(\[[^\]]*\]|[^\s()]*)")
_AUTH_INSIDE = re.compile(r" with (login|plain|cram-md5|digest-md5)\b", re.IGNORECASE)
_FORWARDED = re.compile(r"(?:X-)?Forwarded-For:", re.IGNORECASE)  # what a browser may have said of itself
_ONE_WORD = re.compile(r"\((?!unverified|unknown)([^\s()\[\]]+)\)", re.IGNORECASE)
_BRACKETED = re.compile(
    r"(?:IDENT:|(?:not )?verified ?(?=\[))?(?:([^\s\[\]]*)@)?"
    r"([^\s\[\]@]*) ?\[\[?([^\s\[\]]+)(?: port:(\d+))?\]?(?::(\d+))?(.*)",
    re.DOTALL | re.IGNORECASE,
)
_BARE = re.compile(
    r"\s?(?:([^\s\[\]]*)@)?((?:IPv6:)?[/\dA-Fa-f:.]{2,}(?:%[^\s\[\]]*)?)(?=[\s,]|$)(.*)", re.DOTALL | re.IGNORECASE
)

# ([UNAVAILABLE]. [192.0.2.1]) is the longest seen.
_MOST_BRACKETS = 4


def read(name: str, peer: str) -> Peer:
    """What the from-clause `name` `peer` says."""
    if peer:
        return _Reader().read(name, peer)
    found = address.endpoint(name) if name else None
    return Peer(Layout.ALONE, *found) if found else _NOBODY


class _Reader:
    """Takes a from-clause comment by comment."""

    def __init__(self) -> None:
        self.layout = Layout.NONE
        self.ip: str | None = None
        self.port: int | None = None
        self.beside = ""
        self.helo: str | None = None
        self.ident: str | None = None
        self.verified = False
        self.auth: str | None = None
        self.notes: list[str] = []

    def read(self, name: str, peer: str) -> Peer:
        for part in _PART.finditer(peer):
            text = part[0]
            if text[0] == "(":
                if not self.comment(text[1:-1], glued=bool(name) and part.start() == 0):
                    self.notes.append(text)
            elif text[0] == '"':
                self.helo = text[1:-1]  # Obtuse smtpd: , claiming to be "name"
            elif self.ip is None and self.place(Layout.BEHIND, text) and self.helo is None:
                self.take_helo_before()
        if self.ip is None:
            self.place(Layout.ALONE, name)
        return Peer(
            self.layout,
            self.ip,
            self.port,
            self.beside,
            self.helo,
            self.ident,
            self.verified,
            self.auth,
            " ".join(self.notes),
        )

    def comment(self, text: str, *, glued: bool) -> bool:
        """Take what a comment says of the peer; False where it speaks of something else."""
        if found := _HELO.match(text):
            self.helo = (found[2] or "").strip()
            self.auth = "Communigate" if found[1] else self.auth
            return True
        if text[:5].lower() == "helo=":  # the client's own word: an address literal in it is none of the peer's
            return self.attributes(text)
        if _FORWARDED.match(text):
            return False
        taken, rest = self.address(text, glued=glued) if self.ip is None else (False, text)
        return self.attributes(rest) or taken

    def address(self, text: str, *, glued: bool) -> tuple[bool, str]:
        """Take the first address in a comment, and what stands before it; whether there is one, and the rest."""
        rest = text
        for _ in range(_MOST_BRACKETS):
            found = _BRACKETED.match(rest)
            if found is None:
                break
            ident, beside, ip, port, more_port, rest = found.groups()
            if self.place(Layout.NAMED if beside else Layout.BRACKETED, ip, port or more_port):
                self.ident, self.beside = ident, beside
                return True, rest
        if found := _BARE.match(text):
            ident, ip, rest = found.groups()
            if self.place(Layout.GLUED if glued else Layout.BARE, ip):
                self.ident = ident
                return True, rest
        return False, text

    def take_helo_before(self) -> None:
        """Exim's sender_fullhost, `rdns (helo) [ip]`: the comment right before the address is the HELO."""
        if self.notes and (word := _ONE_WORD.fullmatch(self.notes[-1])):
            self.helo = word[1]
            self.notes.pop()

    def place(self, layout: Layout, text: str, port: str | None = None) -> bool:
        """Take `text` as the peer's address if it is one."""
        found = address.endpoint(text)
        if found is None:
            return False
        self.layout = layout
        self.ip, self.port = found
        if port:
            self.port = address.port_number(port)
        return True

    def attributes(self, text: str) -> bool:
        """Take HELO, ident and "verified" out of a comment; False where it has none of them."""
        helo, ident = _HELO_INSIDE.search(text), _IDENT_INSIDE.search(text)
        if helo:
            self.helo = helo[1] if helo[1] is not None else helo[2]
        if ident:
            self.ident = ident[1]
        if auth := _AUTH_INSIDE.match(text):
            self.auth = auth[1]
        self.verified = self.verified or " verified" in text
        return bool(helo or ident)
