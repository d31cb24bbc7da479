"""What of a message's header goes into its record, for the milter and the import alike."""

import email.errors
import email.header
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from hoptrail_tracer import evidence
from hoptrail_tracer.printable import printable

TRACE_FIELDS: Final = frozenset({"received"}) | evidence.FIELDS
"""Names in lower case of the fields that are kept raw: all that a trace is made of."""

_SUBJECT_MAX = 250  # characters: more is no longer read by anybody


def trace_fields(fields: Sequence[tuple[str, str]]) -> tuple[tuple[bytes, bytes], ...]:
    """Return the fields to keep, as bytes, out of a whole header whose undecodable bytes are surrogates."""
    return tuple(
        (name.encode(), value.encode("utf-8", "surrogateescape"))
        for name, value in fields
        if name.lower() in TRACE_FIELDS
    )


def subject_text(value: str | None) -> str | None:
    """Return a Subject as a person reads it, on one line; one that cannot be decoded as it stands."""
    text = printable(value[: 4 * _SUBJECT_MAX]) if value else None
    if text and "=?" in text:
        # An unknown charset, bytes that are none of it, bad base64.
        with suppress(LookupError, ValueError, email.errors.HeaderParseError):
            text = str(email.header.make_header(email.header.decode_header(text)))
    return printable(text)[:_SUBJECT_MAX] if text else text
