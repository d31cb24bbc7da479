"""Events put together to messages, by queue id: what stands on several lines, in several files, of several programs.

Memory is bounded: of queue ids beyond `OPEN_MAX` those silent for longest are given out as far as they are known, and
what comes later of them is given out apart; the store joins the parts.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from hoptrail_store.logs.events import About, Attempt, Client
from hoptrail_tracer.received.address import canonical

OPEN_MAX: Final = 50_000
"""Messages on their way at once, each about 2 kB. Busy queues hold fewer; a log without its ends, millions."""

RECIPIENTS_MAX: Final = 1_000
"""Of one message, beyond which only the count goes on: five times what MTAs take in one transaction by default."""

_PER_FILTER: Final = timedelta(hours=1)  # that a message spends in a filter on the same host, at most

Key = tuple[str, str]
"""Host and queue id."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An attempt with its time."""

    at: datetime
    attempt: Attempt


@dataclass(slots=True)
class LogMessage:
    """What the log says of one message so far."""

    host: str
    queue_id: str
    at: datetime  # of the first line about it
    software: str
    client: Client | None = None
    taken: datetime | None = None  # when the client handed it over; None where that line was not seen
    sender: str | None = None
    size_bytes: int | None = None
    expected: int | None = None  # recipients
    message_id: str | None = None
    subject: str | None = None
    refused: int = 0
    filtered: list[datetime] = field(default_factory=list)  # when a filter on the host gave it back
    into_filter: dict[str, Outgoing] = field(default_factory=dict)  # by recipient
    outgoing: dict[str, Outgoing] = field(default_factory=dict)  # by recipient, its last attempt

    @property
    def attempts(self) -> dict[str, Outgoing]:
        """The last attempt by recipient; one into a filter counts where the filter gave nothing back."""
        return self.outgoing if self.filtered else self.into_filter | self.outgoing

    @property
    def has_content(self) -> bool:
        """Whether there is a message: a client that names a recipient and goes, or is refused at last, leaves none."""
        return self.sender is not None or bool(self.outgoing or self.into_filter)


class Tracker:
    """The messages whose lines are still coming in. `add` and `rest` yield those that are complete."""

    def __init__(self, *, open_max: int = OPEN_MAX) -> None:
        """Begin with none."""
        self._open: OrderedDict[Key, LogMessage] = OrderedDict()
        self._by_message_id: dict[tuple[str, str], Key] = {}
        self._inside: dict[Key, Key] = {}  # the id that a filter gave a message back with, to the one it had before
        self._parts: dict[Key, int] = {}  # ids under which a message is open beside its first one
        self._done: set[Key] = set()  # removed under the first id, not yet under another
        self._open_max = open_max

    def add(self, host: str, at: datetime, software: str, about: About) -> Iterator[LogMessage]:
        """Take up what one line says; yield what it completes or displaces."""
        own = (host, about.queue_id)
        if about.client is not None and own in self._open and self._open[own].taken is not None:
            yield from self._end(own)  # an id that is used again, its end unseen
        key = self._inside.get(own, own)
        message = self._open.get(key)
        if message is None:
            if about.removed:
                return
            message = self._open[key] = LogMessage(host, about.queue_id, at, software)
        self._open.move_to_end(key)
        if key == own:
            self._describe(message, at, about)
            key = self._join(own, message)
            message = self._open[key]
        for attempt in about.attempts:
            _attempted(message, at, attempt)
        if about.removed:
            yield from self._removed(own, key)
        elif about.attempts and message.software == "Sendmail" and _is_settled(message):  # says no more by default
            yield from self._end(key)
        while len(self._open) > self._open_max:
            yield from self._end(next(iter(self._open)))

    def rest(self) -> Iterator[LogMessage]:
        """Yield what is still open, at the end of the last log."""
        while self._open:
            yield from self._end(next(iter(self._open)))

    def _describe(self, message: LogMessage, at: datetime, about: About) -> None:
        if about.client is not None:
            message.client, message.taken = about.client, at
        elif about.message_id is not None and message.taken is None:
            message.taken = at  # a bounce: nobody handed it in
        message.sender = message.sender if about.sender is None else about.sender
        message.size_bytes = message.size_bytes or about.size_bytes
        message.expected = message.expected or about.recipients
        message.message_id = message.message_id or about.message_id
        message.subject = message.subject or about.subject
        message.refused += about.refused

    def _join(self, own: Key, message: LogMessage) -> Key:
        """Fold a message that a filter of this host gave back into the one that went in; return the key it has now."""
        client = message.client
        first = (message.host, client.original) if client is not None and client.original else None
        if first not in self._open and message.message_id is not None:
            first = self._by_message_id.get((message.host, message.message_id))
            if first not in self._open:
                self._by_message_id[message.host, message.message_id] = own
        if first is None or first == own or first not in self._open:
            return own
        before = self._open[first]
        if client is None or not is_own_host(client.ip, client.name) or message.at - before.at > _PER_FILTER:
            return own
        del self._open[own]
        self._inside[own] = first
        self._parts[first] = self._parts.get(first, 0) + 1
        before.filtered.append(message.taken or message.at)
        for outgoing in message.outgoing.values():
            _attempted(before, outgoing.at, outgoing.attempt)
        return first

    def _removed(self, own: Key, key: Key) -> Iterator[LogMessage]:
        if own == key:
            self._done.add(key)
        elif own in self._inside:
            del self._inside[own]
            self._parts[key] -= 1
        if key in self._done and not self._parts.get(key):
            yield from self._end(key)

    def _end(self, key: Key) -> Iterator[LogMessage]:
        message = self._open.pop(key)
        self._done.discard(key)
        if self._parts.pop(key, 0):
            self._inside = {inner: outer for inner, outer in self._inside.items() if outer != key}
        if message.message_id is not None and self._by_message_id.get((key[0], message.message_id)) == key:
            del self._by_message_id[key[0], message.message_id]
        if message.has_content:
            yield message


def _is_settled(message: LogMessage) -> bool:
    """Whether all recipients that were accepted have been delivered to, or given up."""
    settled = sum(outgoing.attempt.outcome in {"sent", "bounced", "expired"} for outgoing in message.attempts.values())
    return message.expected is not None and settled >= message.expected


def is_own_host(ip: str | None, name: str | None = None) -> bool:
    """Whether an address is loopback: a filter on the same host, not a relay."""
    text = canonical(ip) if ip else None
    return text == "::1" or (text or "").startswith("127.") or (text is None and (name or "").startswith("localhost"))


def _attempted(message: LogMessage, at: datetime, attempt: Attempt) -> None:
    filtering = is_own_host(attempt.relay_ip) and attempt.next_id is not None and attempt.outcome == "sent"
    attempts = message.into_filter if filtering else message.outgoing
    if attempt.recipient in attempts or len(attempts) < RECIPIENTS_MAX:
        attempts[attempt.recipient] = Outgoing(at, attempt)
