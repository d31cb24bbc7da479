"""The messages of a UTC day by their numbers, in portions: a whole day read without walking an index for each row.

A milter's messages of a day have numbers that follow each other, so that a portion is a range. Imported mail is strewn
over the file; its numbers are listed.
"""

import sqlite3
from collections.abc import Iterator
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]

_PORTION = 200_000  # messages: some 100 MB of columns where a portion is read at once
_LISTED = 20_000  # numbers named in one statement, which SQLite bounds to a million characters
_DENSE = 2  # numbers passed over for each one wanted: reading on is faster than searching up to about that
EPOCH = date(1970, 1, 1)
DAY_MS = 86_400_000


def day_ms(day: date) -> tuple[int, int]:
    """Return the first millisecond of a UTC day and that of the next."""
    begin = (day - EPOCH) // timedelta(days=1) * DAY_MS
    return begin, begin + DAY_MS


def day_numbers(connection: sqlite3.Connection, since_ms: int, until_ms: int, after: int = 0) -> Numbers:
    """Return the numbers of the messages of a span that are greater than `after`, in order."""
    sql = "SELECT number FROM message WHERE received_ms >= ? AND received_ms < ? AND number > ?"
    found = connection.execute(sql, (since_ms, until_ms, after))
    return np.sort(np.fromiter((number for (number,) in found), np.int64))


def days_with_mail(connection: sqlite3.Connection, first: date, last: date) -> Iterator[date]:
    """Yield the UTC days of a span, both ends included, that have messages: a look-up each, however many they have."""
    at_ms, until_ms = day_ms(first)[0], day_ms(last)[1]
    sql = "SELECT min(received_ms) FROM message WHERE received_ms >= ? AND received_ms < ?"
    while (found := connection.execute(sql, (at_ms, until_ms)).fetchone()[0]) is not None:
        day = EPOCH + timedelta(days=found // DAY_MS)
        yield day
        at_ms = day_ms(day)[1]


def conditions(numbers: Numbers) -> Iterator[str]:
    """Yield SQL that holds for the messages of a portion, and perhaps for others between them; `{}` is the column."""
    for start in range(0, len(numbers), _PORTION):
        portion = numbers[start : start + _PORTION]
        if portion[-1] - portion[0] < _DENSE * len(portion):
            yield between(portion)
        else:
            for first in range(0, len(portion), _LISTED):
                yield listed(portion[first : first + _LISTED])


def exact_conditions(numbers: Numbers, portion: int) -> Iterator[str]:
    """Yield SQL like `conditions` that holds for `portion` messages each, at most 20,000, and for no others."""
    for start in range(0, len(numbers), portion):
        part = numbers[start : start + portion]
        yield between(part) if part[-1] - part[0] == len(part) - 1 else listed(part)


def between(numbers: Numbers) -> str:
    """SQL for the range from the first number to the last."""
    return f"{{}} BETWEEN {numbers[0]} AND {numbers[-1]}"


def listed(numbers: Numbers) -> str:
    """SQL for these numbers."""
    return f"{{}} IN ({','.join(map(str, numbers.tolist()))})"
