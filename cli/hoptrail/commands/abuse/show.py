"""`hoptrail abuse show`: one draft as it would be sent, how its contact was found, and what came back."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import click

from hoptrail.commands.abuse.documents import answer_document, draft_document
from hoptrail.config import Config
from hoptrail.configured import configured
from hoptrail_reports.abuse import answers, contactbook, ledger
from hoptrail_reports.abuse.contactbook import Remembered
from hoptrail_reports.abuse.forms import FORMS, suitable, written
from hoptrail_reports.abuse.ledger import Draft
from hoptrail_reports.abuse.mail import sender_of
from hoptrail_store.reader import open_readonly
from hoptrail_tracer.printable import printable


@click.command(name="show", short_help="Show one draft as it would be sent.")
@click.argument("draft_id", metavar="ID")
@click.option("--form", type=click.Choice(list(FORMS)), help="Another form than the contact's.")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object, the message in it.")
@configured
def command(config: Config, draft_id: str, *, form: str | None, as_json: bool) -> None:
    """Show the draft whose id begins with ID: how its contact was found, and the message as it would be sent."""
    with open_readonly(config.store.path) as reader:
        draft = ledger.draft(reader.db, draft_id)
        came = answers.answers(reader.db, [draft.id])[draft.id]
        book = contactbook.about(contactbook.remembered(reader.db), draft.report.contact.address)
    form = suitable(draft.report, form or draft.form)
    message = written(draft.report, form, sender=sender_of(config.abuse, config.site), sent_at=draft.tried_at)
    text = message.decode("utf-8", "surrogateescape")
    if as_json:
        document = {**draft_document(draft), "answers": list(map(answer_document, came)), "form": form, "message": text}
        click.echo(json.dumps(document, indent=2))
        return
    for name, value in _facts_about(draft, book, config, datetime.now(UTC)):
        click.echo(click.style(f"{name}:".ljust(11), dim=True) + printable(value))
    for answer in came:
        sender = f"from {answer.sender}" if answer.sender else None
        words = filter(None, (f"{answer.at:%Y-%m-%d %H:%M} UTC", answer.kind, sender, answer.detail, answer.subject))
        click.echo(click.style("Came back: ", dim=True) + printable(" ".join(words)))
    click.echo()
    for line in text.replace("\r\n", "\n").split("\n"):
        click.echo(" " * (len(line) - len(line.lstrip(" \t"))) + printable(line))


def _facts_about(draft: Draft, book: list[Remembered], config: Config, now: datetime) -> Iterator[tuple[str, str]]:
    report, contact = draft.report, draft.report.contact
    hours = (now - report.received_at).total_seconds() / 3_600
    yield "Draft", draft.id
    yield "State", "; ".join(filter(None, (draft.state, draft.reason, draft.detail)))
    yield "Contact", contact.address
    network = f", for {contact.network}" if contact.network else ""
    owner = f" ({contact.organisation})" if contact.organisation else ""
    yield "Found by", f"{contact.source}, confidence {contact.confidence:.2f}{network}{owner}"
    for one in book:
        if one.stopped:
            yield "Stopped", f"nothing is written to {one.contact} since {one.since:%Y-%m-%d}: {one.why}"
    fresh = "Yum, this spam is fresh!" if hours <= config.abuse.fresh_hours else f"Message is {hours:.0f} hours old"
    yield "Age", fresh
    if draft.sent_at:
        yield "Sent", f"{draft.sent_at:%Y-%m-%d %H:%M:%S} UTC"
