"""One chain as a line of JSON: what `hoptrail trace --chains` reads, checked before it is believed."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hoptrail_tracer.errors import TracerError
from hoptrail_tracer.model import Connection

_TEXTS = ("ip", "helo", "rdns", "by", "auth", "tls", "id", "envelope_from")


class ChainLineError(TracerError, ValueError):
    """A line that is no chain; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class ChainLine:
    """The chain of one message, with what our own MTA saw of the client and the other header fields, if known."""

    received: tuple[str, ...]
    connection: Connection | None = None
    fields: tuple[tuple[str, str], ...] = ()


def parse_chain_line(line: str | bytes) -> ChainLine:
    """The chain that one line holds. Raises ChainLineError."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ChainLineError(f"no JSON: {error}") from error
    if not isinstance(value, dict):
        raise ChainLineError("not a JSON object")
    received = value.get("received")
    if not isinstance(received, list) or not all(isinstance(text, str) for text in received):
        raise ChainLineError('"received" must be a list of strings, newest first')
    return ChainLine(tuple(received), _connection(value.get("connection")), _fields(value.get("fields")))


def _connection(value: Any) -> Connection | None:  # noqa: ANN401 - whatever JSON holds
    if value is None:
        return None
    if not isinstance(value, dict):
        raise ChainLineError('"connection" must be an object')
    texts = {key: value.get(key) for key in _TEXTS}
    if not all(text is None or isinstance(text, str) for text in texts.values()):
        raise ChainLineError(f'"connection": {", ".join(_TEXTS)} must be strings or null')
    port = value.get("port")
    if not (port is None or (isinstance(port, int) and not isinstance(port, bool))):
        raise ChainLineError('"connection": port must be a number or null')
    return Connection(**texts, port=port, date=_date(value.get("date")))


def _date(value: object) -> datetime | None:
    if value is None:
        return None
    try:
        date = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        date = None
    if date is None or date.tzinfo is None:
        raise ChainLineError('"connection": date must be ISO 8601 with a zone, or null')
    return date


def _fields(value: Any) -> tuple[tuple[str, str], ...]:  # noqa: ANN401 - whatever JSON holds
    if value is None:
        return ()
    if not isinstance(value, list):
        raise ChainLineError('"fields" must be a list of [name, value]')
    fields = []
    for pair in value:
        match pair:
            case [str(name), str(text)]:
                fields.append((name, text))
            case _:
                raise ChainLineError('"fields" must be a list of [name, value]')
    return tuple(fields)
