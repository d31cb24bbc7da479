"""A log as a stream of events. A line that cannot be read is counted, and named; no line ends the reading."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from io import BufferedReader
from types import MappingProxyType
from typing import Final

from hoptrail_store.logs import exim, postfix, sendmail
from hoptrail_store.logs.events import Broken, Event
from hoptrail_store.logs.lines import Calendar, LogLine, line_parser

LINE_BYTES: Final = 1 << 14
"""Eight times what syslog daemons take by default; what is longer is no log line."""

SHOWN_MAX: Final = 20
"""Broken lines that are named."""

_LINES_LOOKED_AT = 50  # of which half must be such: a container says something of its own first

_WRITERS: Mapping[str, tuple[Callable[[str], bool], Callable[[LogLine], Iterator[Event]]]] = MappingProxyType(
    {
        "Postfix": (postfix.is_postfix, postfix.events),
        "Sendmail": (sendmail.is_sendmail, sendmail.events),
        "Exim": (exim.is_exim, exim.events),
    }
)


@dataclass(slots=True)
class Lines:
    """How many lines of logs were read, how many an MTA wrote, how many are broken; `shown`: the first of those."""

    read: int = 0
    of_mail: int = 0
    broken: int = 0
    shown: list[str] = field(default_factory=list)

    def blame(self, name: str, number: int, reason: str) -> None:
        """Count a broken line."""
        self.broken += 1
        if len(self.shown) < SHOWN_MAX:
            self.shown.append(f"{name}:{number}: {reason}")


def first_moment(beginning: bytes, calendar: Calendar) -> datetime | None:
    """The time of the first line in the beginning of a file; None where that is no log."""
    parse = line_parser(calendar)
    first: datetime | None = None
    good = bad = 0
    for line in beginning.split(b"\n")[:_LINES_LOOKED_AT]:
        try:
            found = parse(_text(line))
        except ValueError:
            bad += 1
        else:
            good += found is not None
            first = first or (found and found.at)
    return first if good >= bad else None


def read_events(
    content: BufferedReader, calendar: Calendar, lines: Lines, *, name: str
) -> Iterator[tuple[LogLine, str, Event]]:
    """Yield what each line says, with the line and the MTA that wrote it."""
    parse = line_parser(calendar)
    number = 0
    writers: dict[str, tuple[str, Callable[[LogLine], Iterator[Event]]] | None] = {}
    while raw := content.readline(LINE_BYTES):
        number += 1
        lines.read += 1
        if len(raw) == LINE_BYTES and not raw.endswith(b"\n"):
            _skip_line(content)
            lines.blame(name, number, f"longer than {LINE_BYTES:,} bytes")
            continue
        try:
            line = parse(_text(raw))
        except ValueError as error:
            lines.blame(name, number, f"no log line: {error}")
            continue
        if line is None:
            continue
        if line.program not in writers:
            if len(writers) > LINE_BYTES:
                writers.clear()
            writers[line.program] = _writer(line.program)
        writer = writers[line.program]
        if writer is None:
            continue
        lines.of_mail += 1
        for event in writer[1](line):
            if isinstance(event, Broken):
                lines.blame(name, number, event.reason)
            else:
                yield line, writer[0], event


def _writer(program: str) -> tuple[str, Callable[[LogLine], Iterator[Event]]] | None:
    return next(((name, events) for name, (fits, events) in _WRITERS.items() if fits(program)), None)


def _skip_line(content: BufferedReader) -> None:
    while (rest := content.readline(LINE_BYTES)) and not rest.endswith(b"\n"):
        pass


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape").rstrip("\r\n")
