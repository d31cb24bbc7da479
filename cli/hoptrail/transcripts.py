"""A trace written on the terminal, in colours where there is one."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import click

from hoptrail_tracer.model import Trace
from hoptrail_tracer.transcript import Found, Style, transcript

_COLOURS: dict[Style, dict[str, Any]] = {
    Style.HEADING: {"bold": True},
    Style.QUOTE: {"fg": "cyan"},
    Style.FACT: {},
    Style.GOOD: {"fg": "green"},
    Style.BAD: {"fg": "red"},
    Style.REASON: {"dim": True},
    Style.RESULT: {"bold": True, "fg": "yellow"},
    Style.BAR: {"fg": "blue"},
}


def write_transcript(trace: Trace, values: Sequence[str], found: Found | None) -> None:
    """Write the transcript of a trace of these Received values, with what look-ups told."""
    for line in transcript(trace, values, found=found, now=datetime.now(UTC)):
        click.echo(styled(line.style, line.text))


def styled(style: Style, text: str) -> str:
    """Return the text with its colours, which click takes off again where they are not for a terminal."""
    return text if "NO_COLOR" in os.environ else click.style(text, **_COLOURS[style])
