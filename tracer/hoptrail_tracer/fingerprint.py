"""What mail software leaves in its lines: the form of its queue ids, the time inside them, the words it uses.

The table holds only software whose habits are fixed in its source. What is not here is never held against a line.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from hoptrail_tracer.memory import remembered
from hoptrail_tracer.model import Received

_DIGITS = "0123456789"
_UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LOWER = _UPPER.lower()
_BASE_52 = _DIGITS + "BCDFGHJKLMNPQRSTVWXYZ" + "bcdfghjklmnpqrstvwxyz"
_BASE_62 = _DIGITS + _UPPER + _LOWER
_PLACES_60 = {digit: place for place, digit in enumerate(_BASE_62[:60])}
_PAST_ALL_S = 1 << 33  # in 2242

_PACIFIC_BEHIND_S = 8 * 3600
_LAST_HOUR = 23
_FIRST_SENDMAIL_YEAR = 40
"""8.10 came out in 2000, the 100th year from 1900."""


@dataclass(frozen=True, slots=True)
class Mark:
    """The habits of one family of software; None where nothing is known, or it writes no ids of its own."""

    family: str
    software: re.Pattern[str]  # fits Received.software from its beginning
    ids: re.Pattern[str] | None = None  # fits all its queue ids
    spells: Callable[[str], bool] | None = None  # whether it spells a protocol so
    time: Callable[[str], int | None] | None = None  # when the id was made, in seconds since 1970


def family(received: Received) -> str | None:
    """The family of software that a line says wrote it, None where it says nothing known here."""
    mark = mark_of(received.software)
    return mark.family if mark is not None else None


@remembered(4096)
def mark_of(software: str | None) -> Mark | None:
    """The habits of the software that a line names, None where it names none or one not known here."""
    return next((mark for mark in _MARKS if mark.software.match(software)), None) if software else None


def read_id(received: Received, mark: Mark | None) -> tuple[bool | None, int | None]:
    """Whether the queue id is one that software of this mark would make, and when it was made, in seconds since 1970.

    None where that is not known.

    Sendmail (conf.c, assign_queueid), Exim (spec.txt, "Message identification") and Postfix's long ids (postconf(5),
    enable_long_queue_ids) hold UTC; Google's hold Pacific time and are an hour early in summer.
    """
    queue_id = received.id
    if queue_id is None:
        return None, None
    if mark is not None and mark.ids is not None:
        if mark.ids.fullmatch(queue_id) is None:
            return False, None
        return True, mark.time(queue_id) if mark.time is not None else None
    if received.by is not None and received.by.endswith(".google.com"):
        return None, _google_time(queue_id)
    return None, None


def id_fits(received: Received) -> bool | None:
    """Whether the queue id is one that the software named would make; None where that is not known."""
    return read_id(received, mark_of(received.software))[0]


def shape(received: Received) -> str:
    """What a line looks like as far as its writer's configuration decides: the key of a host's habits in a history.

    Whatever depends on the client (names, TLS, SMTP or ESMTP) or on an upgrade (versions) is left out.
    """
    software = _VERSION.sub("", received.software) if received.software else ""
    protocol = received.protocol or ""
    case = "lower" if protocol.islower() else "upper" if protocol.isupper() else protocol
    return "|".join((software, case, _id_shape(received.id), "by-ip" if received.by_ip is not None else ""))


def _id_shape(queue_id: str | None) -> str:
    """The separators of an id, and of each part between them whether it is hexadecimal."""
    parts = _ID_PART.split((queue_id or "")[:64])
    return "".join(part if index % 2 else _part_shape(part) for index, part in enumerate(parts))


def _part_shape(part: str) -> str:
    return "" if not part else "x" if _HEX.fullmatch(part) else "w"


def _spelling(pattern: str, flags: int = 0) -> Callable[[str], bool]:
    fullmatch = re.compile(pattern, flags).fullmatch
    return remembered(256)(lambda protocol: fullmatch(protocol) is not None)


def _seconds_in(alphabet: str) -> Callable[[str], int | None]:
    """A function that reads the seconds since 1970 which an id begins with: six digits of this alphabet.

    Ids made within a day or two share the first three, so these are remembered.
    """
    base = len(alphabet)
    places = {digit: place for place, digit in enumerate(alphabet)}

    @remembered(4096)
    def leading(digits: str) -> int:
        return (places[digits[0]] * base + places[digits[1]]) * base + places[digits[2]]

    def seconds(queue_id: str) -> int | None:
        try:
            value = leading(queue_id[:3]) * base + places[queue_id[3]]
            value = (value * base + places[queue_id[4]]) * base + places[queue_id[5]]
        except KeyError:  # no digit
            return None
        return value if 0 < value < _PAST_ALL_S else None

    return seconds


def _postfix_time(queue_id: str) -> int | None:
    return _postfix_seconds(queue_id) if "z" in queue_id else None


def _sendmail_time(queue_id: str) -> int | None:
    """The time in an id of 8.10 or later: a digit each for year, month from 0, day, hour, minute, second."""
    if queue_id[3:].isdigit() and _SENDMAIL_8_9.fullmatch(queue_id):
        return None
    day_s, hour = _sendmail_day(queue_id[:3]), _PLACES_60[queue_id[3]]
    if day_s is None or hour > _LAST_HOUR:
        return None
    return day_s + hour * 3600 + _PLACES_60[queue_id[4]] * 60 + _PLACES_60[queue_id[5]]


@remembered(4096)
def _sendmail_day(digits: str) -> int | None:
    year, month, day = [_PLACES_60[digit] for digit in digits]
    year += 1960 if year >= _FIRST_SENDMAIL_YEAR else 2020  # it counts from 1900, modulo 60
    return _day(year, month + 1, day)


def _google_time(queue_id: str) -> int | None:
    found = _GOOGLE_ID.search(queue_id)
    if found is None:
        return None
    day_s, hour, minute = _google_day(found[1]), int(found[2]), int(found[3])
    if day_s is None or hour > _LAST_HOUR or minute > 59:  # noqa: PLR2004
        return None
    return day_s + hour * 3600 + minute * 60 + int(found[4]) + _PACIFIC_BEHIND_S


@remembered(4096)
def _google_day(text: str) -> int | None:
    return _day(*map(int, text.split(".")))


def _day(year: int, month: int, day: int) -> int | None:
    """When a day began in Greenwich; None for one that no calendar knows."""
    try:
        return int(datetime(year, month, day, tzinfo=UTC).timestamp())
    except ValueError:
        return None


_VERSION = re.compile(r"[ /]?[v\d][\d.]*\b.*", re.DOTALL)
_ID_PART = re.compile(r"([^0-9A-Za-z]+)")
_HEX = re.compile(r"[0-9A-F]+|[0-9a-f]+")
_GOOGLE_ID = re.compile(r"\.(20\d\d\.\d\d\.\d\d)\.(\d\d)\.(\d\d)\.(\d\d)$")
_UPPER_SMTP = r"(?:UTF8)?(?:E?SMTP|LMTP)S?A?"
_postfix_seconds, _exim_seconds = _seconds_in(_BASE_52), _seconds_in(_BASE_62)
_SENDMAIL_8_9 = re.compile(r"[A-Z]{3}\d{5,12}")
_MARKS = (
    Mark(
        "postfix",
        re.compile(r"Postfix\b"),
        re.compile(rf"[0-9A-F]{{6,16}}|[{_BASE_52}]{{10,12}}z[{_BASE_52}]{{1,16}}"),
        _spelling(rf"{_UPPER_SMTP}|QMQP"),
        _postfix_time,
    ),
    Mark(
        "sendmail",
        re.compile(r"Sendmail\b"),
        re.compile(rf"[0-9A-Za-x]{{7,8}}\d{{5,10}}|{_SENDMAIL_8_9.pattern}"),
        _spelling(rf"{_UPPER_SMTP}|BSMTP|UUCP|internal|LOCAL", re.IGNORECASE),
        _sendmail_time,
    ),
    Mark(
        "exim",
        re.compile(r"Exim\b(?! [123])"),
        re.compile(r"\w{6}-\w{6}-\w{2}|\w{6}-\w{11}-\w{4}", re.ASCII),
        _spelling(r"(?:utf8)?(?:local-?)?(?:e?smtps?a?|asmtp|lmtp|bsmtp|local|http|spam-scanned|scanned-ok|[a-z-]+)"),
        _exim_seconds,
    ),
    Mark("exchange", re.compile(r"Microsoft SMTP Server\b"), re.compile(r"\d{1,2}(?:\.\d{1,5}){2,3}")),
    Mark("exchange-ims", re.compile(r"Microsoft Exchange Internet Mail Service\b"), re.compile(r"[0-9A-Z]{8}")),
    Mark("opensmtpd", re.compile(r"OpenSMTPD\b"), re.compile(r"[0-9a-f]{8}")),
    Mark("mdaemon", re.compile(r"MDaemon\b"), re.compile(r"md\d{8,14}\.msg", re.IGNORECASE)),
    Mark("communigate", re.compile(r"CommuniGate Pro\b"), re.compile(r"\d{1,12}")),
    Mark("domino", re.compile(r"(?:Lotus|IBM|HCL) Domino\b"), re.compile(r"\d{14,20}[-:]\d{1,8}")),
    Mark("halon", re.compile(r"Halon\b"), re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")),
)
