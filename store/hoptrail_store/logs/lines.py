"""The envelope of a log line: when, on which host, by which program, and the text.

All the ways in which a syslog line reaches a file: RFC 3164 with and without year and host name, RFC 5424, ISO stamps
(rsyslog, `journalctl -o short-iso`), journald's JSON, Docker's JSON and its stamps, Exim's own main log.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache, partial
from typing import Any, NamedTuple

EXIM = "exim"
"""The program of a line that Exim wrote into a log of its own, which names none."""

_MONTHS = {
    name: number
    for number, name in enumerate(
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"], 1
    )
}
_TOMORROW = timedelta(days=1)
_LEAP_CYCLE = 8  # years between two 29ths of February at most

_ISO = r"(?P<iso>\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?)"
_OLD = (
    r"(?P<month>[A-Z][a-z]{2}) +(?P<day>\d{1,2}) (?:(?P<year>\d{4}) )?"
    r"(?P<clock>\d\d:\d\d:\d\d)(?:\.\d+)?(?: (?P<year_last>\d{4}))?"
)
_STAMPED = re.compile(rf"(?:<\d{{1,3}}>)?(?:{_OLD}|{_ISO}) +(?P<rest>\S.*)")
_RFC5424 = re.compile(
    rf"(?:\d+ )?<\d{{1,3}}>1 {_ISO} (?P<host>\S+) (?P<program>\S+) (?P<pid>\S+) \S+ (?:-|(?:\[(?:[^\]\\]|\\.)*\])+)"
    "(?: \ufeff?(?P<text>.*))?"
)
# What no syslog daemon writes: a blank within the stamp, and no tag with a number behind it.
_EXIM = re.compile(
    r"(?P<iso>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{3})?(?: [+-]\d{4})?) (?:\[(?P<pid>\d+)\] )?"
    r"(?!(?:\S+ )?[\w/.-]+\[\d+\]: )(?P<text>\S.*)"
)
_TAGGED = re.compile(
    r"(?:<[a-z0-9]+\.[a-z0-9]+> )?(?P<program>[^\s\[\]:]{1,128})(?:\[(?P<pid>[^\]\s]{1,20})\])?: ?"
    r"(?:\[ID \d+ \S+\] )?(?P<text>.*)"
)
_COMPOSE = re.compile(r"[\w.-]+ +\| (.*)")  # docker compose puts the service's name before each line
_NO_LINE = re.compile(r"-- .* --|Hint: .*|last message repeated .*")


class LogLine(NamedTuple):
    """One line; `host` and `pid` are None where it names none."""

    at: datetime  # aware, UTC
    host: str | None
    program: str
    pid: str | None
    text: str


@dataclass(frozen=True, slots=True)
class Calendar:
    """What stamps leave out: the zone, and the year, which follows from when the file was last written to."""

    zone: tzinfo
    written: datetime  # aware

    def moment(self, month: int, day: int, clock: str, year: int | None) -> datetime:
        """The time of a stamp; without a year the latest that is not a day after the file. Raises ValueError."""
        hour, minute, second = int(clock[:2]), int(clock[3:5]), min(59, int(clock[6:]))  # a leap second is 60
        if year is not None:
            return datetime(year, month, day, hour, minute, second, tzinfo=self.zone).astimezone(UTC)
        latest = self.written + _TOMORROW
        for earlier in range(_LEAP_CYCLE + 1):
            try:
                at = datetime(latest.year - earlier, month, day, hour, minute, second, tzinfo=self.zone)
            except ValueError:  # the 29th of February
                continue
            if at <= latest:
                return at.astimezone(UTC)
        raise ValueError("no such day")


def line_parser(calendar: Calendar) -> Callable[[str], LogLine | None]:
    """A function that reads lines: None for one that only a reader of logs wrote, ValueError for what is no line."""
    return partial(_parse, _Stamps(calendar))


class _Stamps:
    """Stamps as times; the last one of each form is remembered, since many lines bear one."""

    def __init__(self, calendar: Calendar) -> None:
        self._calendar = calendar
        self.old = lru_cache(maxsize=8)(self._old)
        self.iso = lru_cache(maxsize=8)(self._iso)

    def _old(self, month: str, day: str, clock: str, year: str | None) -> datetime:
        if month not in _MONTHS:
            raise ValueError(f"no month: {month}")
        return self._calendar.moment(_MONTHS[month], int(day), clock, int(year) if year else None)

    def _iso(self, text: str) -> datetime:
        at = datetime.fromisoformat(text.replace(",", ".").replace(" +", "+").replace(" -", "-"))
        return (at if at.tzinfo else at.replace(tzinfo=self._calendar.zone)).astimezone(UTC)


def _parse(stamps: _Stamps, line: str) -> LogLine | None:
    if line.startswith("{"):
        return _json_line(stamps, line)
    if found := _EXIM.fullmatch(line):
        return LogLine(stamps.iso(found["iso"]), None, EXIM, found["pid"], found["text"])
    if found := _RFC5424.fullmatch(line):
        named = {name: None if value == "-" else value for name, value in found.groupdict().items()}
        at = stamps.iso(found["iso"])
        return LogLine(at, named["host"], named["program"] or "", named["pid"], named["text"] or "")
    if found := _STAMPED.fullmatch(line):
        return _stamped(stamps, found)
    if behind := _COMPOSE.fullmatch(line):
        return _parse(stamps, behind[1])
    if line.strip() and not _NO_LINE.fullmatch(line):
        raise ValueError("no stamp")
    return None


def _stamped(stamps: _Stamps, found: re.Match[str]) -> LogLine | None:
    rest = found["rest"]
    if not found["iso"]:
        at = stamps.old(found["month"], found["day"], found["clock"], found["year"] or found["year_last"])
        return _tagged(at, rest)
    at = stamps.iso(found["iso"])
    if _STAMPED.fullmatch(rest) or _EXIM.fullmatch(rest):  # Docker's stamp before the program's own
        inner = _parse(stamps, rest)
        return inner and inner._replace(at=at)
    return _tagged(at, rest)


def _tagged(at: datetime, rest: str) -> LogLine | None:
    """What stands after the stamp: a host name or none, the program, the text."""
    host, _, behind = rest.partition(" ")
    found = None if host.endswith(":") else _TAGGED.fullmatch(behind.lstrip())
    if found is None:
        found, host = _TAGGED.fullmatch(rest), ""
    if found is None:
        if _NO_LINE.fullmatch(rest) or _NO_LINE.fullmatch(behind):
            return None
        raise ValueError("no program")
    return LogLine(at, host or None, found["program"], found["pid"], found["text"])


def _json_line(stamps: _Stamps, line: str) -> LogLine | None:
    """Docker's `{"log": ..., "time": ...}`, or one entry of `journalctl -o json`."""
    try:
        entry: Any = json.loads(line)
    except RecursionError as error:
        raise ValueError("no JSON") from error
    if not isinstance(entry, dict):
        raise ValueError("no object")  # noqa: TRY004 - the line is malformed
    if isinstance(entry.get("log"), str):
        return _parse(stamps, entry["log"].rstrip("\r\n"))
    message, stamp = entry.get("MESSAGE"), entry.get("__REALTIME_TIMESTAMP")
    if not isinstance(message, str) or not str(stamp).isdigit():
        raise ValueError("neither Docker's nor journald's")
    at = datetime.fromtimestamp(int(str(stamp)[:16]) / 1_000_000, UTC)
    program, pid = str(entry.get("SYSLOG_IDENTIFIER", "")), entry.get("_PID")
    return LogLine(at, _text(entry.get("_HOSTNAME")), program, _text(pid), message)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
