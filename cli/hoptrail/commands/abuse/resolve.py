"""`hoptrail abuse resolve`: a person's word about a report whose sending broke off."""

import click

from hoptrail.config import Config
from hoptrail.configured import configured
from hoptrail_reports.abuse import outbox
from hoptrail_store.store import Store


@click.command(name="resolve", short_help="Settle an uncertain draft.")
@click.argument("draft_id", metavar="ID")
@click.option("--sent/--unsent", "was_sent", default=None, help="What the smarthost's log says of it.")
@configured
def command(config: Config, draft_id: str, *, was_sent: bool | None) -> None:
    """Settle the uncertain draft whose id begins with ID: it was sent, or it was not and is approved again.

    Its id stands in the Message-ID of the report, by which the smarthost's log has it. A draft that is said not to be
    sent goes out with the same Message-ID by the next `hoptrail abuse send`.
    """
    if was_sent is None:
        raise click.UsageError("--sent or --unsent: look for the id in the smarthost's log")
    with Store.open(config.store) as store:
        draft = outbox.resolve(store, draft_id, was_sent=was_sent)
    click.echo(f"{draft.id}: {draft.state}")
