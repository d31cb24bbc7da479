"""The clauses of a Received line (RFC 5321 section 4.4): from, by, via/with, id, for, the date, and the comments.

`usual` reads the layout that nearly all mail software writes with one regular expression; `scan` takes any other line
apart piece by piece. Both are linear in the length of the line and agree where both apply.
"""

import re
from datetime import datetime
from typing import NamedTuple

from hoptrail_tracer.received import date


class Clauses(NamedTuple):
    """The parts of one line, white space collapsed; what is absent is "". Comments keep their parentheses."""

    name: str  # what stands first in the from-clause
    peer: str  # the rest of the from-clause
    by: str
    by_notes: str  # comments between `by` and the next clause
    with_: str  # after `with`, or after `via` where no `with` is
    with_notes: str
    id: str
    for_: str
    notes: str  # all other comments, wherever they stand
    sender: str  # an envelope sender outside of any comment
    has_from: bool
    date: datetime | None


# Comments nest, RFC 5322 section 3.2.2; three levels occur. No alternative can begin like another one, so that a failure
# costs no more than one look at each character; the same holds for all repetitions in this module.
COMMENT = r"\((?:[^()]++|\((?:[^()]++|\([^()]*+\))*\))*\)"

_USUAL = re.compile(
    rf"""(from\ )? (?(1)([^\s();]++) ((?:\ ?{COMMENT}|\ \[[^\s()\[\];]++)*)\ )
    by\ ([^\s();]++) ((?:\ {COMMENT})*)
    (?:\ with\ ([^\s();]++(?:\ (?!(?:id|for|via)\ )[^\s();]++)*) ((?:\ {COMMENT})*))?
    (?:\ id\ ([^\s();]++))?
    ((?:\ {COMMENT})*)
    (?:\ for\ ([^\s();]++))?
    (?:\ via\ Frontend\ Transport)?
    ((?:\ {COMMENT})*)
    \ ?;\ (?:[A-Z][a-z]{{2}},\ )?(\d\d?)\ ([A-Z][a-z]{{2}})\ (\d{{4}})\ (\d\d):(\d\d):(\d\d)\ ([-+]\d{{4}}|[A-Z]{{1,4}})
    ((?:\ {COMMENT})*)""",
    re.VERBOSE,
)


def usual(text: str) -> Clauses | None:
    """The clauses of a line in the usual layout, None where it has another one."""
    found = _USUAL.fullmatch(text)
    if found is None:
        return None
    (
        start,
        name,
        peer,
        by,
        by_notes,
        with_,
        with_notes,
        id_,
        notes,
        for_,
        more,
        day,
        month,
        year,
        hour,
        minute,
        second,
        zone,
        last,
    ) = found.groups("")
    when = date.common(year, month, day, hour, minute, second, zone)
    if when is None:
        return None
    return Clauses(name, peer, by, by_notes, with_, with_notes, id_, for_, notes + more + last, "", bool(start), when)


_PAREN = re.compile(r"[()]")
_PIECE = re.compile(r'<[^<>()]*>|\[[^\[\]()]*\][^\s();]*|"[^"()]*"|[^\s();]+|[;()]')
_HOLDS_ADDRESS = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f]{0,4}:[0-9A-Fa-f]{0,4}:")
_EARLY_WITH = re.compile(r"\b(?:with|via) ([\w-]+)")
_GLUED_FOR = re.compile(r"(.+)for")

# The word that opens a clause. `via` gives way to `with`; a second `from` (XMail) names the envelope sender.
_OPENS = {
    "by": "by",
    "with": "with",
    "via": "via",
    "id": "id",
    "id:": "id",
    "for": "for",
    "from": "sender",
    **dict.fromkeys(("envelope-from", "envelope-from:", "envelope-sender", "smtpmailfrom", "return-path:"), "sender"),
}
_ENDS_NAME = frozenset({"with", "via", "at", "as", "named", "-", ","})


class _Piece(NamedTuple):
    """A word, quoted string, bracket, comment or semicolon, and where it begins."""

    text: str
    start: int


def scan(text: str) -> Clauses:
    """The clauses of a line in any layout; whatever belongs to none is left out."""
    if text[:6].lower() == "(from ":  # Sendmail's pick-up, Norton's gateway: the clause itself stands in a comment
        text = text.replace("(", "", 1).replace(")", "", 1)
    found = _dated(text)
    when = found or date.find(text)
    head, tail = (text[: found.start], text[found.end :]) if found else (text, "")
    pieces = _pieces(head)
    by_at = _by_at(pieces)
    has_from = bool(pieces) and pieces[0].text.lower() == "from"
    end = pieces[by_at].start if by_at < len(pieces) else len(head)
    name, peer = _from_clause(head[:end], pieces[1:by_at]) if has_from else ("", "")
    values, notes = _after(pieces[by_at:], _pieces(tail))
    if not values["with"] and (early := _EARLY_WITH.search(peer)):
        values["with"] = [early[1]]
    return Clauses(
        name,
        peer,
        by=_first(values["by"]),
        by_notes=" ".join(notes["by"]),
        with_=" ".join(values["with"] or values["via"]),
        with_notes=" ".join(notes["with"] + notes["via"]),
        id=_first(values["id"]),
        for_=_first(values["for"]),
        notes=" ".join(notes[""]),
        sender=_first(values["sender"]),
        has_from=has_from,
        date=when.date if when else None,
    )


def _first(words: list[str]) -> str:
    return words[0] if words else ""


def _dated(text: str) -> date.Dated | None:
    """The date outside of comments: after the last semicolon, else the first one anywhere."""
    bare = _without_comments(text)
    semicolon = bare.rfind(";")
    found = (semicolon >= 0 and date.find(bare, semicolon)) or date.find(bare)
    return date.find(text, found.start) if found else None  # once more: a comment may name the zone


def _without_comments(text: str) -> str:
    """`text` with all comments overwritten, so that places stay the same."""
    parts = []
    at = 0
    for start, end in _comments(text):
        parts += (text[at:start], "\0" * (end - start))
        at = end
    return "".join(parts) + text[at:]


def _comments(text: str) -> list[tuple[int, int]]:
    """Where the outermost comments lie. A parenthesis without partner opens and closes nothing."""
    stack: list[int] = []
    pairs: list[tuple[int, int]] = []
    for paren in _PAREN.finditer(text):
        if paren[0] == "(":
            stack.append(paren.start())
        elif stack:
            start = stack.pop()
            while pairs and pairs[-1][0] > start:
                pairs.pop()
            pairs.append((start, paren.end()))
    return pairs


def _pieces(text: str) -> list[_Piece]:
    ends = dict(_comments(text))
    pieces = []
    at = 0
    while found := _PIECE.search(text, at):
        start, at = found.span()
        if found[0] == "(" and start in ends:
            at = ends[start]
        if at - start > 1 or found[0] not in "()":
            pieces.append(_Piece(text[start:at], start))
    return pieces


def _by_at(pieces: list[_Piece]) -> int:
    """Which piece is the `by` of the host that wrote the line; the number of pieces where there is none.

    A client's HELO may contain "by", so the last one that follows an address counts: that the host wrote itself.
    """
    chosen = len(pieces)
    for at, piece in enumerate(pieces):
        if piece.text.lower() != "by":
            continue
        before = pieces[at - 1].text if at else ""
        if chosen == len(pieces) or (before[0] in "([" and _HOLDS_ADDRESS.search(before)):
            chosen = at
    return chosen


def _from_clause(head: str, pieces: list[_Piece]) -> tuple[str, str]:
    """The name that stands first, and the text of the rest."""
    start = end = pieces[0].start if pieces else len(head)
    for piece in pieces:
        if piece.text[0] == "(" or (end > start and (piece.text[0] == "[" or piece.text.lower() in _ENDS_NAME)):
            break
        end = piece.start + len(piece.text)
        if piece.text[0] == "[":
            break
    return head[start:end], head[end:].rstrip()


def _after(*runs: list[_Piece]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """The words and the comments of each clause from `by` on; runs of pieces do not continue each other's clauses."""
    values: dict[str, list[str]] = {name: [] for name in ("by", "with", "via", "id", "for", "sender", "")}
    notes: dict[str, list[str]] = {name: [] for name in ("by", "with", "via", "")}
    for run in runs:
        clause = ""
        for piece in run:
            text = piece.text
            if text[0] == "(":
                notes[clause if clause in notes else ""].append(text)
            elif text == ";":
                clause = ""
            elif opened := _OPENS.get(text.lower()):
                clause = "" if opened == "via" and values["with"] else opened
            elif clause == "by" and values["by"] and text[0] == "[":
                notes["by"].append(f"({text})")
            elif (
                clause == "id" and text[0] == "<" and values["id"] and (glued := _GLUED_FOR.fullmatch(values["id"][0]))
            ):
                values["id"], values["for"] = [glued[1]], [text]
            else:
                values[clause].append(text)
    return values, notes
