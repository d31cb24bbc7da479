"""A person's word about several drafts at once: what `approve` and `dismiss` share."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

import click

from hoptrail.config import Config
from hoptrail_reports.abuse import ledger
from hoptrail_reports.abuse.ledger import Draft, UnknownDraftError
from hoptrail_store.store import Store

F = TypeVar("F", bound=Callable[..., Any])


class Act(Protocol):
    """What is done with each draft."""

    def __call__(self, store: Store, draft_id: str, /, *, reason: str | None, now: datetime) -> Draft:
        """The draft after it."""


def naming_drafts(function: F) -> F:
    """Give a command the drafts it is about, by ids or campaign, and the reason."""
    reason = click.option("--reason", help="Why, for whoever looks later.")
    campaign = click.option("--campaign", metavar="MARK", help="Every open draft of the campaign with this mark.")
    ids = click.argument("draft_ids", metavar="[ID...]", nargs=-1)
    return ids(campaign(reason(function)))


def decide(config: Config, act: Act, draft_ids: tuple[str, ...], campaign: str | None, reason: str | None) -> None:
    """Do it with each of the drafts that are meant, and say so; raises ReportError, and UsageError where none is."""
    with Store.open(config.store) as store:
        for draft_id in _meant(store, draft_ids, campaign):
            draft = act(store, draft_id, reason=reason, now=datetime.now(UTC))
            click.echo(f"{draft.id}: {draft.state}")


def _meant(store: Store, draft_ids: tuple[str, ...], campaign: str | None) -> list[str]:
    if not draft_ids and not campaign:
        raise click.UsageError("name drafts by their ids, or a campaign by --campaign MARK")
    found = [ledger.draft(store.db, draft_id).id for draft_id in draft_ids]
    if campaign:
        open_drafts = ledger.drafts(store.db, states=("draft", "approved"))
        of_it = [draft.id for draft in open_drafts if draft.campaign == campaign]
        if not of_it:
            raise UnknownDraftError(f"{campaign}: no open draft is of a campaign with this mark")
        found += of_it
    return list(dict.fromkeys(found))
