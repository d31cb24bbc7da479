"""Mailboxes and logs into the store: each message once, however often an import is broken off and begun again."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path

from hoptrail_store.ids import Ids
from hoptrail_store.ingest import record_of
from hoptrail_store.logs.run import LogNames, LogRun
from hoptrail_store.mailboxes import (
    LeftOut,
    Opened,
    RawMessage,
    Source,
    find_sources,
    left_out,
    messages_in,
    open_source,
)
from hoptrail_store.packed import UNPACK_ERRORS
from hoptrail_store.store import Store
from hoptrail_tracer.settings import SiteSettings

_BATCH = 200  # messages a transaction: what an interruption costs, and how long others wait for the lock (some 20 ms)
_LEFT_OUT_MAX = 1_000  # files named; a folder of pictures must not fill the memory


@dataclass(slots=True)
class ImportResult:
    """How an import went; `left_out` names the first files of which something could not be imported.

    Of logs: `log_lines` read, `broken_lines` among them, the first of which `broken` names with file, line and reason,
    and recipients `refused`.
    """

    imported: int = 0
    known: int = 0
    files: int = 0
    left_out_files: int = 0
    left_out: list[LeftOut] = field(default_factory=list)
    log_lines: int = 0
    broken_lines: int = 0
    broken: list[str] = field(default_factory=list)
    refused: int = 0


@dataclass(frozen=True, slots=True)
class Import:
    """What to import and how."""

    paths: tuple[Path, ...]
    site: SiteSettings = field(default_factory=SiteSettings)
    believe_scores: bool = False
    log_names: LogNames = field(default_factory=LogNames)

    def size_bytes(self) -> int:
        """Return the bytes on the disk that `run` will read."""
        return sum(source.size_bytes for source in find_sources(self.paths) if isinstance(source, Source))

    def run(self, store: Store, progress: Callable[[int], None] = lambda _: None) -> ImportResult:
        """Import all; `progress` is told the bytes read so far. Raises StoreError, and what is committed stays."""
        return _Running(self, store, progress).run()


@dataclass(slots=True)
class _Running:
    """One import at work. Logs wait until all mail is in: they are read in the order of time, whatever their names."""

    job: Import
    store: Store
    progress: Callable[[int], None]
    result: ImportResult = field(default_factory=ImportResult)
    done_bytes: int = 0
    logs: list[tuple[datetime, Source]] = field(default_factory=list)
    log_run: LogRun = field(init=False)

    def __post_init__(self) -> None:
        self.log_run = LogRun(self.store, self.job.site, self.job.log_names)

    def run(self) -> ImportResult:
        ids = Ids()
        messages = self._messages()
        while batch := list(islice(messages, _BATCH)):
            new = [message for message in batch if not self.store.knows(message.digest)]
            records = [
                record_of(message, ids=ids, site=self.job.site, believe_scores=self.job.believe_scores)
                for message in new
            ]
            stored = self.store.put(records, digests=[message.digest for message in new]) if new else 0
            self.result.imported += stored
            self.result.known += len(batch) - stored
        self._read_logs()
        return self.result

    def _messages(self) -> Iterator[RawMessage]:
        for source in find_sources(self.job.paths):
            if isinstance(source, LeftOut):
                self._leave_out(source)
                continue
            self.result.files += 1
            before = len(self.logs)
            try:
                with open_source(source) as opened:
                    for found in self._found(source, opened):
                        self.progress(self.done_bytes + min(opened.position, source.size_bytes))
                        yield found
            except (*UNPACK_ERRORS, OSError) as error:
                self._leave_out(left_out(source.path, error))
            if len(self.logs) == before:
                self.done_bytes += source.size_bytes
                self.progress(self.done_bytes)

    def _found(self, source: Source, opened: Opened) -> Iterator[RawMessage]:
        """The messages of one file; a log is put off, or read where it cannot be opened again."""
        begins = self.log_run.begins(opened.beginning(), opened.modified_s)
        if begins is None:
            for found in messages_in(opened):
                if isinstance(found, LeftOut):
                    self._leave_out(found)
                else:
                    yield found
        elif source.path.is_file():
            self.logs.append((begins, source))
        else:
            self._read_log(opened)

    def _read_logs(self) -> None:
        for _, source in sorted(self.logs, key=lambda log: (log[0], str(log[1].path))):
            try:
                with open_source(source) as opened:
                    self._read_log(opened)
            except (*UNPACK_ERRORS, OSError) as error:
                self._leave_out(left_out(source.path, error))
            self.done_bytes += source.size_bytes
            self.progress(self.done_bytes)
        self.log_run.finish()
        keeper, lines = self.log_run.keeper, self.log_run.lines
        self.result.imported += keeper.imported
        self.result.known += keeper.known
        self.result.refused = keeper.refused
        self.result.log_lines, self.result.broken_lines, self.result.broken = lines.read, lines.broken, lines.shown

    def _read_log(self, opened: Opened) -> None:
        def progress() -> None:
            self.progress(self.done_bytes + opened.position)

        if not self.log_run.read(
            opened.content, name=str(opened.path), modified_s=opened.modified_s, progress=progress
        ):
            self._leave_out(LeftOut(opened.path, "a log in which no Postfix, Sendmail or Exim wrote"))

    def _leave_out(self, found: LeftOut) -> None:
        self.result.left_out_files += 1
        if len(self.result.left_out) < _LEFT_OUT_MAX:
            self.result.left_out.append(found)
