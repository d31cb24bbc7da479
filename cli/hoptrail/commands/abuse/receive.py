"""`hoptrail abuse receive`: what came back about a report, from procmail or any delivery agent."""

import json
import sys
from datetime import UTC, datetime

import click

from hoptrail.config import Config
from hoptrail.configured import configured
from hoptrail_reports.abuse import answers
from hoptrail_reports.abuse.answer import read_answer
from hoptrail_reports.abuse.answers import Matched
from hoptrail_reports.abuse.incoming import read_mail
from hoptrail_store.store import Store
from hoptrail_tracer.printable import printable


@click.command(name="receive", short_help="File what came back about a report.")
@click.option("--recipient", metavar="ADDRESS", help="The address it was delivered to, where no header field says so.")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object.")
@configured
def command(config: Config, *, recipient: str | None, as_json: bool) -> None:
    """Read one mail on standard input and keep it with the report it answers: a bounce, a ticket, a reply.

    A bounce to the report's own return path ends the writing to that contact; `hoptrail abuse contact` says so and
    undoes it. The exit code is 1 where the mail is about no report that was sent: let it go to a person.
    """
    answer = read_answer(read_mail(sys.stdin.buffer), recipient=recipient)
    matched = None
    if answer:
        with Store.open(config.store) as store:
            matched = answers.receive(store, answer, now=datetime.now(UTC))
    if matched is None:
        click.echo("hoptrail: this mail is about no report that was sent", err=True)
        sys.exit(1)
    click.echo(json.dumps(_document(matched), indent=2) if as_json else printable(_sentence(matched)))


def _document(matched: Matched) -> dict[str, object]:
    answer = matched.answer
    return {
        "draft": matched.draft.id,
        "contact": matched.draft.report.contact.address,
        "kind": answer.kind,
        "proven": answer.proven,
        "stopped": matched.stopped,
        "sender": answer.sender,
        "subject": answer.subject,
        "detail": answer.detail,
    }


def _sentence(matched: Matched) -> str:
    answer, contact = matched.answer, matched.draft.report.contact.address
    detail = f" ({answer.detail})" if answer.detail else ""
    stopped = f"; nothing more is written to {contact}" if matched.stopped else ""
    return f"{matched.draft.id}: {answer.kind}{detail}{stopped}"
