"""What mail software leaves in its lines: the form of its queue ids, the time inside them, the words it uses.

The table holds only software whose habits are fixed in its source. What is not here is never held against a line.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from hoptrail_tracer.model import Received

_DIGITS = "0123456789"
_UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LOWER = _UPPER.lower()
_BASE_52 = _DIGITS + "BCDFGHJKLMNPQRSTVWXYZ" + "bcdfghjklmnpqrstvwxyz"
_BASE_62 = _DIGITS + _UPPER + _LOWER
_PLACES_52, _PLACES_60, _PLACES_62 = (
    {digit: place for place, digit in enumerate(alphabet)} for alphabet in (_BASE_52, _BASE_62[:60], _BASE_62)
)

_PACIFIC_BEHIND_S = 8 * 3600
_FIRST_SENDMAIL_YEAR = 40
"""8.10 came out in 2000, the 100th year from 1900."""


@dataclass(frozen=True, slots=True)
class Mark:
    """The habits of one family of software. `ids` fits all its queue ids; None where it writes none of its own."""

    family: str
    software: re.Pattern[str]  # fits Received.software from its beginning
    ids: re.Pattern[str] | None = None
    protocols: re.Pattern[str] | None = None
    time: Callable[[str], int | None] | None = None  # when the id was made, in seconds since 1970


def family(received: Received) -> str | None:
    """The family of software that a line says wrote it, None where it says nothing known here."""
    mark = _mark(received.software) if received.software else None
    return mark.family if mark is not None else None


def read_id(received: Received) -> tuple[bool | None, int | None]:
    """Whether the queue id is one that the software named would make, and when it was made, in seconds since 1970.

    None where that is not known.

    Sendmail (conf.c, assign_queueid), Exim (spec.txt, "Message identification") and Postfix's long ids (postconf(5),
    enable_long_queue_ids) hold UTC; Google's hold Pacific time and are an hour early in summer.
    """
    queue_id, software = received.id, received.software
    if queue_id is None:
        return None, None
    fits, made_s = None, None
    mark = _mark(software) if software is not None else None
    if mark is not None and mark.ids is not None:
        fits = mark.ids.fullmatch(queue_id) is not None
        made_s = mark.time(queue_id) if fits and mark.time is not None else None
    elif received.by is not None and received.by.endswith(".google.com"):
        made_s = _google_time(queue_id)
    return fits, made_s


def id_fits(received: Received) -> bool | None:
    """Whether the queue id is one that the software named would make; None where that is not known."""
    return read_id(received)[0]


@lru_cache(maxsize=4096)
def protocol_fits(software: str, protocol: str) -> bool | None:
    """Whether a protocol is spelt as a software spells it; None where that is not known."""
    mark = _mark(software)
    return None if mark is None or mark.protocols is None else mark.protocols.fullmatch(protocol) is not None


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


@lru_cache(maxsize=4096)
def _mark(software: str) -> Mark | None:
    return next((mark for mark in _MARKS if mark.software.match(software)), None)


def _number(digits: str, places: Mapping[str, int]) -> int | None:
    value = 0
    for digit in digits:
        place = places.get(digit)
        if place is None:
            return None
        value = value * len(places) + place
    return value


def _since_epoch(seconds: int | None) -> int | None:
    return seconds if seconds is not None and 0 < seconds < 1 << 33 else None


def _exim_time(queue_id: str) -> int | None:
    return _since_epoch(_number(queue_id[:6], _PLACES_62))


def _postfix_time(queue_id: str) -> int | None:
    return _since_epoch(_number(queue_id[:6], _PLACES_52)) if "z" in queue_id else None


def _sendmail_time(queue_id: str) -> int | None:
    """The time in an id of 8.10 or later: a digit each for year, month from 0, day, hour, minute, second."""
    if queue_id[3:].isdigit() and _SENDMAIL_8_9.fullmatch(queue_id):
        return None
    places = _PLACES_60
    return _clock(_sendmail_day(queue_id[:3]), places[queue_id[3]], places[queue_id[4]], places[queue_id[5]])


@lru_cache(maxsize=4096)
def _sendmail_day(digits: str) -> int | None:
    year, month, day = [_PLACES_60[digit] for digit in digits]
    year += 1960 if year >= _FIRST_SENDMAIL_YEAR else 2020  # it counts from 1900, modulo 60
    return _day(year, month + 1, day)


def _google_time(queue_id: str) -> int | None:
    found = _GOOGLE_ID.search(queue_id)
    if found is None:
        return None
    year, month, day, hour, minute, second = map(int, found.groups())
    made_s = _clock(_day(year, month, day), hour, minute, second)
    return None if made_s is None else made_s + _PACIFIC_BEHIND_S


@lru_cache(maxsize=4096)
def _day(year: int, month: int, day: int) -> int | None:
    """When a day began in Greenwich; None for one that no calendar knows."""
    try:
        return int(datetime(year, month, day, tzinfo=UTC).timestamp())
    except ValueError:
        return None


def _clock(day_s: int | None, hour: int, minute: int, second: int) -> int | None:
    """A time of that day; None for one that no clock shows."""
    if day_s is None or hour > 23 or minute > 59:  # noqa: PLR2004
        return None
    return day_s + hour * 3600 + minute * 60 + second


_VERSION = re.compile(r"[ /]?[v\d][\d.]*\b.*", re.DOTALL)
_ID_PART = re.compile(r"([^0-9A-Za-z]+)")
_HEX = re.compile(r"[0-9A-F]+|[0-9a-f]+")
_GOOGLE_ID = re.compile(r"\.(20\d\d)\.(\d\d)\.(\d\d)\.(\d\d)\.(\d\d)\.(\d\d)$")
_UPPER_SMTP = re.compile(r"(?:UTF8)?(?:E?SMTP|LMTP)S?A?")
_SENDMAIL_8_9 = re.compile(r"[A-Z]{3}\d{5,12}")
_MARKS = (
    Mark(
        "postfix",
        re.compile(r"Postfix\b"),
        re.compile(rf"[0-9A-F]{{6,16}}|[{_BASE_52}]{{10,12}}z[{_BASE_52}]{{1,16}}"),
        re.compile(rf"{_UPPER_SMTP.pattern}|QMQP"),
        _postfix_time,
    ),
    Mark(
        "sendmail",
        re.compile(r"Sendmail\b"),
        re.compile(rf"[0-9A-Za-x]{{7,8}}\d{{5,10}}|{_SENDMAIL_8_9.pattern}"),
        re.compile(rf"{_UPPER_SMTP.pattern}|BSMTP|UUCP|internal|LOCAL", re.IGNORECASE),
        _sendmail_time,
    ),
    Mark(
        "exim",
        re.compile(r"Exim\b(?! [123])"),
        re.compile(r"\w{6}-\w{6}-\w{2}|\w{6}-\w{11}-\w{4}", re.ASCII),
        re.compile(r"(?:utf8)?(?:local-?)?(?:e?smtps?a?|asmtp|lmtp|bsmtp|local|http|spam-scanned|scanned-ok|[a-z-]+)"),
        _exim_time,
    ),
    Mark("exchange", re.compile(r"Microsoft SMTP Server\b"), re.compile(r"\d{1,2}(?:\.\d{1,5}){2,3}")),
    Mark("exchange-ims", re.compile(r"Microsoft Exchange Internet Mail Service\b"), re.compile(r"[0-9A-Z]{8}")),
    Mark("opensmtpd", re.compile(r"OpenSMTPD\b"), re.compile(r"[0-9a-f]{8}")),
    Mark("mdaemon", re.compile(r"MDaemon\b"), re.compile(r"md\d{8,14}\.msg", re.IGNORECASE)),
    Mark("communigate", re.compile(r"CommuniGate Pro\b"), re.compile(r"\d{1,12}")),
    Mark("domino", re.compile(r"(?:Lotus|IBM|HCL) Domino\b"), re.compile(r"\d{14,20}[-:]\d{1,8}")),
    Mark("halon", re.compile(r"Halon\b"), re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")),
)
