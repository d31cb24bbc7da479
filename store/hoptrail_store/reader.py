"""The store, for those who read it: the command line, the nightly reports, the drafts.

A reader changes nothing and waits for nobody. It reads in portions, so that no long look at the store keeps SQLite from
clearing its log away.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from hoptrail_store import assembly
from hoptrail_store.assembly import moment
from hoptrail_store.database import check_version, open_database
from hoptrail_store.errors import UnavailableStoreError
from hoptrail_store.records import MessageRecord, RefusalCount
from hoptrail_store.rows import journal_read, milliseconds
from hoptrail_store.sqlite import Database

_PORTION = 500  # messages; below SQLite's limit of bound values
_WAIT_S = 5.0


@dataclass(frozen=True, slots=True)
class DaySummary:
    """What one UTC day brought. `scores` counts scored messages by the points' floor; `unscored` by reason."""

    day: date
    messages: int
    size_bytes: int
    recipients: int
    refused_recipients: int  # of messages that were taken
    hops: int
    forged: int  # messages with a forged hop
    spam: int
    scores: tuple[tuple[int, int], ...]
    unscored: tuple[tuple[str, int], ...]
    anomalies: tuple[tuple[str, int], ...]
    refusals: int  # recipients refused in all, whole sessions included
    refusing_networks: int


@dataclass(frozen=True, slots=True)
class StoreSummary:
    """What a store holds in all; `evidence` counts messages kept whole."""

    size_bytes: int
    messages: int
    oldest: datetime | None
    newest: datetime | None
    hops: int
    names: int
    spam: int
    evidence: int
    refusals: int


class Reader:
    """Queries over one store. Times are aware; a span holds its beginning and not its end."""

    def __init__(self, db: Database) -> None:
        """Take over an open connection; callers use `open_readonly`. `db` serves queries that are not here."""
        self.db = db

    def summary(self) -> StoreSummary:
        """Return what the store holds in all."""
        row = next(
            self.db.query(
                "SELECT (SELECT page_count * page_size FROM pragma_page_count, pragma_page_size) AS size_bytes,"
                " count(*) AS messages, min(received_ms) AS oldest, max(received_ms) AS newest,"
                " coalesce(sum(spam), 0) AS spam, (SELECT count(*) FROM evidence) AS evidence,"
                " coalesce(sum(hops), 0) AS hops, (SELECT count(*) FROM name) AS names,"
                " (SELECT coalesce(sum(refused), 0) FROM refusal) AS refusals FROM message"
            )
        )
        oldest, newest = row.pop("oldest"), row.pop("newest")
        return StoreSummary(oldest=oldest and moment(oldest), newest=newest and moment(newest), **row)

    def journal_read(self) -> dict[str, int]:
        """Return up to where each segment of the journal is stored."""
        return journal_read(self.db.conn)

    def find(self, key: str) -> list[MessageRecord]:
        """Return the messages with this id, queue id or Message-ID (with or without its brackets), newest first."""
        key = key.strip()
        rows = self.db.query(
            f"{assembly.MESSAGES} WHERE message.number IN ("  # noqa: S608 - no value is put into the text
            " SELECT number FROM message WHERE id = :id UNION SELECT message FROM client WHERE queue_id = :key"
            " UNION SELECT number FROM message WHERE message_id IN (:key, :bracketed)"
            ") ORDER BY received_ms DESC LIMIT :portion",
            {"id": key.upper(), "key": key, "bracketed": f"<{key}>", "portion": _PORTION},
        )
        return list(assembly.records(self.db, list(rows), evidence=True))

    def days(self) -> list[date]:
        """Return the UTC days that have messages or refusals, oldest first."""
        sql = "SELECT DISTINCT date({} / 1000, 'unixepoch') AS day FROM {}"
        found = self.db.query(f"{sql.format('received_ms', 'message')} UNION {sql.format('hour_ms', 'refusal')}")
        return sorted(date.fromisoformat(row["day"]) for row in found)

    def messages(
        self, since: datetime, until: datetime, *, spam_only: bool = False, evidence: bool = False
    ) -> Iterator[MessageRecord]:
        """Yield the messages of a span in the order they came; with `evidence`, what is kept of them whole too."""
        at_ms, number, end_ms = milliseconds(since), -1, milliseconds(until)
        spam = "AND spam" if spam_only else ""
        while True:
            rows = list(
                self.db.query(
                    f"{assembly.MESSAGES} WHERE (received_ms, number) > (?, ?) AND received_ms < ? {spam}"
                    " ORDER BY received_ms, number LIMIT ?",
                    (at_ms, number, end_ms, _PORTION),
                )
            )
            if not rows:
                return
            at_ms, number = rows[-1]["received_ms"], rows[-1]["number"]
            yield from assembly.records(self.db, rows, evidence=evidence)

    def refusals(self, since: datetime, until: datetime) -> list[RefusalCount]:
        """Return the counts of a span's hours, those with most refusals first."""
        rows = self.db.query(
            "SELECT name.text AS host, network, hour_ms, sessions, accepted, refused FROM refusal"
            " JOIN name ON name.id = refusal.host_name WHERE hour_ms >= ? AND hour_ms < ? ORDER BY refused DESC",
            (milliseconds(since), milliseconds(until)),
        )
        return [RefusalCount(hour=moment(row.pop("hour_ms")), **row) for row in rows]

    def day(self, day: date) -> DaySummary:
        """Return what a UTC day brought."""
        span = tuple(map(milliseconds, day_span(day)))
        of_day = "FROM message WHERE received_ms >= ? AND received_ms < ?"
        joined = "FROM message JOIN {0} ON {0}.message = message.number WHERE received_ms >= ? AND received_ms < ?"

        def counts(sql: str) -> tuple[tuple[str, int], ...]:
            return tuple(self.db.execute(f"SELECT {sql} GROUP BY 1 ORDER BY 1", span))

        def row(sql: str) -> dict[str, int]:
            return {key: value or 0 for key, value in next(self.db.query(f"SELECT {sql}", span)).items()}

        return DaySummary(
            day=day,
            **row(
                "count(*) AS messages, sum(size_bytes) AS size_bytes, sum(refused_recipients) AS refused_recipients,"
                f" sum(hops) AS hops, sum(forged_hops > 0) AS forged, sum(spam) AS spam {of_day}"
            ),
            **row(f"count(*) AS recipients {joined.format('recipient')}"),
            **row(
                "sum(refused) AS refusals, count(DISTINCT network) AS refusing_networks FROM refusal"
                " WHERE hour_ms >= ? AND hour_ms < ?"
            ),
            scores=tuple(
                (int(points), count)
                for points, count in counts(
                    f"CAST(points AS INTEGER) - (points < CAST(points AS INTEGER)), count(*) {of_day}"
                    " AND points IS NOT NULL"
                )
            ),
            unscored=counts(f"unscored, count(*) {of_day} AND unscored IS NOT NULL"),
            anomalies=counts(f"code, count(DISTINCT message) {joined.format('anomaly')}"),
        )


def day_span(day: date) -> tuple[datetime, datetime]:
    """Return the first moment of a UTC day and of the next."""
    since = datetime.combine(day, time(), UTC)
    return since, since + timedelta(days=1)


@contextmanager
def open_readonly(path: Path | str) -> Iterator[Reader]:
    """Give a reader for a block; raises StoreError where there is no store at `path`, or not one of ours."""
    path = Path(path)
    if not path.exists():
        raise UnavailableStoreError(f"{path}: there is no store; the milter makes it, and so does `hoptrail import`")
    db = open_database(path, wait_s=_WAIT_S, readonly=True)
    try:
        check_version(db, path)
        yield Reader(db)
    finally:
        db.close()
