"""The date of a Received line as an aware datetime: every form that mail software was seen to write.

RFC 5322 section 3.3 with its obsolete parts; besides that asctime's order, Go's and ISO 8601, twelve-hour clocks,
fractions of a second, zones by name, missing zones (read as UTC) and two- and three-digit years. A wrong weekday is
ignored: only the numbers are believed.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import NamedTuple

from hoptrail_tracer.memory import remembered


def _by_name(table: Mapping[int, str]) -> dict[str, int]:
    return {name: number for number, names in table.items() for name in names.split()}


# English, and what hosts write whose C library speaks German, Spanish, French, Italian or Portuguese.
_MONTHS = _by_name(
    {
        1: "jan ene janv gen",
        2: "feb fev fév",
        3: "mar mrz mär",
        4: "apr abr avr",
        5: "may mai mag",
        6: "jun giu",
        7: "jul lug",
        8: "aug ago aoû",
        9: "sep set",
        10: "oct okt out ott",
        11: "nov",
        12: "dec dez dic déc",
    }
)
# Hours east of Greenwich: the zones of RFC 5322, and what is written in spite of it. Names that stand for several
# zones (IST: India, Ireland, Israel) are left out and read, like any unknown name, as UTC.
_ZONES = _by_name(
    {
        0: "UT UTC GMT Z WET",
        -5: "EST CDT",
        -4: "EDT",
        -6: "CST MDT",
        -7: "MST PDT",
        -8: "PST AKDT",
        -9: "AKST",
        -10: "HST",
        -3: "BRT ART",
        -2: "BRST",
        1: "CET MET MEZ BST WEST",
        2: "CEST MEST MESZ EET SAST",
        3: "EEST MSK",
        4: "MSD",
        8: "HKT SGT",
        9: "JST KST",
        10: "AEST",
        11: "AEDT",
        12: "NZST",
        13: "NZDT",
    }
)
_ISO_ZONES = {name: f"{hours:+03}:00" for name, hours in _ZONES.items()}

_TIME = (
    r"(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,](?P<fraction>\d{1,9}))?)?"
    r"(?: ?(?P<half>[AaPp])[Mm]\b)?"
)
_ZONE = r"(?: ?\(?(?P<zone>(?:GMT|UTC?)?[-+]\d{1,2}:?\d{0,3}\b|[A-Z]{1,4}\b))?"
_START = r"(?<![^\s;(),\0])(?:[^\W\d_]{2,9}\.?(?: ?, ?| ))?"  # NUL stands where a comment was

# Tried in this order. An attempt looks at a bounded number of characters, so a search is linear.
_FORMS = tuple(
    re.compile(_START + form + _ZONE)
    for form in (
        rf"(?P<day>\d{{1,2}})[ -](?P<month>[^\W\d_]{{3,9}})\.?[ -](?P<year>\d{{2,4}}),? {_TIME}",
        rf"(?P<month>[^\W\d_]{{3}}),? (?P<day>\d{{1,2}}),? {_TIME}(?P<name> [A-Z]{{2,4}})? (?P<year>\d{{4}})",
        rf"(?P<month>[^\W\d_]{{3}}),? (?P<day>\d{{1,2}}),? (?P<year>\d{{4}}),? {_TIME}",
        rf"(?P<year>\d{{4}})[-/](?P<month>\d\d)[-/](?P<day>\d\d)[T ]{_TIME}",
        rf"(?P<day>\d{{1,2}})/(?P<month>\d\d)/(?P<year>\d{{4}}) {_TIME}",
    )
)

# Outside of these a date is an invention, and could not be reckoned with in every zone.
_FIRST_YEAR, _LAST_YEAR = 1970, 9998


class Dated(NamedTuple):
    """A date found in a text, and the place that it takes there."""

    date: datetime
    start: int
    end: int


def find(text: str, start: int = 0) -> Dated | None:
    """The first date in `text` from `start` on, in any known form; None where there is none that a calendar knows."""
    for form in _FORMS:
        for found in form.finditer(text, start):
            parts = found.groupdict()
            written = parts["zone"] or ""
            zone = _zone(written or (parts.get("name") or "").strip())
            date = _compose(parts, zone or UTC)
            if date is not None:
                end = found.end() if zone or not written else found.start("zone")
                return Dated(date, found.start(), end)
    return None


def usual(day: str, clock: str, zone: str) -> datetime | None:
    """The date out of the parts `2 Aug 2002`, `07:34:10` and `-0400` or `EDT`; None where no calendar knows it."""
    try:
        return datetime.fromisoformat(f"{_iso_day(day)}T{clock}{_ISO_ZONES.get(zone, zone)}")
    except ValueError:
        return None


@remembered(4096)
def _iso_day(day: str) -> str:
    """`2 Aug 2002` as `2002-08-02`. What is no date in there makes none in ISO's form either."""
    number, month, year = day.split()
    return f"{_year(year) or 0:04}-{_month(month) or 0:02}-{int(number):02}"


def _compose(parts: Mapping[str, str | None], zone: timezone) -> datetime | None:
    """The date that the parts of a match make up, None where it is none."""
    numbers = {name: int(text) for name, text in parts.items() if text and text.isdigit()}
    month = numbers.get("month") or _month(parts["month"] or "")
    year = _year(parts["year"] or "")
    if month is None or year is None:
        return None
    hour = numbers["hour"]
    if half := parts["half"]:
        hour = hour % 12 + (12 if half in "Pp" else 0)
    second = min(numbers.get("second", 0), 59)  # a leap second is shown as the one before
    micros = int((parts["fraction"] or "0")[:6].ljust(6, "0"))
    try:
        return datetime(year, month, numbers["day"], hour, numbers["minute"], second, micros, zone)
    except ValueError:
        return None


def _year(digits: str) -> int | None:
    """RFC 5322 section 4.3: two digits up to 49 are of this century, three (or `0102`) count from 1900.

    None for years in which nobody sent mail.
    """
    year = int(digits)
    if len(digits) == 2:  # noqa: PLR2004
        year += 2000 if year < 50 else 1900  # noqa: PLR2004
    elif len(digits) == 3 or digits.startswith("01"):  # noqa: PLR2004
        year += 1900
    return year if _FIRST_YEAR <= year <= _LAST_YEAR else None


def _month(text: str) -> int | None:
    return _MONTHS.get(text[:4].lower()) or _MONTHS.get(text[:3].lower())


@remembered(1024)
def _zone(text: str) -> timezone | None:
    """The zone that `text` names or counts out, UTC where it is empty, None where nobody knows."""
    if not text:
        return UTC
    sign = max(text.find("+"), text.find("-"))
    if sign < 0:
        return timezone(timedelta(hours=_ZONES[text])) if text in _ZONES else None
    digits = text[sign + 1 :].replace(":", "")
    hours, minutes = (digits[:-2], digits[-2:]) if len(digits) > 2 else (digits, "0")  # noqa: PLR2004
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    if offset >= timedelta(days=1):
        return None
    return timezone(-offset if text[sign] == "-" else offset)
