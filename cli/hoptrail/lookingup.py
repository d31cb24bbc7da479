"""Look-ups for a command that asks about one address after the other: one loop, one `Lookups`, a bound on waiting."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from hoptrail.config import Config
from hoptrail_tracer.lookups import Lookups
from hoptrail_tracer.model import AddressFacts, ContactAnswer, Trace
from hoptrail_tracer.names import registrable
from hoptrail_tracer.transcript import Found

CONTACT_BUDGET_S = 20.0
"""A registry may answer slowly and point to another; a person at a terminal waits no longer."""

CONTACTS_MAX = 10
"""Contacts asked for in one run: whoever traces a mailbox wants the places, not a hundred letters."""

SILENT_MAX = 3
"""Origins in a row about which nothing could be found out: then the network is down, and each would cost its budget."""


@contextmanager
def lookups_for(config: Config) -> Iterator[Callable[[Trace], Found | None]]:
    """Give a function that finds out about the origin of a trace, and for the first few whom to write to about it."""
    wanted: set[str] = set()
    silent = 0

    def ask(trace: Trace) -> Found | None:
        nonlocal silent
        ip = trace.origin.ip
        if ip is None or lookups.refusal(ip) is not None or silent == SILENT_MAX:
            return None
        if len(wanted) < CONTACTS_MAX:
            wanted.add(ip)
        found = runner.run(_ask(lookups, ip, contacts=ip in wanted))
        silent = 0 if _told_anything(found.facts) else silent + 1
        if silent == SILENT_MAX:
            click.echo(f"hoptrail: {silent} origins in a row without an answer: going on without look-ups", err=True)
        return found

    with asyncio.Runner() as runner:
        lookups = runner.run(_build(config))
        try:
            yield ask
        finally:
            runner.run(lookups.aclose())


def _told_anything(facts: AddressFacts) -> bool:
    answered = {"listed", "clear", "allowed", "neutral"}
    return not facts.missing or facts.name is not None or any(zone.verdict in answered for zone in facts.zones)


async def _build(config: Config) -> Lookups:
    return Lookups(config.lookups, site=config.site)


async def _ask(lookups: Lookups, ip: str, *, contacts: bool) -> Found:
    contact = asyncio.create_task(_contact(lookups, ip)) if contacts else None
    facts = await lookups.facts(ip)
    domain = registrable(facts.name) if facts.name else None
    is_mail_host = await lookups.is_mail_host_of(ip, domain) if domain else None
    return Found(facts, await contact if contact is not None else None, domain, is_mail_host)


async def _contact(lookups: Lookups, ip: str) -> ContactAnswer:
    try:
        async with asyncio.timeout(CONTACT_BUDGET_S):
            return await lookups.contact(ip)
    except TimeoutError:
        return ContactAnswer(ip, "failed", detail=f"no answer within {CONTACT_BUDGET_S:.0f} s")
