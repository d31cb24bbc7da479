"""`hoptrail abuse approve`: a person's yes to drafts."""

import click

from hoptrail.commands.abuse.deciding import decide, naming_drafts
from hoptrail.config import Config
from hoptrail.configured import configured
from hoptrail_reports.abuse import review


@click.command(name="approve", short_help="Say yes to drafts.")
@naming_drafts
@configured
def command(config: Config, *, draft_ids: tuple[str, ...], campaign: str | None, reason: str | None) -> None:
    """Approve the drafts whose ids begin with ID: the next `hoptrail abuse send` sends them."""
    decide(config, review.approve, draft_ids, campaign, reason)
