"""`hoptrail abuse unmute`: drafts about an origin again."""

import click

from hoptrail.config import Config
from hoptrail.configured import configured
from hoptrail_reports.abuse import mutes
from hoptrail_store.store import Store


@click.command(name="unmute", short_help="Make drafts about an origin again.")
@click.argument("origin", metavar="ADDRESS|NETWORK")
@configured
def command(config: Config, origin: str) -> None:
    """Let drafts be made again about an address or network that was muted."""
    with Store.open(config.store) as store:
        mutes.unmute(store, origin)
    click.echo(f"{origin}: no longer muted")
