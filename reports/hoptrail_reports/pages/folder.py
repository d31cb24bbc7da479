"""The folder of all nights: pages are written aside and appear at once, so that a crash leaves what was there."""

import errno
import fcntl
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from hoptrail_reports.errors import AlreadyRunningError, ReportError

LATEST = "latest"
"""The link to the newest night."""

_NIGHT = re.compile(r"\d{4}-\d{2}-\d{2}")
_UNFINISHED = ".new-"
_REPLACED = ".old-"


class NightsFolder:
    """The folder that [reports] names. Only who holds its lock writes into it."""

    def __init__(self, path: Path) -> None:
        """Take the folder at `path`, which need not be there yet."""
        self.path = path

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for a block, made where it is absent; raises AlreadyRunningError while another job does."""
        try:
            self.path.mkdir(mode=0o755, parents=True, exist_ok=True)
            descriptor = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise ReportError(
                f"{self.path}: cannot be written: {error.strerror}; set [reports] directory to a folder of this user"
            ) from error
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise AlreadyRunningError(f"{self.path}: another nightly job is at work; nothing was done") from None
            self._recover()
            yield
        finally:
            os.close(descriptor)

    def nights(self) -> list[date]:
        """The nights that have pages, oldest first."""
        names = (entry.name for entry in self.path.iterdir() if entry.is_dir() and not entry.is_symlink())
        return sorted(date.fromisoformat(name) for name in names if _NIGHT.fullmatch(name))

    def publish(self, day: date, write: Callable[[Path], None]) -> Path:
        """Let `write` fill a new folder, put it in the place of that night's, and return where it is.

        `latest` then leads to the newest night there is. Raises what `write` raises, and leaves what was there.
        """
        fresh, place = self.path / f"{_UNFINISHED}{day}", self.path / day.isoformat()
        replaced = self.path / f"{_REPLACED}{day}"
        fresh.mkdir(mode=0o755)
        try:
            write(fresh)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
        if place.exists():
            place.rename(replaced)
        fresh.rename(place)
        shutil.rmtree(replaced, ignore_errors=True)
        self._point_to(max(self.nights()))
        return place

    def write(self, name: str, text: str) -> None:
        """Replace one file of the folder at once."""
        aside = self.path / f"{_UNFINISHED}{name}"
        aside.write_text(text, encoding="utf-8")
        aside.replace(self.path / name)

    def drop_before(self, day: date) -> int:
        """Delete the pages of all earlier nights, and return how many there were."""
        old = [night for night in self.nights() if night < day]
        for night in old:
            shutil.rmtree(self.path / night.isoformat())
        return len(old)

    def _point_to(self, night: date) -> None:
        aside = self.path / f"{_UNFINISHED}{LATEST}"
        aside.unlink(missing_ok=True)
        aside.symlink_to(night.isoformat(), target_is_directory=True)
        aside.replace(self.path / LATEST)

    def _recover(self) -> None:
        """Undo what a job that was killed left half done."""
        for entry in list(self.path.iterdir()):
            if entry.name.startswith(_REPLACED):
                place = self.path / entry.name.removeprefix(_REPLACED)
                if place.exists():
                    shutil.rmtree(entry)
                else:
                    entry.rename(place)
            elif entry.name.startswith(_UNFINISHED):
                _remove(entry)


def _remove(entry: Path) -> None:
    try:
        entry.unlink()
    except OSError as error:
        if error.errno not in {errno.EISDIR, errno.EPERM}:
            raise
        shutil.rmtree(entry)
