"""The files of the archive: `date=YYYY-MM-DD/host=HOST/part=N/` with messages, hops and names in Parquet.

A part is written under a name that no reader looks at and renamed when it is whole. What is read back is looked at
first, so that a damaged file is named and not guessed at.
"""

import errno
import os
import shutil
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from hoptrail_store.archive.columns import HOPS, MESSAGES, NAMES, Columns, Portion
from hoptrail_store.errors import ArchiveError, FullArchiveError
from hoptrail_store.folders import sync_folder

SCHEMAS: Final = {"messages": MESSAGES, "hops": HOPS, "names": NAMES}
_UNFINISHED: Final = ".writing-"
_DICTIONARY_BYTES: Final = (
    16 << 20
)  # of a column in one row group: the ids of a million hops; plain ones are twice as big
_FULL: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_LEVEL: Final = 6  # of zstd: saves 3% beside the usual 3, for about the same time


@dataclass(frozen=True, slots=True, order=True)
class Part:
    """A part of a host's day, by its folder."""

    day: date
    host: str
    number: int
    folder: Path

    def file(self, table: str) -> Path:
        """The file of one of `SCHEMAS`."""
        return self.folder / f"{table}.parquet"


def part_of(archive: Path, day: date, host: str, number: int) -> Part:
    """Return where a part lies, whether it is there or not."""
    return Part(day, host, number, archive / f"date={day}" / f"host={quote(host, safe='')}" / f"part={number}")


def archived_parts(archive: Path, since: date, until: date) -> list[Part]:
    """Return the parts of the days from `since` to `until`, both included, of all hosts; raises ArchiveError."""
    found = []
    try:
        for folder in archive.glob("date=*/host=*/part=*"):
            day, host, number = (level.partition("=")[2] for level in folder.parts[-3:])
            if number.isdigit() and since.isoformat() <= day <= until.isoformat():
                found.append(Part(date.fromisoformat(day), unquote(host), int(number), folder))
    except (OSError, ValueError) as error:
        raise ArchiveError(f"{archive}: the archive cannot be read: {error}") from error
    return sorted(found)


def check_part(part: Part) -> int:
    """Return how many hops a part holds; raises ArchiveError where one of its files is damaged, naming it."""
    rows = 0
    for table, schema in SCHEMAS.items():
        path = part.file(table)
        try:
            metadata = pq.read_metadata(path)
            damage = None if metadata.schema.to_arrow_schema().equals(schema) else "it has other columns than expected"
        except (OSError, pa.ArrowException) as error:
            damage = str(error).splitlines()[0]
        if damage:
            raise ArchiveError(f"{path}: damaged, or not written by Hoptrail ({damage}); restore it from a backup")
        rows = metadata.num_rows if table == "hops" else rows
    return rows


def write_part(part: Part, portions: Iterable[Portion], columns: Columns) -> int:
    """Write a part whole, in place of one that is there, and return how many hops it holds; raises ArchiveError."""
    unfinished = part.folder.parents[2] / f"{_UNFINISHED}{part.day}-{quote(part.host, safe='')}-{part.number}"
    try:
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        hops = _write_tables(unfinished, portions, columns)
        part.folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(part.folder, ignore_errors=True)
        unfinished.rename(part.folder)
        for folder in (part.folder, *part.folder.parents[:3]):
            sync_folder(folder)
    except OSError as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        kind = FullArchiveError if error.errno in _FULL else ArchiveError
        raise kind(f"{part.folder}: the part cannot be written: {error.strerror or error}") from error
    return hops


def drop_part(part: Part) -> None:
    """Remove what is there of a part, whole or begun."""
    unfinished = part.folder.parents[2] / f"{_UNFINISHED}{part.day}-{quote(part.host, safe='')}-{part.number}"
    for folder in (unfinished, part.folder):
        shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):  # others' parts may be there
        part.folder.parent.rmdir()
        part.folder.parent.parent.rmdir()


def _write_tables(folder: Path, portions: Iterable[Portion], columns: Columns) -> int:
    used = np.zeros(0, bool)  # by id
    rows = 0
    with (
        _writer(folder / "messages.parquet", MESSAGES) as messages,
        _writer(folder / "hops.parquet", HOPS) as hops,
        ThreadPoolExecutor(1) as second,  # packs one portion while the next is read
    ):
        written: list[Future[None]] = []
        for portion in portions:
            rows += len(portion.hops)
            used = _marked(used, portion)
            while written:
                written.pop().result()
            written += (
                second.submit(messages.write_table, portion.messages),
                second.submit(hops.write_table, portion.hops, row_group_size=len(portion.hops) or None),
            )
        for writing in written:
            writing.result()
    with _writer(folder / "names.parquet", NAMES) as names:
        for batch in columns.names(np.flatnonzero(used)):
            names.write_batch(batch)
    return rows


def _marked(used: NDArray[np.bool_], portion: Portion) -> NDArray[np.bool_]:
    """The ids of names that were in use, and those of one more portion."""
    columns = (portion.messages["root"], *(portion.hops[name] for name in ("sender", "ip", "software")))
    ids = np.concatenate([column.drop_null().to_numpy() for column in columns])
    marked = np.zeros(max(len(used), int(ids.max(initial=0)) + 1), bool)
    marked[: len(used)] = used
    marked[ids] = True
    return marked


@contextmanager
def _writer(path: Path, schema: pa.Schema) -> Iterator[pq.ParquetWriter]:
    with path.open("wb") as file:
        with pq.ParquetWriter(
            file, schema, compression="zstd", compression_level=_LEVEL, dictionary_pagesize_limit=_DICTIONARY_BYTES
        ) as writer:
            yield writer
        file.flush()
        os.fsync(file.fileno())
