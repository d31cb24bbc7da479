"""Text from strangers, fit for a terminal: no control, no direction change, no undecodable byte reaches it."""

import re

_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff0-\uffff\ud800-\udfff"
    "\U000e0000-\U000e0fff]"
)


def printable(text: str) -> str:
    r"""The text on one line: folding becomes a space, whatever a terminal may act on is spelled out (`\x1b`)."""
    return _UNPRINTABLE.sub(_spelled_out, _unfolded(text))


def _unfolded(text: str) -> str:
    return re.sub(r"\r?\n[ \t]+", " ", text).strip()


def _spelled_out(found: re.Match[str]) -> str:
    if found[0] == "\t":
        return " "
    if "\udc80" <= found[0] <= "\udcff":  # an undecodable byte (PEP 383)
        return f"\\x{ord(found[0]) - 0xDC00:02x}"
    if found[0].isascii():  # which backslashreplace would let through
        return f"\\x{ord(found[0]):02x}"
    return found[0].encode("ascii", "backslashreplace").decode()
