"""The hops of the store as columns: read from SQLite through ADBC, some hundred thousand messages at a time.

These are the tables that the archive's files hold; days that are not archived yet are read in the same form. Names are
the store's ids, resolved by a table of their own, which takes half the time of text wherever hops are added up.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import adbc_driver_sqlite.dbapi as sqlite
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from hoptrail_store.errors import UnavailableStoreError
from hoptrail_store.rows import BEGINNING, LOOPED, REPEATED, REVISITED

_BATCH_ROWS = "131072"

HOPS: Final = pa.schema(
    [
        ("message", pa.int64()),  # joins `number` of the same part
        ("position", pa.int16()),
        ("received_s", pa.int64()),  # when the message was recorded, seconds since 1970
        ("at_s", pa.int64()),  # the line's own date
        ("sender", pa.int32()),  # relays as ids of the part's names; null where the line tells of no hand-over
        ("receiver", pa.int32()),  # who wrote the line; null where it is no part of the way
        ("rank", pa.int16()),  # machines between the sender and the root; null for a host's own filter
        ("delay_s", pa.int64()),
        ("reach_s", pa.int64()),
        ("observed", pa.bool_()),
        ("looped", pa.bool_()),
        ("repeated", pa.bool_()),
        ("revisited", pa.bool_()),
        ("trust", pa.int8()),
        ("kind", pa.int8()),
        ("ip", pa.int32()),
        ("software", pa.int32()),
    ]
)
MESSAGES: Final = pa.schema(
    [
        ("number", pa.int64()),
        ("received_s", pa.int64()),
        ("root", pa.int32()),  # the relay where the way ended; null where no way could be followed
        ("dated", pa.bool_()),  # whether the root's own line has a date
        ("spam", pa.bool_()),
        ("imported", pa.bool_()),
        ("sender_domain", pa.string()),
        ("recipient_domain", pa.string()),  # of the first accepted recipient
    ]
)
NAMES: Final = pa.schema([("id", pa.int32()), ("text", pa.string())])

_HOPS_SQL = """
SELECT message, position, at_s, sender_name AS sender, delay_s, reach_s, marks, trust, kind, ip, software
FROM hop WHERE {} ORDER BY message, position
"""
_MESSAGES_SQL = """
SELECT number, received_ms / 1000 AS received_s, root_name AS root, spam, source = 'import' AS imported,
    coalesce(lower(substr(envelope_from, instr(envelope_from, '@') + 1)), '') AS sender_domain,
    coalesce((SELECT lower(substr(address, instr(address, '@') + 1)) FROM recipient
        WHERE message = number AND position = 0), '') AS recipient_domain
FROM message WHERE {} AND received_ms >= {} AND received_ms < {} ORDER BY number
"""

Ids = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Portion:
    """Some messages with all their parsed hops, in the schemas `MESSAGES` and `HOPS`."""

    messages: pa.Table
    hops: pa.Table


class Columns:
    """One store read in columns as it stood when it was opened, from a connection of its own that changes nothing."""

    def __init__(self, store: Path, connection: Any) -> None:  # noqa: ANN401 - ADBC's
        """Take over an open connection; callers use `open_columns`."""
        self._store = store
        self._connection = connection
        self.query("SELECT count(*) FROM meta")  # from the first look on a transaction sees what was there then

    def portion(self, condition: str, since_ms: int, until_ms: int) -> Portion:
        """Return the messages of a span that meet a condition of `hoptrail_store.spans.conditions` on `{}`."""
        messages = self.query(_MESSAGES_SQL.format(condition.format("number"), since_ms, until_ms))
        hops = self.query(_HOPS_SQL.format(condition.format("message")))
        return _joined(messages, hops)

    def names(self, ids: Ids) -> Iterator[pa.RecordBatch]:
        """Yield the texts of some ids, in batches of the schema `NAMES`."""
        with self._executed("SELECT id, text FROM name ORDER BY id") as batches:
            for batch in batches:
                wanted = batch.filter(pa.array(np.isin(batch["id"].to_numpy(), ids)))
                yield pa.RecordBatch.from_arrays([wanted["id"].cast(pa.int32()), wanted["text"]], schema=NAMES)

    def query(self, sql: str) -> pa.Table:
        """Return the rows of a query; raises UnavailableStoreError."""
        with self._executed(sql) as batches:
            return batches.read_all()

    @contextmanager
    def _executed(self, sql: str) -> Iterator[pa.RecordBatchReader]:
        try:
            with closing(self._connection.cursor()) as cursor:
                cursor.adbc_statement.set_options(**{"adbc.sqlite.query.batch_rows": _BATCH_ROWS})
                cursor.execute(sql)
                yield cursor.fetch_record_batch()
        except sqlite.Error as error:
            raise UnavailableStoreError(f"{self._store}: it cannot be read ({error})") from error


@contextmanager
def open_columns(store: Path | str) -> Iterator[Columns]:
    """Give the columns of the store at a path for a block; the caller has looked whether it is one."""
    store = Path(store)
    with closing(sqlite.connect(f"{store.absolute().as_uri()}?mode=ro")) as connection:
        yield Columns(store, connection)


def _joined(messages: pa.Table, hops: pa.Table) -> Portion:
    """The rows in their schemas: what a hop has of its message beside it, and what follows from its neighbours."""
    numbers = messages["number"].to_numpy()
    owner = hops["message"].to_numpy()
    at = np.searchsorted(numbers, owner)
    known = at < len(numbers)
    known[known] = numbers[at[known]] == owner[known]
    if not known.all():  # between the messages of the span lie others
        hops, at = hops.filter(pa.array(known)), at[known]
    first = np.ones(len(hops), bool)
    first[1:] = at[1:] != at[:-1]
    marks = hops["marks"].to_numpy()
    receiver, rank = _ways(_ids(hops["sender"]), marks & BEGINNING > 0, at, _ids(messages["root"]))
    columns = {name: hops[name] for name in HOPS.names if name in hops.column_names} | {
        "received_s": messages["received_s"].to_numpy()[at],
        "receiver": pa.array(receiver, mask=receiver == 0),
        "rank": pa.array(rank, mask=rank == 0),
        "observed": pc.less_equal(hops["trust"], 1),
        "looped": marks & LOOPED != 0,
        "repeated": marks & REPEATED != 0,
        "revisited": marks & REVISITED != 0,
    }
    dated = np.zeros(len(messages), bool)
    dated[at[first]] = hops["at_s"].is_valid().to_numpy()[first]
    return Portion(_table(messages.append_column("dated", pa.array(dated)), MESSAGES), _table(columns, HOPS))


def _ways(sender: Ids, begins_way: NDArray[np.bool_], at: Ids, roots: Ids) -> tuple[Ids, Ids]:
    """Each hop's receiving relay and its sender's rank, 0 where it has none.

    The mail went from the sender of one line to that of the next newer line on the way, and from the last to the root.
    """
    on_way = np.flatnonzero((sender > 0) | begins_way)
    begins = np.ones(len(on_way), bool)
    begins[1:] = at[on_way][1:] != at[on_way][:-1]
    receivers = np.where(begins, roots[at[on_way]], np.roll(sender[on_way], 1))
    moved = (receivers != sender[on_way]) & (sender[on_way] > 0)
    machines = np.cumsum(moved)
    before = np.maximum.accumulate(np.where(begins, machines - moved, 0))
    receiver, rank = np.zeros(len(sender), np.int64), np.zeros(len(sender), np.int64)
    receiver[on_way] = receivers
    rank[on_way] = np.where(moved, machines - before, 0)
    return receiver, rank


def _ids(column: pa.ChunkedArray) -> Ids:
    return np.asarray(pc.fill_null(column, 0).to_numpy(), np.int64)


def _table(columns: Any, schema: pa.Schema) -> pa.Table:  # noqa: ANN401 - a table, or columns by name
    found = [columns[name] for name in schema.names]
    arrays = [column if isinstance(column, pa.Array | pa.ChunkedArray) else pa.array(column) for column in found]
    return pa.table([array.cast(field.type) for array, field in zip(arrays, schema, strict=True)], schema=schema)
