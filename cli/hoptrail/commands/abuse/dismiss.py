"""`hoptrail abuse dismiss`: a person's no to drafts."""

import click

from hoptrail.commands.abuse.deciding import decide, naming_drafts
from hoptrail.config import Config
from hoptrail.configured import configured
from hoptrail_reports.abuse import review


@click.command(name="dismiss", short_help="Say no to drafts.")
@naming_drafts
@configured
def command(config: Config, *, draft_ids: tuple[str, ...], campaign: str | None, reason: str | None) -> None:
    """Dismiss the drafts whose ids begin with ID. Until it is sent, `approve` undoes that."""
    decide(config, review.dismiss, draft_ids, campaign, reason)
