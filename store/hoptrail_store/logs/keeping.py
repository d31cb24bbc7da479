"""Messages and refused recipients of logs into the store, each once, whatever the store knows of them already."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from hoptrail_store import rows
from hoptrail_store.anonymise import Mask, anonymous_refusals, mark_anonymised
from hoptrail_store.assembly import moment
from hoptrail_store.ids import Ids
from hoptrail_store.logs.deliveries import anonymous_delivery, put_deliveries
from hoptrail_store.logs.records import Copy, copies_of, taken_at
from hoptrail_store.logs.sessions import Refusals, hour_of, network_of
from hoptrail_store.logs.tracking import LogMessage
from hoptrail_store.names import Names
from hoptrail_store.records import RefusalCount
from hoptrail_store.rows import milliseconds
from hoptrail_store.store import Store
from hoptrail_tracer.settings import SiteSettings

_SAME_ARRIVAL: Final = timedelta(minutes=5)  # between what two programs say of when one message came
_LONGEST_QUEUED: Final = timedelta(days=10)  # twice as long as MTAs keep trying (RFC 5321, 4.5.4.1)
_NETWORKS_MAX: Final = 20_000

_BY_QUEUE_ID = (
    "SELECT message.number, coalesce(client.at_ms, received_ms), name.text FROM client"
    " JOIN message ON message.number = client.message JOIN name ON name.id = message.host_name"
    " WHERE client.queue_id = ? ORDER BY 2 DESC"
)
_MILTER_SAW = (
    "SELECT 1 FROM message JOIN name ON name.id = host_name WHERE received_ms >= ? AND received_ms < ?"
    " AND source = 'milter' AND name.text = ? LIMIT 1"
)


@dataclass(slots=True)
class _Tally:
    sessions: int = 0
    accepted: int = 0
    refused: int = 0


@dataclass(slots=True)
class Keeper:
    """Stores what one run over logs finds; `imported` and `known` count records."""

    store: Store
    site: SiteSettings
    ids: Ids = field(default_factory=Ids)
    imported: int = 0
    known: int = 0
    refused: int = 0
    _mask: Mask | None = field(init=False)
    _tallies: defaultdict[tuple[str, str, datetime], _Tally] = field(default_factory=lambda: defaultdict(_Tally))

    def __post_init__(self) -> None:
        """Read what the store is to hide."""
        self._mask = Mask.at_once(self.store.settings)

    def keep(self, messages: Sequence[LogMessage], refusals: Sequence[Refusals]) -> None:
        """Store some messages and sessions in one transaction. Raises StoreError."""
        with self.store.transaction() as names:
            for message in messages:
                known = self._known(message)  # a part of the same message may stand just before it
                since = None if known is None else known[1]
                new = False
                for copy in copies_of(message, ids=self.ids, site=self.site, known_since=since):
                    new = self._put(names, copy, known and known[0]) or new
                if new and known is None:
                    self._accepted(message)
            for session in refusals:
                self._refused(session)
            counts = self._drained()
            rows.add_refusals(
                self.store.db.conn, names, anonymous_refusals(counts, self._mask) if self._mask else counts
            )

    def _known(self, message: LogMessage) -> tuple[int, datetime] | None:
        """The store's message of this queue id, host and time, and when it was taken."""
        taken = taken_at(message)
        for number, at_ms, host in self.store.db.execute(_BY_QUEUE_ID, (message.queue_id,)):
            at = moment(at_ms)
            same_host = host == message.host or host.partition(".")[0] == message.host.partition(".")[0]
            earliest = taken - (_SAME_ARRIVAL if message.taken else _LONGEST_QUEUED)
            if same_host and earliest <= at <= taken + _SAME_ARRIVAL:
                return number, at
        return None

    def _put(self, names: Names, copy: Copy, known: int | None) -> bool:
        """Store one copy; whether it was new."""
        connection = self.store.db.conn
        if copy.record is None:
            if known is not None:
                self._put_deliveries(names, known, copy)
            return False
        prepared = self.store.prepare(copy.record, copy.digest)
        [number] = rows.insert(connection, names, [prepared], milliseconds(copy.record.received_at))
        if number is None:
            self.known += 1
            return False
        self._put_deliveries(names, number, copy)
        if self._mask:
            mark_anonymised(connection, [copy.record.id], self._mask)
        self.imported += 1
        return True

    def _put_deliveries(self, names: Names, number: int, copy: Copy) -> None:
        mask = self._mask
        deliveries = [anonymous_delivery(each, mask) for each in copy.deliveries] if mask else copy.deliveries
        put_deliveries(self.store.db.conn, names, number, deliveries)

    def _accepted(self, message: LogMessage) -> None:
        ip = message.client.ip if message.client else None
        if ip is None or message.taken is None:
            return
        key = (message.host, network_of(ip), hour_of(message.taken))
        if key in self._tallies or len(self._tallies) < _NETWORKS_MAX:
            self._tallies[key].accepted += message.expected or len(message.attempts)

    def _refused(self, session: Refusals) -> None:
        connection = self.store.db.conn
        hour_ms = milliseconds(session.hour)
        if connection.execute(_MILTER_SAW, (hour_ms, hour_ms + 3_600_000, session.host)).fetchone():
            return  # the milter counted them when they came
        new = connection.execute(
            "INSERT INTO log_session VALUES (?, ?) ON CONFLICT DO NOTHING RETURNING digest", (session.digest, hour_ms)
        ).fetchone()
        if new is not None:
            tally = self._tallies[session.host, session.network, session.hour]
            tally.sessions += 1
            tally.refused += session.refused
            self.refused += session.refused

    def _drained(self) -> list[RefusalCount]:
        """What is new of networks that had refusals; what was accepted of others waits until they have."""
        due = [
            RefusalCount(host, network, hour, tally.sessions, tally.accepted, tally.refused)
            for (host, network, hour), tally in self._tallies.items()
            if tally.refused
        ]
        for count in due:
            del self._tallies[count.host, count.network, count.hour]
        return due


def own_name(host: str | None, site: SiteSettings, default: str) -> str:
    """The name of the host that wrote a line: as the site calls it where the log has only the first part of that."""
    if host is None:
        return default
    host = host.rstrip(".").lower()
    if "." in host:
        return host
    declared = (site.hostname, *site.hosts, default)
    return next((name.lower() for name in declared if name.lower().partition(".")[0] == host), host)
