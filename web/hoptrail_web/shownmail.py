"""A mail as lines of text for a page: nothing in it is HTML, a link or an instruction any more."""

from collections.abc import Iterator
from typing import NamedTuple

from hoptrail_tracer.printable import printable

MOST_LINES = 2_000
LONGEST_LINE = 1_000
"""RFC 5322 allows 998; what is longer was not made to be read."""


class ShownMail(NamedTuple):
    """The lines of a mail, and what was left out of them, in words."""

    lines: tuple[str, ...]
    left_out: str | None


def shown_mail(message: bytes) -> ShownMail:
    """A mail's text, every control character and undecodable byte spelled out, cut where no person reads on."""
    lines = message.decode("utf-8", "surrogateescape").replace("\r\n", "\n").split("\n")
    left_out = f"{len(lines) - MOST_LINES:,} more lines are left out" if len(lines) > MOST_LINES else None
    return ShownMail(tuple(_lines(lines[:MOST_LINES])), left_out)


def _lines(lines: list[str]) -> Iterator[str]:
    for line in lines:
        indent = len(line) - len(line.lstrip(" \t"))
        text = " " * min(indent, 40) + printable(line[indent : indent + LONGEST_LINE])
        more = len(line) - indent - LONGEST_LINE
        yield f"{text} [{more:,} more characters]" if more > 0 else text
