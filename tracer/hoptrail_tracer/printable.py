"""Text from strangers, fit for a terminal: no control, no direction change, no undecodable byte reaches it."""

import re

_FOLDING = re.compile(r"[ \t]*\r?\n[ \t]*|\t")


def printable(text: str) -> str:
    r"""The text on one line: folding becomes a space, whatever a terminal may act on is spelled out (`\x1b`)."""
    if not text.isprintable():
        text = _FOLDING.sub(" ", text).strip()
        text = "".join(letter if letter.isprintable() else _spelled_out(letter) for letter in text)
    return text


def _spelled_out(letter: str) -> str:
    if "\udc80" <= letter <= "\udcff":  # an undecodable byte (PEP 383)
        return f"\\x{ord(letter) - 0xDC00:02x}"
    if letter.isascii():
        return f"\\x{ord(letter):02x}"
    return letter.encode("ascii", "backslashreplace").decode()
