"""Received lines: what one of them says. `parse` is the whole interface; `docs/parsing.md` holds the formats."""

from hoptrail_tracer.received.parser import LONGEST_LINE, parse

__all__ = ["LONGEST_LINE", "parse"]
