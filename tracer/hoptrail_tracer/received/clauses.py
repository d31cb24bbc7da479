"""The clauses of a Received line in the usual layout (RFC 5321 section 4.4), read by one regular expression.

    from NAME (PEER) by HOST (NOTES) with PROTOCOL (NOTES) id ID (NOTES) for RECIPIENT (NOTES); DATE (NOTES)

Nearly all mail software keeps to this order, with parts left out. `scan` takes any other line apart, into the same
clauses.
"""

import re
from datetime import datetime
from typing import NamedTuple, TypeAlias

from hoptrail_tracer.received import address, date


class Clauses(NamedTuple):
    """The parts of one line, white space collapsed; what is absent is "". Comments keep their parentheses.

    The from-clause after `name` stands either in the parts up to `peer_notes` or, as it is, in `peer`.
    """

    pickup: str = ""  # "(" where the from-clause stands in a comment: "(from user@localhost)"
    name: str = ""  # what stands first in the from-clause
    helo: str = ""  # in (HELO helo)
    ident: str = ""  # before an @ beside the address
    beside: str = ""  # the name beside a bracketed address
    bracketed: str = ""  # an address in ([...]) or (name [...])
    port: str = ""
    helo_inside: str = ""  # in ([...] helo=helo)
    bare: str = ""  # an address in (...)
    behind: str = ""  # an address in [...], outside of any comment
    peer_notes: str = ""  # comments behind the one with the address
    peer: str = ""
    by: str = ""
    by_ip: str = ""  # an address right after `by`
    wrote: str = ""  # what the writing host says of itself: its comments, " with " or " via ", the protocol, comments
    sender: str = ""  # the envelope sender
    id: str = ""
    id_notes: str = ""
    for_: str = ""
    for_notes: str = ""
    day: str = ""
    clock: str = ""
    zone: str = ""
    sender_behind: str = ""  # the envelope sender in a comment behind the date
    date_notes: str = ""
    id_behind: str = ""  # an id behind the date


# Comments nest (RFC 5322 section 3.2.2); three levels occur. No two alternatives can begin alike, here and in all that
# is built from it, and a run of comments is never given back: a failure costs one look at each character and no more.
COMMENT = r"\([^()]*+(?:\([^()]*+(?:\([^()]*+\)[^()]*+)*\)[^()]*+)*\)"


def _run(comment: str, between: str = r"\ ") -> str:
    return rf"(?>{between}{comment}(?:\ {comment})*|)"


_NOTES = _run(COMMENT)
_ID_NOTES = _run(COMMENT, between=r"\ ?")
_PEER_NOTES = _run(rf"(?!\((?:HELO|EHLO|helo=)){COMMENT}")
_WORD = r"[^ ();]++"
_HOST = r"[^ ()\[\]<>;,]++"
_ADDRESS = r"[0-9A-Fa-f:.]++"
_WITH_WORDS = rf"(?!id\ ){_WORD}(?>(?:\ (?!(?:id|ID|for|via|with|tls|by)\ ){_WORD})*)"
_WITH_NOTES = rf"(?>\ ?(?!\(envelope-){COMMENT}(?:\ (?!\(envelope-){COMMENT}|\ tls\ {_WORD})*|)"
_DAY = r"[0-9][0-9]?\ [A-Z][a-z][a-z]\ [0-9]{2,4}"
_CLOCK = r"[0-9][0-9]:[0-9][0-9]:[0-9][0-9](?:\.[0-9]++|)"
_ZONE = r"[-+][0-9][0-9]:?[0-9][0-9]|[A-Z]{1,4}"

# What the engine does fast shapes this expression: (?:x|) stands for x?, since a branch is entered only if its first
# character fits, and needs no counter; sets are spelt out, since \s and \d ask Unicode about each character.
_USUAL = re.compile(
    rf"""
    (?: (?: (\(|)from (?:\ (mail\ pickup\ service|{_WORD})|)
            (?: (?:\ \((?:HELO|EHLO|LHLO)\ ([^()]++)\)|)
                (?: \ \( (?!(?:HELO|EHLO|LHLO)\ ) (?:(?:IDENT:|)([^ ()\[\]@]*+)@|)
                        (?: (?:([^ ()\[\]@]++)(?<!:)\ |) \[(?:IPv6:|)({_ADDRESS})\] (?::([0-9]{{1,5}})|)
                            (?:\ helo=([^ ()\[\]]++)|) (?:\ \(may\ be\ forged\)|)
                          | ({_ADDRESS}) )\)
                  | \ \[({_ADDRESS})\] )
                ({_PEER_NOTES})
              | ({_NOTES}|\ \[[^ ()\[\]]++\]{_NOTES})
            ) \)?[ ]|)
        by\ ({_HOST})
        (?:\ \((?:{_HOST}\ \[|\[|)([0-9A-Fa-f]*[:.]{_ADDRESS})(?:%[0-9A-Za-z]++|)\]?\)|)
        ({_NOTES} (?:\ (?:with|via)\ {_WITH_WORDS}{_WITH_NOTES}|))
        (?:\ \(envelope-(?:from|sender)\ <?([^ <>()]*+)>?\)|)
    |)
    (?:\ (?:id|ID)\ <?([^ ();<>,]++)>?,?|) ({_ID_NOTES})
    (?:\ for\ <?([^ ();<>,]++)>?|) (?:\ via\ Frontend\ Transport|\ \(single-drop\)|) ({_NOTES})
    \ ?;\ (?:[A-Z][a-z][a-z],\ |) ({_DAY})\ ({_CLOCK})\ ({_ZONE})
    (?:\ \([A-Za-z0-9]*+\)|) (?:\ \(envelope-from\ <?([^ <>()]*+)>?\)|) ({_NOTES}) (?:\ id\ ({_WORD})|)
    """,
    re.VERBOSE,
)

_AT = {name: at for at, name in enumerate(Clauses._fields)}
_BRACKETED, _BARE, _BEHIND, _BY_IP, _DATE = (_AT[name] for name in ("bracketed", "bare", "behind", "by_ip", "day"))


# One line taken apart: the clauses in the order of `Clauses`, the address in its peer parts, the one beside `by`,
# and the date. A plain tuple: naming its parts would cost a thirtieth of the time that a line takes.
Line: TypeAlias = tuple[tuple[str, ...], str | None, str | None, datetime | None]


def usual(text: str) -> Line | None:
    """A line in the usual layout taken apart; None for any other, and where a number is no address and no date."""
    found = _USUAL.fullmatch(text)
    if found is None:
        return None
    parts = found.groups("")
    when = date.usual(parts[_DATE], parts[_DATE + 1], parts[_DATE + 2])
    ip = parts[_BRACKETED] or parts[_BARE] or parts[_BEHIND] or None
    by_ip = parts[_BY_IP] or None
    if when is None or (ip and (ip := address.canonical(ip)) is None):
        return None
    if by_ip and (by_ip := address.canonical(by_ip)) is None:
        return None
    return parts, ip, by_ip, when
