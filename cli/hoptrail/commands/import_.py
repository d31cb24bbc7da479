"""`hoptrail import`: mailboxes into the store."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import click

from hoptrail.commands.trace import with_trusted
from hoptrail.config import Config
from hoptrail.configured import configured
from hoptrail.progress import progress_bar
from hoptrail_store.importer import Import, ImportResult
from hoptrail_store.store import Store

_NAMED_MAX = 20  # files named on the terminal


@click.command(name="import")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--store", "store_path", metavar="FILE", help="The store, instead of the configuration's.")
@click.option(
    "--trusted", multiple=True, metavar="NETWORK_OR_HOST", help="Believe these hosts besides [site]. Repeatable."
)
@click.option("--believe-scores", is_flag=True, help="Take X-Spam-Status as written by your own SpamAssassin.")
@click.option("--json", "as_json", is_flag=True, help="Write the summary as one JSON object.")
@configured
def command(
    config: Config,
    *,
    paths: tuple[Path, ...],
    store_path: str | None,
    trusted: tuple[str, ...],
    believe_scores: bool,
    as_json: bool,
) -> None:
    """Take messages out of mbox files (also .gz, .xz, .bz2), Maildirs and folders of single messages.

    Each message is stored once: an import that was broken off goes on where it was when it is begun again. The exit
    code is 1 where a file could not be read or holds no mail.
    """
    settings = replace(config.store, path=store_path) if store_path else config.store
    job = Import(paths, with_trusted(config.site, trusted), believe_scores)
    with Store.open(settings) as store, progress_bar(job.size_bytes(), in_bytes=True) as progress:
        result = job.run(store, progress)
    for left_out in result.left_out[:_NAMED_MAX]:
        click.echo(f"hoptrail: {left_out.path}: {left_out.reason}", err=True)
    if (more := result.left_out_files - _NAMED_MAX) > 0:
        click.echo(f"hoptrail: and {more:,} more", err=True)
    click.echo(json.dumps(_document(result)) if as_json else _summary(result, settings.path))
    sys.exit(bool(result.left_out_files))


def _summary(result: ImportResult, path: str) -> str:
    parts = [
        f"{result.imported:,} messages imported into {path}",
        f"{result.known:,} known already" if result.known else "",
        f"{result.left_out_files:,} {'file' if result.left_out_files == 1 else 'files'} left out"
        if result.left_out_files
        else "",
    ]
    return ", ".join(filter(None, parts))


def _document(result: ImportResult) -> dict[str, object]:
    return {
        "imported": result.imported,
        "known": result.known,
        "files": result.files,
        "left_out": [{"path": str(left_out.path), "reason": left_out.reason} for left_out in result.left_out],
    }
