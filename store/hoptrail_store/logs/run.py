"""Logs into the store: read as a stream, put together by queue id, stored some hundred messages at a time."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from io import BufferedReader
from typing import Final

from hoptrail_store.logs.events import About, Session
from hoptrail_store.logs.keeping import Keeper, own_name
from hoptrail_store.logs.lines import Calendar
from hoptrail_store.logs.reading import Lines, first_moment, read_events
from hoptrail_store.logs.sessions import Refusals, Sessions
from hoptrail_store.logs.tracking import LogMessage, Tracker
from hoptrail_store.store import Store
from hoptrail_tracer.settings import SiteSettings

_BATCH: Final = 200  # messages a transaction: some 20 ms, after which the milter has its turn


@dataclass(frozen=True, slots=True)
class LogNames:
    """What a log's lines leave out: the zone of their stamps, and the host, where they name none."""

    zone: tzinfo = UTC
    host: str = "localhost"

    def calendar(self, modified_s: float) -> Calendar:
        """The calendar of a file that was last written to at a time, in seconds since 1970."""
        return Calendar(self.zone, datetime.fromtimestamp(modified_s, UTC))


@dataclass(slots=True)
class LogRun:
    """One run over any number of logs, the oldest first; messages may go on from one into the next."""

    store: Store
    site: SiteSettings
    names: LogNames
    lines: Lines = field(default_factory=Lines)
    _tracker: Tracker = field(default_factory=Tracker)
    _sessions: Sessions = field(default_factory=Sessions)
    _messages: list[LogMessage] = field(default_factory=list)
    _refusals: list[Refusals] = field(default_factory=list)
    keeper: Keeper = field(init=False)

    def __post_init__(self) -> None:
        """Begin with nothing stored."""
        self.keeper = Keeper(self.store, self.site)

    def begins(self, beginning: bytes, modified_s: float) -> datetime | None:
        """When a log begins, told by the first bytes of the file; None for what is no log."""
        return first_moment(beginning, self.names.calendar(modified_s))

    def read(
        self, content: BufferedReader, *, name: str, modified_s: float, progress: Callable[[], None] = lambda: None
    ) -> int:
        """Read one log and store what is complete; return how many of its lines an MTA wrote. Raises StoreError.

        `progress` is called now and then.
        """
        before = self.lines.of_mail
        hosts: dict[str | None, str] = {}
        for line, software, event in read_events(content, self.names.calendar(modified_s), self.lines, name=name):
            if line.host not in hosts:
                hosts[line.host] = own_name(line.host, self.site, self.names.host)
            host = hosts[line.host]
            if isinstance(event, About):
                self._messages += self._tracker.add(host, line.at, software, event)
            elif isinstance(event, Session):
                self._refusals += self._sessions.add(host, line.at, event)
            if len(self._messages) >= _BATCH or len(self._refusals) >= _BATCH:
                self._keep()
                progress()
        return self.lines.of_mail - before

    def finish(self) -> None:
        """Store what is still open, as far as it is known. Raises StoreError."""
        self._refusals += self._sessions.rest()
        for message in self._tracker.rest():
            self._messages.append(message)
            if len(self._messages) >= _BATCH:
                self._keep()
        self._keep()

    def _keep(self) -> None:
        if self._messages or self._refusals:
            self.keeper.keep(self._messages, self._refusals)
        self._messages, self._refusals = [], []
