"""RFC 2047 encoded words inside raw header bytes: read, and rewritten where a reader's text must change."""

import re
from collections.abc import Callable
from email.errors import HeaderParseError
from email.header import Header, decode_header

_RUN = re.compile(rb"=\?[^?\s]{1,60}\?[bBqQ]\?[^?\s]*\?=(?:\s+=\?[^?\s]{1,60}\?[bBqQ]\?[^?\s]*\?=)*")


def decoded(raw: bytes) -> bytes:
    """Header text with each run of encoded words as UTF-8, everything else as it stands."""
    return _RUN.sub(lambda match: _text(match[0]), raw)


def replaced(raw: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """Header text in which a run of encoded words is written anew where `change` alters what it says."""

    def rewrite(match: re.Match[bytes]) -> bytes:
        text = _text(match[0])
        after = change(text)
        if after == text:
            return match[0]
        return Header(after.decode("utf-8", "replace"), "utf-8", maxlinelen=75).encode(linesep="\r\n").encode()

    return _RUN.sub(rewrite, raw)


def _text(run: bytes) -> bytes:
    """What a run of adjacent encoded words says, as UTF-8; what cannot be read is replaced, never an error."""
    try:
        pieces = decode_header(run.decode("ascii", "replace"))
    except (HeaderParseError, ValueError):
        return run
    words = []
    for piece, charset in pieces:
        data = piece if isinstance(piece, bytes) else piece.encode("ascii", "replace")
        try:
            words.append(data.decode(charset or "ascii", "replace"))
        except (LookupError, ValueError):  # unknown; or known to Python and no charset of mail, as idna is
            words.append(data.decode("latin-1"))
    return "".join(words).encode("utf-8", "replace")  # UTF-7 can spell a lone surrogate
