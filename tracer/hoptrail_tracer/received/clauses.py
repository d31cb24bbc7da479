"""The clauses of a Received line in the usual layout (RFC 5321 section 4.4), read by one regular expression.

    from NAME (PEER) by HOST (NOTES) with PROTOCOL (NOTES) id ID (NOTES) for RECIPIENT (NOTES); DATE (NOTES)

Nearly all mail software keeps to this order, with parts left out. `scan` takes any other line apart, into the same
clauses.
"""

import re
from datetime import datetime
from typing import NamedTuple

from hoptrail_tracer.received import date


class Clauses(NamedTuple):
    """The parts of one line, white space collapsed; what is absent is "". Comments keep their parentheses."""

    pickup: str  # "(" where the from-clause stands in a comment: "(from user@localhost)"
    name: str  # what stands first in the from-clause
    peer: str  # the rest of the from-clause
    by: str
    by_ip: str  # an address right after `by`
    by_notes: str  # other comments between `by` and the next clause
    with_: str  # after `with`, or after `via` where no `with` is
    with_notes: str
    sender: str  # the envelope sender
    id: str
    id_notes: str
    for_: str
    for_notes: str
    date_notes: str
    date: datetime | None


# Comments nest (RFC 5322 section 3.2.2); three levels occur. No two alternatives can begin alike, here and in all that
# is built from it, so that a failure costs one look at each character and no more.
COMMENT = r"\([^()]*+(?:\([^()]*+(?:\([^()]*+\)[^()]*+)*\)[^()]*+)*\)"
_COMMENTS = rf"(?:\ {COMMENT}(?:\ {COMMENT})*|)"
_WORD = r"[^\s();]++"
_PHRASE_WORD = rf"\ (?!(?:id|for|via|with|tls|by)\ ){_WORD}"
_WITH_NOTE = rf"(?!\(envelope-){COMMENT}"

# (?:x|) where one would write x? : the engine looks at the first character of a branch before it enters it, and needs no
# counter. The whole match takes two thirds of the time that way.
_USUAL = re.compile(
    rf"""
    (?: (?: (\(|)from (?:\ (mail\ pickup\ service|{_WORD})|) ({_COMMENTS}|\ \[[^\s()\[\]]++\]{_COMMENTS}) \)?\ |)
        by\ ([^\s()\[\];,]++) (?:\ \(\[?([\da-fA-F]*[:.][\da-fA-F:.]++)(?:%\w++|)\]?\)|) ({_COMMENTS})
        (?:\ (?:with|via)\ ({_WORD}(?:{_PHRASE_WORD}(?:{_PHRASE_WORD})*|))
            (\ ?{_WITH_NOTE}(?:\ {_WITH_NOTE}|\ tls\ {_WORD})*|)|)
        (?:\ \(envelope-(?:from|sender)\ <?([^\s<>()]*+)>?\)|)
    |)
    (?:\ id\ ({_WORD})|) (\ ?{COMMENT}{_COMMENTS}|)
    (?:\ for\ ({_WORD})|) (?:\ via\ Frontend\ Transport|) ({_COMMENTS})
    \ ?;\ (?:[A-Z][a-z]{{2}},\ |)(\d\d?)\ ([A-Z][a-z]{{2}})\ (\d{{4}})\ (\d\d):(\d\d):(\d\d)\ ([-+]\d{{4}}|[A-Z]{{1,4}})
    (?:\ \(\w*+\)|) ({_COMMENTS})
    """,
    re.VERBOSE,
)


def usual(text: str) -> Clauses | None:
    """The clauses of a line in the usual layout, None where it has another one."""
    found = _USUAL.fullmatch(text)
    if found is None:
        return None
    *parts, day, month, year, hour, minute, second, zone, date_notes = found.groups("")
    when = date.common(year, month, day, hour, minute, second, zone)
    if when is None:
        return None
    return Clauses(*parts, date_notes, when)
