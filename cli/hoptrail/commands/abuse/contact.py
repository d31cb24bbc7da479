"""`hoptrail abuse contact`: what is remembered of those whom reports go to."""

import json
from datetime import UTC, datetime

import click

from hoptrail.config import Config
from hoptrail.configured import configured
from hoptrail_reports.abuse import contactbook
from hoptrail_reports.abuse.contactbook import Remembered
from hoptrail_reports.abuse.forms import FORMS
from hoptrail_store.reader import open_readonly
from hoptrail_store.store import Store
from hoptrail_tracer.printable import printable

_USUAL = "usual"


@click.command(name="contact", short_help="What is remembered of contacts.")
@click.argument("contact", metavar="[ADDRESS|DOMAIN]", required=False)
@click.option("--form", type=click.Choice([*FORMS, _USUAL]), help="The form it takes; 'usual' forgets that again.")
@click.option("--stop", metavar="REASON", help="Write nothing to it any more: the do-not-mail list.")
@click.option("--resume", is_flag=True, help="Write to it again, also after a bounce.")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON list of what is remembered.")
@configured
def command(
    config: Config, *, contact: str | None, form: str | None, stop: str | None, resume: bool, as_json: bool
) -> None:
    """Remember something of a contact, an address or a whole domain; without an option, list what is remembered."""
    if (form or stop or resume) and contact is None:
        raise click.UsageError("name the contact: hoptrail abuse contact ADDRESS ...")
    if stop and resume:
        raise click.UsageError("--stop or --resume, not both")
    if contact and (form or stop or resume):
        now = datetime.now(UTC)
        with Store.open(config.store) as store:
            if form:
                contactbook.remember_form(store, contact, None if form == _USUAL else form, now=now)
            if stop:
                contactbook.stop(store, contact, because="asked", why=stop, now=now)
            if resume:
                contactbook.resume(store, contact, now=now)
    with open_readonly(config.store.path) as reader:
        found = contactbook.remembered(reader.db)
    _print(contactbook.about(found, contactbook.contact_key(contact)) if contact else found, as_json=as_json)


def _print(found: list[Remembered], *, as_json: bool) -> None:
    if as_json:
        document = [
            {
                "contact": one.contact,
                "form": one.form,
                "stopped": one.stopped,
                "why": one.why,
                "since": one.since.isoformat(),
            }
            for one in found
        ]
        click.echo(json.dumps(document, indent=2))
        return
    for one in found:
        form = f"form {one.form}" if one.form else "the usual form"
        since = f"; nothing is written to it since {one.since:%Y-%m-%d} ({one.stopped}: {one.why})"
        click.echo(printable(f"{one.contact}: {form}{since if one.stopped else ''}"))
    if not found:
        click.echo("Nothing is remembered: the usual form, and reports are written.")
