"""Mailboxes into the store: each message once, however often an import is begun, broken off and begun again."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from hoptrail_store.ids import Ids
from hoptrail_store.ingest import record_of
from hoptrail_store.mailboxes import LeftOut, RawMessage, Source, find_sources, read_messages
from hoptrail_store.store import Store
from hoptrail_tracer.settings import SiteSettings

_BATCH = 200  # messages a transaction: what an interruption costs, and how long others wait for the lock (some 20 ms)
_LEFT_OUT_MAX = 1_000  # files named; a folder of pictures must not fill the memory


@dataclass(slots=True)
class ImportResult:
    """How an import went; `left_out` names the first files of which something could not be imported."""

    imported: int = 0
    known: int = 0
    files: int = 0
    left_out_files: int = 0
    left_out: list[LeftOut] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Import:
    """What to import and how."""

    paths: tuple[Path, ...]
    site: SiteSettings = field(default_factory=SiteSettings)
    believe_scores: bool = False

    def size_bytes(self) -> int:
        """Return the bytes on the disk that `run` will read."""
        return sum(source.size_bytes for source in find_sources(self.paths) if isinstance(source, Source))

    def run(self, store: Store, progress: Callable[[int], None] = lambda _: None) -> ImportResult:
        """Import all; `progress` is told the bytes read so far. Raises StoreError, and what is committed stays."""
        result = ImportResult()
        ids = Ids()
        messages = self._messages(result, progress)
        while batch := list(islice(messages, _BATCH)):
            new = [message for message in batch if not store.knows(message.digest)]
            records = [
                record_of(message, ids=ids, site=self.site, believe_scores=self.believe_scores) for message in new
            ]
            stored = store.put(records, digests=[message.digest for message in new]) if new else 0
            result.imported += stored
            result.known += len(batch) - stored
        return result

    def _messages(self, result: ImportResult, progress: Callable[[int], None]) -> Iterator[RawMessage]:
        done_bytes = 0
        for source in find_sources(self.paths):
            if isinstance(source, LeftOut):
                _leave_out(result, source)
                continue
            result.files += 1
            for found in read_messages(source):
                if isinstance(found, LeftOut):
                    _leave_out(result, found)
                else:
                    progress(done_bytes + min(found.position, source.size_bytes))
                    yield found
            done_bytes += source.size_bytes
            progress(done_bytes)


def _leave_out(result: ImportResult, found: LeftOut) -> None:
    result.left_out_files += 1
    if len(result.left_out) < _LEFT_OUT_MAX:
        result.left_out.append(found)
