"""The traffic of any span of mail, out of the archive and the store alike, added up by DuckDB or by a Spark cluster.

`selected_traffic` is what the rest of the reports asks. Days that are not archived yet are read out of the store into
files like the archive's, which vanish with the block that needs them.
"""

import tempfile
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import ibis
import numpy as np
import pyarrow as pa
from ibis import ir

from hoptrail_reports.topology.expression import LINK_KEYS, PART, USE, VISIT_KEYS, Sources, figures, named, relay_names
from hoptrail_reports.topology.traffic import Direction, Traffic, Way, traffic
from hoptrail_reports.topology.uses import columns_of, ids_of, links_of_uses, relays_of_uses
from hoptrail_store.archive.columns import Columns, open_columns
from hoptrail_store.archive.ledger import PartRecord, archived_up_to, own_hosts, recorded_parts
from hoptrail_store.archive.parts import Part, archived_parts, check_part, part_of, write_part
from hoptrail_store.errors import ArchiveError
from hoptrail_store.reader import Reader, day_span, open_readonly
from hoptrail_store.settings import StoreSettings
from hoptrail_store.spans import conditions, day_ms, day_numbers, days_with_mail
from hoptrail_tracer.path import Step

MEMORY_LIMIT = "512MB"
"""Of DuckDB, which writes to the disk what is more; a day of 20 million hops stays below it."""

_ROWS = 100_000  # in one batch
_HERE = "here"  # stands for this host in the files of days that are not archived


@dataclass(frozen=True, slots=True)
class Selection:
    """Which messages: recorded from `since` up to but without `until`, and what else they must be; None means any.

    `hosts` names hosts of the archive. A message counts for the domain of its first recipient.
    """

    since: datetime
    until: datetime
    hosts: tuple[str, ...] | None = None
    spam: bool | None = None
    imported: bool | None = None
    sender_domain: str | None = None
    recipient_domain: str | None = None


def whole_days(first: date, last: date) -> Selection:
    """All messages of the UTC days from the first to the last, both included."""
    return Selection(day_span(first)[0], day_span(last)[1])


def selected_traffic(
    settings: StoreSettings,
    selection: Selection,
    *,
    root: str | None = None,
    direction: Direction = "to",
    cluster: str = "",
) -> Traffic:
    """The traffic of the messages selected, from the archive and the store; as `traffic` defines it for a root.

    `cluster` is the master of a Spark cluster that adds up what is archived, unless there is a root. Raises StoreError
    where the store or a file of the archive cannot be read, and ClusterError.
    """
    with open_parts(settings, selection) as parts:
        if root is None:
            return parts_traffic(settings, parts, selection, cluster=cluster)
        return _here([*parts.archived, *parts.stored], selection, root, direction)


def parts_traffic(settings: StoreSettings, parts: "Parts", selection: Selection, *, cluster: str = "") -> Traffic:
    """The traffic of the messages selected, out of the files that `open_parts` gave for them."""
    if not (cluster and parts.archived):
        return _here([*parts.archived, *parts.stored], selection)
    from hoptrail_reports.topology.cluster import open_cluster  # noqa: PLC0415 - an extra of its own

    with open_cluster(cluster, Path(settings.archive), parts.archived) as sources:
        done = computed(selected(sources, selection))
    return done + _here(parts.stored, selection)


def _here(parts: Sequence[Part], selection: Selection, root: str | None = None, direction: Direction = "to") -> Traffic:
    """The traffic of some parts, added up by this process."""
    if not parts:
        return Traffic()
    with archived_sources(parts) as sources:
        chosen = selected(sources, selection)
        if root is None:
            return computed(chosen)
        return traffic(_ways_through(chosen, root), root=root, direction=direction)


class Parts(NamedTuple):
    """The files that hold a selection's days: the archive's, and those written for days that are in the store."""

    archived: list[Part]
    stored: list[Part]


@contextmanager
def open_parts(settings: StoreSettings, selection: Selection) -> Iterator[Parts]:
    """Give the files that hold a selection's days for a block."""
    last_moment = selection.until - timedelta(microseconds=1)
    first, last = selection.since.astimezone(UTC).date(), last_moment.astimezone(UTC).date()
    with open_readonly(settings.path) as reader, tempfile.TemporaryDirectory(prefix="hoptrail-") as folder:
        with open_columns(settings.path) as columns:  # before the records are read: what is deleted then is still seen
            found = archived_parts(Path(settings.archive), first, last) if settings.archive else []
            records = recorded_parts(reader.db.conn, f"day BETWEEN '{first}' AND '{last}'")
            archived = _archived(found, records, settings)
            stored = []
            if selection.hosts is None or not own_hosts(reader.db.conn).isdisjoint(selection.hosts):
                stored = _stored(reader, columns, records, Path(folder), (first, last))
        if selection.hosts is not None:
            archived = [part for part in archived if part.host in selection.hosts]
        yield Parts(archived, stored)


def _stored(
    reader: Reader, columns: Columns, records: Sequence[PartRecord], folder: Path, days: tuple[date, date]
) -> list[Part]:
    """What of a span of days is in the store, written below a folder."""
    parts = []
    for day in days_with_mail(reader.db.conn, *days):
        span = day_ms(day)
        numbers = day_numbers(reader.db.conn, *span, archived_up_to(records, day))
        if len(numbers):
            part = part_of(folder, day, _HERE, 0)
            write_part(part, (columns.portion(condition, *span) for condition in conditions(numbers)), columns)
            parts.append(part)
    return parts


def open_duckdb() -> Any:  # noqa: ANN401 - Ibis makes its backends' classes at run time
    """A connection to an empty DuckDB in memory that keeps to `MEMORY_LIMIT`."""
    connection = ibis.duckdb.connect(
        memory_limit=MEMORY_LIMIT,
        preserve_insertion_order=False,
        temp_directory=tempfile.gettempdir(),  # it would spill into `.tmp` of whatever folder the job was started in
    )
    connection.raw_sql("SET enable_progress_bar = false")
    # It would join the names of senders to those of receivers first, by their part: all with all.
    connection.raw_sql("SET disabled_optimizers = 'join_order'")
    return connection


@contextmanager
def archived_sources(parts: Sequence[Part]) -> Iterator[Sources]:
    """Give the tables of some parts for a block."""
    connection = open_duckdb()
    try:
        yield duckdb_sources(connection, parts)
    finally:
        connection.disconnect()


def seen_with(
    sources: Sources, relay: str, what: str, relays: Collection[str], *, observed: bool = False
) -> Counter[tuple[str, str]]:
    """How often some relays, in a column of the hops, stood beside what another column names; `observed`: by us."""
    names = sources.names
    wanted = names.filter(names.text.isin(list(relays)))
    hops = sources.hops.semi_join(wanted, [*PART, (relay, "id")])
    hops = hops.filter(hops[what].notnull(), *([hops.observed] if observed else []))
    counted = hops.group_by(*PART, relay, what).aggregate(count=hops.count())
    found: Counter[tuple[str, str]] = Counter()
    for *_, count, name, text in _rows(named(named(counted, sources, relay, "relay"), sources, what, "what")):
        found[name, text] += count
    return found


def duckdb_sources(connection: Any, parts: Sequence[Part]) -> Sources:  # noqa: ANN401 - as above
    """The tables of some parts, for DuckDB."""

    def table(name: str) -> ir.Table:
        files = [str(part.file(name)) for part in parts]
        read: ir.Table = connection.read_parquet(files, hive_partitioning=True, hive_types_autocast=0)
        return read

    return Sources(table("messages"), table("hops"), table("names"), PART if len(parts) > 1 else ())


def selected(sources: Sources, selection: Selection) -> Sources:
    """The sources with nothing but the messages selected and their hops."""
    messages, hops = sources.messages, sources.hops
    since, until = int(selection.since.timestamp()), int(selection.until.timestamp())
    wanted = {
        "spam": selection.spam,
        "imported": selection.imported,
        "sender_domain": selection.sender_domain and selection.sender_domain.lower(),
        "recipient_domain": selection.recipient_domain and selection.recipient_domain.lower(),
    }
    conditions_ = [messages[name] == value for name, value in wanted.items() if value is not None]
    if since % 86_400 or until % 86_400:
        conditions_.append((messages.received_s >= since) & (messages.received_s < until))
    if not conditions_:
        return sources
    messages = messages.filter(*conditions_)
    keys: list[Any] = [*PART, ("message", "number")]
    return replace(sources, messages=messages, hops=hops.semi_join(messages, keys))


def computed(sources: Sources) -> Traffic:
    """The traffic of all messages of the sources, added up by the engine that they belong to."""
    wanted = figures(sources)
    links = columns_of((*LINK_KEYS, *USE), batches(wanted.links))
    visits = columns_of((*VISIT_KEYS, *USE), batches(wanted.visits))
    known = ids_of(np.concatenate([links["source"], links["target"], visits["relay"]]), dictionary(sources))
    return Traffic(int(wanted.messages.execute()), links_of_uses(links, known), relays_of_uses(visits, known))


def dictionary(sources: Sources) -> pa.Table:
    """The columns `id` and `text` of the sources' names."""
    table = relay_names(sources)
    return pa.Table.from_batches(batches(table), table.schema().to_pyarrow())


def batches(table: ir.Table) -> Iterator[pa.RecordBatch]:
    """The rows of a table, computed."""
    schema = table.schema().to_pyarrow()
    for batch in table.to_pyarrow_batches(chunk_size=_ROWS):
        yield batch.cast(schema)  # nothing tells Spark's rows apart from those that may be null


def _rows(table: ir.Table) -> Iterator[tuple[Any, ...]]:
    for batch in batches(table):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _archived(found: Sequence[Part], records: Sequence[PartRecord], settings: StoreSettings) -> list[Part]:
    """The parts found that count, each looked at: no map is drawn from half of what should be there."""
    parts = {(str(part.day), part.host, part.number): part for part in found}
    for record in records:
        key = record.day, record.host, record.part
        if record.state in {"writing", "expired"}:
            parts.pop(key, None)
        elif key not in parts:  # renamed since, or lost
            parts[key] = part_of(Path(settings.archive), date.fromisoformat(record.day), record.host, record.part)
            if not settings.archive or not parts[key].folder.is_dir():
                where = settings.archive or "[store] archive, which is empty,"
                raise ArchiveError(f"{where} has no part {key[2]} of {key[0]}, host {key[1]}, which was moved there")
    for part in parts.values():
        check_part(part)
    return list(parts.values())


def _ways_through(sources: Sources, root: str) -> Iterator[Way]:
    """The ways of the messages that passed a relay, in no order: each has to be looked at from there, one by one."""
    hops = sources.hops
    ids = sources.names.filter(sources.names.text == root)
    ends = [hops.semi_join(ids, [*PART, (end, "id")]) for end in ("sender", "receiver")]
    passed = ibis.union(*(rows.select(*PART, number=rows.message) for rows in ends))
    on_way = hops.filter(hops.receiver.notnull())
    wanted = on_way.semi_join(passed, [*PART, ("message", "number")])
    names = {(*key, number): text for *key, number, text in _rows(sources.names.select(*PART, "id", "text"))}
    columns = (*PART, "message", "received_s", "receiver", "sender", "at_s", "observed")
    found = _rows(wanted.order_by(*PART, "message", "position").select(*columns))
    for (*part, _, recorded), group in groupby(found, key=lambda row: row[:5]):
        rows = [row[5:] for row in group]
        steps = [Step(names[*part, receiver], at_s, observed=observed) for receiver, _, at_s, observed in rows]
        if rows[-1][1] is not None:  # the first relay left no line
            steps.append(Step(names[*part, rows[-1][1]], None, observed=False))
        yield Way(steps[::-1], recorded)
