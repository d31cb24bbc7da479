"""`hoptrail import`: mailboxes, logs and single headers into the store."""

import json
import os
import sys
from dataclasses import replace
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from hoptrail.commands.trace import with_trusted
from hoptrail.config import Config
from hoptrail.configured import configured
from hoptrail.progress import progress_bar
from hoptrail_reports.shown import counted
from hoptrail_store.importer import Import, ImportResult
from hoptrail_store.logs.run import LogNames
from hoptrail_store.store import Store
from hoptrail_tracer.printable import printable

_NAMED_MAX = 20  # files named on the terminal
_LOCALTIME = Path("/etc/localtime")


class ZoneType(click.ParamType[tzinfo]):
    """A time zone by its name, e.g. Europe/Berlin or UTC."""

    name = "zone"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tzinfo:  # noqa: ANN401
        """Return the zone."""
        try:
            return value if isinstance(value, tzinfo) else ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError):
            self.fail(f"{value!r} is no time zone: write one like Europe/Berlin, or UTC", param, ctx)


@click.command(name="import")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--store", "store_path", metavar="FILE", help="The store, instead of the configuration's.")
@click.option(
    "--trusted", multiple=True, metavar="NETWORK_OR_HOST", help="Believe these hosts besides [site]. Repeatable."
)
@click.option("--believe-scores", is_flag=True, help="Take X-Spam-Status as written by your own SpamAssassin.")
@click.option(
    "--log-zone",
    type=ZoneType(),
    metavar="ZONE",
    help="The time zone of logs whose stamps name none; else this host's.",
)
@click.option(
    "--log-host", metavar="HOST", help="The host that wrote logs whose lines name none, as Exim's; else [site]."
)
@click.option("--json", "as_json", is_flag=True, help="Write the summary as one JSON object.")
@configured
def command(
    config: Config,
    *,
    paths: tuple[Path, ...],
    store_path: str | None,
    trusted: tuple[str, ...],
    believe_scores: bool,
    log_zone: tzinfo | None,
    log_host: str | None,
    as_json: bool,
) -> None:
    """Take in mbox files, Maildirs, single messages or headers, and logs of Postfix, Sendmail and Exim.

    Files may be packed (.gz, .bz2, .xz, .zst); `-` is standard input. Each message is stored once: an import that was
    broken off goes on where it was when it is begun again, and a log may be imported every day, rotated or grown. Lines
    of logs that cannot be read are counted, and the first ones named. The exit code is 1 where a file could not be read
    or holds no mail.
    """
    settings = replace(config.store, path=store_path) if store_path else config.store
    site = with_trusted(config.site, trusted)
    names = LogNames(log_zone or _local_zone(), (log_host or site.hostname or os.uname().nodename).lower())
    job = Import(paths, site, believe_scores, names)
    with Store.open(settings) as store, progress_bar(job.size_bytes(), in_bytes=True) as progress:
        result = job.run(store, progress)
    for left_out in result.left_out[:_NAMED_MAX]:
        click.echo(f"hoptrail: {printable(f'{left_out.path}: {left_out.reason}')}", err=True)
    if (more := result.left_out_files - _NAMED_MAX) > 0:
        click.echo(f"hoptrail: and {more:,} more", err=True)
    for line in result.broken:
        click.echo(f"hoptrail: {printable(line)}", err=True)
    if (more := result.broken_lines - len(result.broken)) > 0:
        click.echo(f"hoptrail: and {more:,} more broken lines", err=True)
    click.echo(json.dumps(_document(result)) if as_json else _summary(result, settings.path))
    sys.exit(bool(result.left_out_files))


def _summary(result: ImportResult, path: str) -> str:
    parts = [
        f"{counted(result.imported, 'message')} imported into {path}",
        f"{result.known:,} known already" if result.known else "",
        f"{counted(result.left_out_files, 'file')} left out" if result.left_out_files else "",
        f"{counted(result.refused, 'refused recipient')} counted" if result.refused else "",
        f"{result.broken_lines:,} of {result.log_lines:,} log lines broken" if result.broken_lines else "",
    ]
    return ", ".join(filter(None, parts))


def _document(result: ImportResult) -> dict[str, object]:
    return {
        "imported": result.imported,
        "known": result.known,
        "files": result.files,
        "refused": result.refused,
        "log_lines": result.log_lines,
        "broken_lines": result.broken_lines,
        "broken": result.broken,
        "left_out": [{"path": str(left_out.path), "reason": left_out.reason} for left_out in result.left_out],
    }


def _local_zone() -> tzinfo:
    """This host's zone with its summer time; UTC where it is not to be found."""
    try:
        if name := os.environ.get("TZ"):
            return ZoneInfo(name.lstrip(":"))
        with _LOCALTIME.open("rb") as file:
            return ZoneInfo.from_file(file)
    except (OSError, ValueError, ZoneInfoNotFoundError):
        return UTC
