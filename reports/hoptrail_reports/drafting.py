"""The step of the night that drafts abuse reports: the look-ups it needs, and the drafts as the pages list them."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import replace
from datetime import date, datetime

from hoptrail_reports.abuse import ledger
from hoptrail_reports.abuse.contactfiles import Overrides, overrides, with_files
from hoptrail_reports.abuse.drafts import DraftSummary, draft_day
from hoptrail_reports.report import DraftLine
from hoptrail_reports.settings import AbuseSettings
from hoptrail_reports.shown import counted
from hoptrail_store.cache import StoreCache
from hoptrail_store.journal import Journal
from hoptrail_store.recorder import drain
from hoptrail_store.settings import StoreSettings
from hoptrail_store.store import Store
from hoptrail_tracer.lookups import Lookups
from hoptrail_tracer.lookups.settings import LookupSettings
from hoptrail_tracer.model import ContactAnswer
from hoptrail_tracer.settings import SiteSettings


def draft(
    day: date,
    store: Store,
    *,
    site: SiteSettings,
    lookups: LookupSettings,
    abuse: AbuseSettings,
    store_settings: StoreSettings,
    now: datetime,
) -> DraftSummary:
    """Draft the reports for a day's spam; answers of registries are kept in the store for the next night.

    Where the store hides people or addresses at once, there is nothing to accuse anybody with: cases are only counted.
    """
    abuse = replace(abuse, draft=abuse.draft and not store_settings.anonymises_at_once)

    async def drafted() -> DraftSummary:
        with closing(Journal(store_settings)) as journal, StoreCache(store_settings, journal) as cache:
            asked = Lookups(lookups, site=site, cache=cache)
            try:
                return await draft_day(
                    day,
                    store,
                    site=site,
                    settings=with_files(abuse),
                    contact=_contact(asked, overrides(abuse)),
                    facts=asked.facts,
                    now=now,
                )
            finally:
                await asked.aclose()

    summary = asyncio.run(drafted())
    drain(store_settings)
    return summary


def _contact(asked: Lookups, own: Overrides) -> Callable[[str], Awaitable[ContactAnswer]]:
    """How to find a contact: the site's own word, else by a table of registries, fetched only on a night that asks."""
    fresh: list[asyncio.Task[bool]] = []

    async def contact(address: str) -> ContactAnswer:
        if known := own.find(address):
            return known
        if not fresh:
            fresh.append(asyncio.create_task(asked.refresh_bootstrap()))
        await fresh[0]
        return await asked.contact(address)

    return contact


def open_drafts(store: Store, day: date) -> tuple[DraftLine, ...]:
    """The drafts of a day that still wait for a person's word."""
    return tuple(
        DraftLine(
            id=draft.id,
            about=draft.report.facts.ip,
            contact=draft.report.contact.address,
            messages=draft.report.messages,
            note=draft.report.subject or "",
        )
        for draft in ledger.drafts(store.db, day=day, states=("draft",))
    )


def outcome(summary: DraftSummary) -> str:
    """What a night's drafting came to, in a sentence."""
    states = ", ".join(f"{count:,} {state}" for state, count in summary.states)
    cases = f"{counted(summary.messages, 'spam message')} in {counted(summary.cases, 'case')}"
    return f"{cases}: {states}" if states else cases


def nothing_was_found(summary: DraftSummary) -> bool:
    """Whether cases wait for a contact and not one could be found: the look-ups are down, not one registry."""
    states = dict(summary.states)
    return bool(states.get("waiting")) and not states.keys() & {"drafted", "unknown"}
