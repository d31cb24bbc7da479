"""`hoptrail abuse edit`: the note, the contact and the form of a draft. The evidence stays as it came."""

import os
import sys
from datetime import UTC, datetime

import click

from hoptrail.config import Config
from hoptrail.configured import configured
from hoptrail_reports.abuse import ledger, review
from hoptrail_reports.abuse.forms import FORMS
from hoptrail_reports.abuse.ledger import Draft
from hoptrail_reports.abuse.report import NOTE_MAX_CHARS
from hoptrail_reports.abuse.review import Edit, ReviewError
from hoptrail_store.store import Store

_NOTE = "note:"
_HEAD = """\
# Draft {id}: {messages}x spam from {ip}. Lines that begin with '#' are left out.
# Only the contact, the form ({forms}) and the note can be changed; the evidence cannot.
contact: {contact}
form: {form}
# The note stands at the head of the report, as it is written here, up to {most:,} characters.
{note_key}
"""


@click.command(name="edit", short_help="Change a draft's note, contact or form.")
@click.argument("draft_id", metavar="ID")
@click.option("--note", metavar="TEXT", help="A word to the desk at the head of the report; '' takes it away.")
@click.option("--contact", metavar="ADDRESS", help="Whom to write to instead.")
@click.option("--form", type=click.Choice(list(FORMS)), help="Another form; it is remembered for the contact.")
@configured
def command(config: Config, draft_id: str, *, note: str | None, contact: str | None, form: str | None) -> None:
    """Change the draft whose id begins with ID; without an option, in $EDITOR.

    A draft that was approved waits for a word again: what was approved was what stood there before.
    """
    with Store.open(config.store) as store:
        change = Edit(note, contact, form)
        if change == Edit():
            draft = ledger.draft(store.db, draft_id)
            if not (sys.stdin.isatty() or os.environ.get("VISUAL") or os.environ.get("EDITOR")):
                raise click.UsageError("no terminal for an editor: use --note, --contact or --form, or set EDITOR")
            text = click.edit(_text(draft), extension=".txt")
            change = _change(draft, text) if text is not None else Edit()
            if change == Edit():
                click.echo(f"{draft.id}: nothing was changed")
                return
        now = datetime.now(UTC)
        draft = review.edit(store, draft_id, change, settings=config.abuse, site=config.site, now=now)
    click.echo(f"{draft.id}: to {draft.report.contact.address}, form {draft.form}; it waits for your word")


def _text(draft: Draft) -> str:
    """What the editor shows: nothing that a spammer wrote."""
    head = _HEAD.format(
        id=draft.id,
        messages=draft.report.messages,
        ip=draft.report.facts.ip,
        forms=", ".join(FORMS),
        contact=draft.report.contact.address,
        form=draft.form,
        most=NOTE_MAX_CHARS,
        note_key=_NOTE,
    )
    return head + (draft.report.note or "") + "\n"


def _change(draft: Draft, text: str) -> Edit:
    """What the text says that the draft does not; raises ReviewError for a line that says nothing known."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    if _NOTE not in lines:
        raise ReviewError(f"the line {_NOTE!r} is missing: nothing was changed")
    place = lines.index(_NOTE)
    found = {}
    for line in filter(str.strip, lines[:place]):
        key, colon, value = line.partition(":")
        if not colon or key not in ("contact", "form"):
            raise ReviewError(f"{line[:60]!r}: neither 'contact: ADDRESS' nor 'form: NAME'; nothing was changed")
        found[key] = value.strip()
    note = "\n".join(lines[place + 1 :]).strip()
    now = {"contact": draft.report.contact.address, "form": draft.form, "note": draft.report.note or ""}
    return Edit(**{key: value for key, value in {**found, "note": note}.items() if value != now[key]})
