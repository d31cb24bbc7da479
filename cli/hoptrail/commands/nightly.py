"""`hoptrail nightly`: last night's report and abuse drafts; for a timer, and for a person who wants it again."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hoptrail.account import become_owner
from hoptrail.config import Config
from hoptrail.configured import configured
from hoptrail_reports import nightly

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


@click.command(name="nightly")
@click.option(
    "--day",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="YYYY-MM-DD",
    help="The UTC day to report on, which must be over; without it, yesterday, and what the last nights missed.",
)
@configured
def command(config: Config, *, day: datetime | None) -> None:
    """Write the map and the report of a closed day, draft its abuse reports, delete what is old.

    The summary goes to standard output, for cron to mail. The exit code is 1 where a step failed: the others were done,
    and the report says which did not. A run that is repeated gives the same; only one runs at a time. Run by root, it
    works as the owner of the store's folder.
    """
    become_owner(Path(config.store.path).parent)
    settings = nightly.NightlySettings(config.site, config.lookups, config.store, config.reports, config.abuse)
    now = datetime.now(UTC)
    nights = []
    for due in [day.date()] if day else nightly.due_days(settings, now):
        with _progress() as progress:
            nights.append(nightly.run(settings, due, progress=progress, now=now))
    click.echo("\n".join(night.text for night in nights), nl=False)
    keep_days = config.reports.keep_days
    if day and keep_days and day.date() < now.date() - timedelta(days=keep_days):
        kept = f"[reports] keep_days keeps pages for {keep_days} days"
        click.echo(f"hoptrail: {kept}: the next night deletes those of {day.date()}", err=True)
    sys.exit(any(night.report.failed_steps for night in nights))


class _Quiet:
    """Progress where nobody looks."""

    def begin(self, step: str) -> None:
        """Say nothing."""

    def expect(self, total: int) -> None:
        """Say nothing."""

    def advance(self) -> None:
        """Say nothing."""


class _Bars:
    """Progress on a terminal: a bar for each step."""

    def __init__(self, bars: "Progress") -> None:
        self._bars = bars
        self._task: TaskID | None = None

    def begin(self, step: str) -> None:
        """Fill the last step's bar and add one for this step, which sways until its parts are known."""
        self._finish()
        self._task = self._bars.add_task(step, total=None)

    def expect(self, total: int) -> None:
        """Give the step's bar its length."""
        if self._task is not None:
            self._bars.update(self._task, total=total)

    def advance(self) -> None:
        """Fill one more part."""
        if self._task is not None:
            self._bars.advance(self._task)

    def _finish(self) -> None:
        if self._task is not None:
            self._bars.update(self._task, total=1, completed=1)


@contextmanager
def _progress() -> Iterator[nightly.Progress]:
    if not sys.stderr.isatty():
        yield _Quiet()
        return
    from rich.console import Console  # noqa: PLC0415 - takes 60 ms
    from rich.progress import Progress  # noqa: PLC0415

    with Progress(console=Console(stderr=True), transient=True) as bars:
        yield _Bars(bars)
