"""`hoptrail reparse`: stored messages traced again."""

import click

from hoptrail.config import Config
from hoptrail.configured import configured
from hoptrail.progress import progress_bar
from hoptrail_store.reader import open_readonly
from hoptrail_store.reparse import reparse
from hoptrail_store.store import Store


@click.command(name="reparse")
@configured
def command(config: Config) -> None:
    """Trace stored messages again, after an update or after [site] was changed.

    The milter may go on meanwhile. Reports already written stay as they are.
    """
    with open_readonly(config.store.path) as reader:
        messages = reader.summary().messages
    with Store.open(config.store) as store, progress_bar(messages) as progress:
        result = reparse(store, config.site, progress=progress)
    click.echo(
        f"{result.messages:,} messages traced again, {result.changed:,} differ, {result.origins:,} in their origin"
    )
