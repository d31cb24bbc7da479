"""The drafts that a command's IDs and --campaign mean."""

import click

from hoptrail_reports.abuse import ledger
from hoptrail_reports.abuse.ledger import UnknownDraftError
from hoptrail_store.store import Store


def chosen(store: Store, draft_ids: tuple[str, ...], campaign: str | None) -> list[str]:
    """The ids of the drafts that are meant; raises UnknownDraftError, and UsageError where none is named."""
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
