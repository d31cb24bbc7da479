"""The date of a Received line as an aware datetime: every form that mail software was seen to write.

RFC 5322 section 3.3 with its obsolete parts; besides that asctime's order, Go's and ISO 8601, twelve-hour clocks,
fractions of a second, zones by name, missing zones (read as UTC) and two- and three-digit years. A wrong weekday is
ignored: only the numbers are believed.
"""

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import NamedTuple

MONTHS = {
    name: number
    for number, name in enumerate(
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"], 1
    )
}

# Hosts whose C library writes dates in the language of the country (Spanish, German, French, Italian, Portuguese).
_FOREIGN_MONTHS = {
    "ene": 1,
    "janv": 1,
    "gen": 1,
    "fev": 2,
    "mrz": 3,
    "mär": 3,
    "abr": 4,
    "avr": 4,
    "mai": 5,
    "mag": 5,
    "giu": 6,
    "lug": 7,
    "ago": 8,
    "set": 9,
    "okt": 10,
    "oct": 10,
    "out": 10,
    "ott": 10,
    "dez": 12,
    "dic": 12,
    "déc": 12,
}

# Hours east of Greenwich. The first line is RFC 5322's; the rest is what mail software writes in spite of it. Names that
# mean several zones (IST: India, Ireland, Israel) are left out and read, like any unknown name, as UTC.
_ZONES = {
    "EST": -5,
    "EDT": -4,
    "CST": -6,
    "CDT": -5,
    "MST": -7,
    "MDT": -6,
    "PST": -8,
    "PDT": -7,
    "UT": 0,
    "GMT": 0,
    "UTC": 0,
    "Z": 0,
    "WET": 0,
    "WEST": 1,
    "BST": 1,
    "CET": 1,
    "MET": 1,
    "MEZ": 1,
    "CEST": 2,
    "MEST": 2,
    "MESZ": 2,
    "EET": 2,
    "EEST": 3,
    "SAST": 2,
    "MSK": 3,
    "MSD": 4,
    "SGT": 8,
    "HKT": 8,
    "JST": 9,
    "KST": 9,
    "AEST": 10,
    "AEDT": 11,
    "NZST": 12,
    "NZDT": 13,
    "HST": -10,
    "AKST": -9,
    "AKDT": -8,
    "BRT": -3,
    "BRST": -2,
    "ART": -3,
}

_TIME = r"(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,](?P<fraction>\d{1,9}))?)?(?:\ ?(?P<half>[AaPp])[Mm]\b)?"
_ZONE = r"(?:\ ?\(?(?P<zone>(?:GMT|UTC?)?[-+]\d{1,2}:?\d{0,3}\b|[A-Z]{1,4}\b))?"
_START = r"(?<![^\s;(),\0])(?:[^\W\d_]{2,9}\.?(?:\ ?,\ ?|\ ))?"

# Outside of these a date is an invention, and its neighbours could not be reckoned with in every zone.
_FIRST_YEAR, _LAST_YEAR = 1970, 9998

# Tried in this order; no two can match at one place, and each attempt looks at a bounded number of characters.
_FORMS = tuple(
    re.compile(form)
    for form in (
        rf"{_START}(?P<day>\d{{1,2}})[ -](?P<month>[^\W\d_]{{3,9}})\.?[ -](?P<year>\d{{2,4}}),? {_TIME}{_ZONE}",
        rf"{_START}(?P<month>[^\W\d_]{{3}}) (?P<day>\d{{1,2}}),? {_TIME}(?P<zone_name> [A-Z]{{2,4}})? (?P<year>\d{{4}}){_ZONE}",
        rf"{_START}(?P<year>\d{{4}})[-/](?P<month>\d\d)[-/](?P<day>\d\d)[T ]{_TIME}{_ZONE}",
    )
)


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
            zone_name = parts["zone"] or (parts.get("zone_name") or "").strip()
            zone = _zone(zone_name)
            date = _compose(parts, zone or UTC)
            if date is not None:
                end = found.end() if zone or not parts["zone"] else found.start("zone")
                return Dated(date, found.start(), end)
    return None


def common(year: str, month: str, day: str, hour: str, minute: str, second: str, zone: str) -> datetime | None:
    """The date that these parts of the usual form make up; None where no calendar or zone table knows it."""
    try:
        return datetime(int(year), MONTHS[month], int(day), int(hour), int(minute), int(second), 0, _zone(zone))
    except (KeyError, ValueError):
        return None


def _compose(parts: dict[str, str | None], zone: timezone) -> datetime | None:
    """The date that the parts of a match make up, None where it is none."""
    month = _month(parts["month"] or "")
    if month is None:
        return None
    hour = int(parts["hour"] or 0)
    if parts["half"]:
        hour = hour % 12 + (12 if parts["half"] in "Pp" else 0)
    micro = int((parts["fraction"] or "0")[:6].ljust(6, "0"))
    second = min(int(parts["second"] or 0), 59)  # a leap second is shown as the one before
    year = _year(parts["year"] or "")
    if not _FIRST_YEAR <= year <= _LAST_YEAR:
        return None
    try:
        return datetime(year, month, int(parts["day"] or 0), hour, int(parts["minute"] or 0), second, micro, zone)
    except ValueError:
        return None


def _year(digits: str) -> int:
    """RFC 5322 section 4.3: two digits up to 49 are of this century, three digits count from 1900."""
    year = int(digits)
    if len(digits) == 2:  # noqa: PLR2004
        return year + (2000 if year < 50 else 1900)  # noqa: PLR2004
    return year + 1900 if len(digits) == 3 else year  # noqa: PLR2004


def _month(text: str) -> int | None:
    if text.isdigit():
        return int(text)
    return (
        MONTHS.get(text[:3].title()) or _FOREIGN_MONTHS.get(text[:4].lower()) or _FOREIGN_MONTHS.get(text[:3].lower())
    )


@lru_cache(maxsize=1024)
def _zone(text: str) -> timezone | None:
    """The zone that `text` names or counts out, UTC where it is empty, None where nobody knows."""
    if not text:
        return UTC
    sign = max(text.find("+"), text.find("-"))
    if sign < 0:
        hours = _ZONES.get(text)
        return None if hours is None else timezone(timedelta(hours=hours))
    digits = text[sign + 1 :].replace(":", "")
    if len(digits) > 2:  # noqa: PLR2004
        offset = timedelta(hours=int(digits[:-2]), minutes=int(digits[-2:]))
    else:
        offset = timedelta(hours=int(digits))
    if offset >= timedelta(days=1):
        return None
    return timezone(-offset if text[sign] == "-" else offset)
