"""`hoptrail abuse`: last night's drafts for a person to read and to decide on. Nothing here sends mail."""

import json
from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any

import click

from hoptrail.config import Config
from hoptrail.configured import configured
from hoptrail_reports.abuse import ledger
from hoptrail_reports.abuse.cases import Case
from hoptrail_reports.abuse.forms import FORMS, suitable, written
from hoptrail_reports.abuse.ledger import Draft, DraftState
from hoptrail_reports.abuse.mail import sender_of
from hoptrail_store.reader import open_readonly
from hoptrail_store.store import Store
from hoptrail_tracer.printable import printable

CASES_SHOWN = 20


@click.group(name="abuse")
def command() -> None:
    """List abuse drafts, show one, and decide on it."""


@command.command(name="list")
@click.option(
    "--day",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="YYYY-MM-DD",
    help="The UTC day; without it the newest that has spam.",
)
@click.option("--all", "all_cases", is_flag=True, help="Every case that is not reported, not only the largest.")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object.")
@configured
def list_(config: Config, *, day: datetime | None, all_cases: bool, as_json: bool) -> None:
    """List a day's drafts, and below them the spam that nobody is accused of, with the reason."""
    with open_readonly(config.store.path) as reader:
        wanted = day.date() if day else ledger.newest_day(reader.db)
        drafts = ledger.drafts(reader.db, day=wanted) if wanted else []
        cases = [case for case in ledger.cases(reader.db, day=wanted) if case.state != "drafted"] if wanted else []
    if as_json:
        document = {
            "day": str(wanted) if wanted else None,
            "drafts": [_draft_document(draft) for draft in drafts],
            "cases": [_case_document(case) for case in cases],
        }
        click.echo(json.dumps(document, indent=2))
    elif wanted is None:
        click.echo("No spam was folded yet: `hoptrail nightly` does it.")
    else:
        _print_list(wanted, drafts, cases if all_cases else cases[:CASES_SHOWN], len(cases))


@command.command()
@click.argument("draft_id", metavar="ID")
@click.option("--form", type=click.Choice(list(FORMS)), help="Another form than the contact's.")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object, the message in it.")
@configured
def show(config: Config, draft_id: str, *, form: str | None, as_json: bool) -> None:
    """Show the draft whose id begins with ID: how its contact was found, and the message as it would be sent."""
    with open_readonly(config.store.path) as reader:
        draft = ledger.draft(reader.db, draft_id)
    form = suitable(draft.report, form or draft.form)
    message = written(draft.report, form, sender=sender_of(config.abuse, config.site))
    text = message.decode("utf-8", "surrogateescape")
    if as_json:
        document = {**_draft_document(draft), "form": form, "message": text}
        click.echo(json.dumps(document, indent=2))
        return
    for name, value in _facts_about(draft, config, datetime.now(UTC)):
        click.echo(click.style(f"{name}:".ljust(11), dim=True) + printable(value))
    click.echo()
    for line in text.replace("\r\n", "\n").split("\n"):
        click.echo(" " * (len(line) - len(line.lstrip(" \t"))) + printable(line))


@command.command()
@click.argument("draft_id", metavar="ID")
@click.option("--reason", help="Why, for whoever looks later.")
@configured
def approve(config: Config, draft_id: str, *, reason: str | None) -> None:
    """Approve the draft whose id begins with ID. It is not sent: that stays with you."""
    _decide(config, draft_id, "approved", reason)


@command.command()
@click.argument("draft_id", metavar="ID")
@click.option("--reason", help="Why, for whoever looks later.")
@configured
def dismiss(config: Config, draft_id: str, *, reason: str | None) -> None:
    """Dismiss the draft whose id begins with ID."""
    _decide(config, draft_id, "dismissed", reason)


def _decide(config: Config, draft_id: str, state: DraftState, reason: str | None) -> None:

    with Store.open(config.store) as store:
        draft = ledger.draft(store.db, draft_id)
        ledger.decide(store, draft.id, state, reason=reason, now=datetime.now(UTC))
    click.echo(f"{draft.id}: {state}")


def _print_list(day: date, drafts: list[Draft], cases: list[Case], total: int) -> None:
    click.secho(f"Drafts of {day} (UTC): {len(drafts)}", bold=True)
    _print_rows(_draft_row(draft) for draft in drafts)
    for subject, sources, messages in _campaigns(drafts):
        click.echo(f"  One campaign of {sources} sources, {messages} messages: {printable(subject)}")
    if not total:
        return
    click.echo()
    click.secho(f"Not reported: {total}", bold=True)
    _print_rows((case.ip or "unknown", f"{case.messages}x", case.state, case.detail or "") for case in cases)
    if len(cases) < total:
        click.echo(f"and {total - len(cases)} more: --all")


def _draft_row(draft: Draft) -> tuple[str, ...]:
    report = draft.report
    messages, subject = f"{report.messages}x", report.subject or ""
    return draft.id, draft.state, report.facts.ip, messages, report.contact.address, subject


def _campaigns(drafts: list[Draft]) -> list[tuple[str, int, int]]:
    """Of each campaign over several sources a subject, the sources and the messages; the largest first."""
    groups: dict[str, list[Draft]] = {}
    for draft in drafts:
        groups.setdefault(draft.campaign or draft.id, []).append(draft)
    found = [
        (group[0].report.subject or "", len(group), sum(draft.report.messages for draft in group))
        for group in groups.values()
        if len(group) > 1
    ]
    return sorted(found, key=lambda campaign: -campaign[2])


def _print_rows(rows: Iterable[tuple[str, ...]]) -> None:
    shown = [tuple(printable(cell) for cell in row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    for row in shown:
        padded = [f"{cell:<{width}}" for cell, width in zip(row[:-1], widths, strict=False)]
        click.echo("  ".join(("", *padded, row[-1])).rstrip())


def _facts_about(draft: Draft, config: Config, now: datetime) -> Iterable[tuple[str, str]]:
    report, contact = draft.report, draft.report.contact
    hours = (now - report.received_at).total_seconds() / 3_600
    yield "Draft", draft.id
    yield "State", draft.state + (f": {draft.reason}" if draft.reason else "")
    yield "Contact", contact.address
    network = f", for {contact.network}" if contact.network else ""
    owner = f" ({contact.organisation})" if contact.organisation else ""
    yield "Found by", f"{contact.source}, confidence {contact.confidence:.2f}{network}{owner}"
    fresh = "Yum, this spam is fresh!" if hours <= config.abuse.fresh_hours else f"Message is {hours:.0f} hours old"
    yield "Age", fresh


def _draft_document(draft: Draft) -> dict[str, Any]:
    report, contact = draft.report, draft.report.contact
    return {
        "id": draft.id,
        "case": draft.case_id,
        "state": draft.state,
        "reason": draft.reason,
        "form": draft.form,
        "ip": report.facts.ip,
        "name": report.facts.name,
        "messages": report.messages,
        "subject": report.subject,
        "campaign": draft.campaign or None,
        "received_at": report.received_at.isoformat(),
        "contact": {
            "address": contact.address,
            "source": contact.source,
            "confidence": contact.confidence,
            "network": contact.network,
            "organisation": contact.organisation,
        },
    }


def _case_document(case: Case) -> dict[str, Any]:
    return {
        "id": case.id,
        "ip": case.ip or None,
        "state": case.state,
        "objection": case.objection.code if case.objection else None,
        "detail": case.detail,
        "messages": case.messages,
        "points": case.points,
        "first_at": case.first_at.isoformat(),
        "last_at": case.last_at.isoformat(),
        "subject": case.subject,
        "campaign": case.campaign or None,
        "deeper": case.deeper,
    }
