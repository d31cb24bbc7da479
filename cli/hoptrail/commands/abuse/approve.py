"""`hoptrail abuse approve`: a person's yes to drafts."""

from datetime import UTC, datetime

import click

from hoptrail.commands.abuse.choosing import chosen
from hoptrail.config import Config
from hoptrail.configured import configured
from hoptrail_reports.abuse import review
from hoptrail_store.store import Store


@click.command(name="approve", short_help="Say yes to drafts.")
@click.argument("draft_ids", metavar="[ID...]", nargs=-1)
@click.option("--campaign", metavar="MARK", help="Every open draft of a campaign, by its mark in the list.")
@click.option("--reason", help="Why, for whoever looks later.")
@configured
def command(config: Config, draft_ids: tuple[str, ...], *, campaign: str | None, reason: str | None) -> None:
    """Approve the drafts whose ids begin with ID: the next `hoptrail abuse send` sends them."""
    with Store.open(config.store) as store:
        for draft_id in chosen(store, draft_ids, campaign):
            draft = review.approve(store, draft_id, reason=reason, now=datetime.now(UTC))
            click.echo(f"{draft.id}: {draft.state}")
