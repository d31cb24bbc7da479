"""The clauses of a Received line in any layout: comments are paired, the rest is cut into words, keywords open clauses.

For the lines that `clauses.usual` does not take: clauses out of order, missing spaces and semicolons, dates in every
form, comments without end. Linear in the length of the line.
"""

import re
from typing import TypeAlias

from hoptrail_tracer.received import address, date
from hoptrail_tracer.received.clauses import COMMENT, Clauses, Line

_PAREN = re.compile(r"[()]")
_PIECE = re.compile(r'<[^<>()]*>|\[[^\[\]()]*\][^ ();]*|"[^"()]*"|[^ ();]+|[;(]')
_HOLDS_ADDRESS = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f]{0,4}:[0-9A-Fa-f]{0,4}:")
_COMMENT = re.compile(COMMENT)
_EARLY_WITH = re.compile(r"\b(?:with|via) ([\w-]+)")
_GLUED_FOR = re.compile(r"(.+)for")
_BY_ADDRESS = re.compile(r"([^\[\]]*)\[([^\[\]]*)\]")

# The word that opens a clause. `via` gives way to `with`; a second `from` (XMail) names the envelope sender.
_OPENS = {
    **{word: word for word in ("by", "with", "via", "id", "for", "tls")},
    "id:": "id",
    "over": "tls",
    "from": "sender",
    **dict.fromkeys(("envelope-from", "envelope-from:", "envelope-sender", "smtpmailfrom", "return-path:"), "sender"),
}
_CLAUSES = ("by", "with", "via", "id", "for", "sender", "tls", "")
_AFTER_BY = frozenset({"with", "via", "id", "for"})
_ENDS_NAME = frozenset({"helo", "ehlo", "with", "via", "at", "as", "named", "from", "-", ","})
_AROUND = "<>,;"


# A word, quoted string, bracket, comment or semicolon, and where it begins. A plain tuple: a line has twenty.
_Piece: TypeAlias = tuple[str, int]


def scan(text: str) -> Line:
    """A line in any layout taken apart. What belongs to no clause is left out; the peer stays as it is written."""
    pickup = "(" if text[:6].lower() == "(from " else ""
    if pickup:  # Sendmail's pick-up, Norton's gateway: the clause itself stands in a comment
        text = text.replace("(", "", 1).replace(")", "", 1)
    text, comments = _balanced(text)
    dated = _dated(text, comments)
    pieces = _pieces(text, comments)
    tail: list[_Piece] = []
    if dated:
        tail = [piece for piece in pieces if piece[1] >= dated.end]
        pieces = [piece for piece in pieces if piece[1] < dated.start]
    by_at = _by_at(pieces)
    name = peer = ""
    if pieces and pieces[0][0].lower() == "from":
        last, start = pieces[-1]
        end = pieces[by_at][1] if by_at < len(pieces) else start + len(last)
        name, peer = _from_clause(text[:end], pieces[1:by_at])
    elif by_at == len(pieces):
        by_at = 0  # no clause opens: comments are all there is
    values, notes = _after(pieces[by_at:], tail)
    dated = dated or date.find(text)  # as a last resort, one in a comment
    by, by_ip = _by(values["by"])
    clauses = _clauses(values, notes, pickup, name, peer, by=by)
    return clauses, None, by_ip, dated.date if dated else None


def _clauses(
    values: dict[str, list[str]], notes: dict[str, list[str]], pickup: str, name: str, peer: str, *, by: str
) -> Clauses:
    """The parts put together from the words and the comments of each clause."""
    phrase = values["with"] or values["via"]
    if not phrase and (early := _EARLY_WITH.search(_COMMENT.sub("", peer))):
        phrase = [early[1]]
    cipher = [f"tls {values['tls'][0]}"] if values["tls"] else []
    return Clauses(
        pickup=pickup,
        name=name,
        peer=peer,
        by=by,
        wrote=" ".join(
            [
                *notes["by"],
                *(["with", *phrase] if phrase else ()),
                *notes["with"],
                *notes["via"],
                *cipher,
                *notes["tls"],
            ]
        ),
        sender=_first(values["sender"]),
        id=_first(values["id"]),
        for_=_first(values["for"]),
        date_notes=" ".join(notes["id"] + notes["for"] + notes["sender"] + notes[""]),
    )


def _first(words: list[str]) -> str:
    return words[0].strip(_AROUND) if words else ""


def _by(words: list[str]) -> tuple[str, str | None]:
    """The host after `by`, and the address beside it or in its place."""
    host = _first(words)
    for word in words[:2]:
        if (found := _BY_ADDRESS.match(word)) and (ip := address.canonical(found[2])):
            return (found[1] or host if word == words[0] else host), ip
    return host, None


def _balanced(text: str) -> tuple[str, dict[int, int]]:
    """`text` with a space for each parenthesis that has no partner, and where the outermost comments begin and end."""
    loose: list[int] = []
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
        else:
            loose.append(paren.start())
    if loose or stack:
        characters = list(text)
        for at in loose + stack:
            characters[at] = " "
        text = "".join(characters)
    return text, dict(pairs)


def _dated(text: str, comments: dict[int, int]) -> date.Dated | None:
    """The date outside of comments: after the last semicolon, else the first one anywhere."""
    parts: list[str] = []
    at = 0
    for start, end in comments.items():
        parts += (text[at:start], "\0" * (end - start))  # places stay the same
        at = end
    bare = "".join(parts) + text[at:]
    semicolon = bare.rfind(";")
    found = (date.find(bare, semicolon) if semicolon >= 0 else None) or date.find(bare)
    if found and text[found.end : found.end + 2] == " (":
        return date.find(text, found.start)  # the comment behind it may name the zone
    return found


def _pieces(text: str, comments: dict[int, int]) -> list[_Piece]:
    pieces = []
    at = 0
    while found := _PIECE.search(text, at):
        start, at = found.span()
        at = comments.get(start, at)
        pieces.append((text[start:at], start))
    return pieces


def _by_at(pieces: list[_Piece]) -> int:
    """Which piece is the `by` of the host that wrote the line; without one, where the from-clause ends.

    A client's HELO may contain "by", so the last one that follows an address counts: that the host wrote itself.
    """
    chosen = None
    for at, (word, _) in enumerate(pieces):
        if word.lower() != "by":
            continue
        before = pieces[at - 1][0] if at else ""
        if chosen is None or (before[:1] in {"(", "["} and _HOLDS_ADDRESS.search(before)):
            chosen = at
    if chosen is None:
        keywords = (at for at, (word, _) in enumerate(pieces) if at and word in _AFTER_BY)
        chosen = next(keywords, len(pieces))
    return chosen


def _from_clause(head: str, pieces: list[_Piece]) -> tuple[str, str]:
    """The name that stands first, and the text of the rest."""
    start = end = pieces[0][1] if pieces else len(head)
    for text, at in pieces:
        first = text[0]
        if first == "(" or (end > start and (first == "[" or "@" in text or text.lower() in _ENDS_NAME)):
            break
        end = at + len(text)
        if first == "[":
            break
    return head[start:end], head[end:].rstrip()


def _after(*runs: list[_Piece]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """The words and the comments of each clause from `by` on; a run of pieces continues no clause of the one before."""
    values: dict[str, list[str]] = {clause: [] for clause in _CLAUSES}
    notes: dict[str, list[str]] = {clause: [] for clause in _CLAUSES}
    for run in runs:
        clause = ""
        for text, _ in run:
            if text[0] == "(":
                notes[clause].append(text)
            elif text == ";":
                clause = ""
            elif (opened := _OPENS.get(text.lower())) and opened != clause:
                clause = opened
            else:
                _take(values, clause, text)
    return values, notes


def _take(values: dict[str, list[str]], clause: str, word: str) -> None:
    """Put a word into its clause; an id that ran into the next "for" is parted from it."""
    values[clause].append(word)
    if clause == "id" and word[0] == "<" and len(values["id"]) > 1 and (glued := _GLUED_FOR.fullmatch(values["id"][0])):
        values["id"], values["for"] = [glued[1]], [word]
