"""`hoptrail abuse send`: the approved drafts, to the smarthost."""

import sys
from collections import Counter
from datetime import UTC, datetime

import click

from hoptrail.config import Config
from hoptrail.configured import configured
from hoptrail_reports.abuse import sending
from hoptrail_reports.shown import counted
from hoptrail_store.reader import open_readonly
from hoptrail_store.store import Store
from hoptrail_tracer.printable import printable

_TROUBLE = ("deferred", "refused", "uncertain")


@click.command(name="send", short_help="Send the approved drafts.")
@click.option("--dry-run", is_flag=True, help="Say what would be sent, and send nothing.")
@configured
def command(config: Config, *, dry_run: bool) -> None:
    """Send the approved drafts by the smarthost of [abuse], each once, within the caps of the day.

    Run it by hand or by a timer. The exit code is 1 where a report was deferred, refused, or is uncertain: its sending
    broke off where nobody can know whether the smarthost took it. That one waits for `hoptrail abuse resolve`.
    """
    if dry_run:
        with Store.open(config.store) as store:
            for decision in sending.plan(store, config.abuse, config.site, datetime.now(UTC)):
                _print(decision.draft.id, decision.verdict, decision.draft.report.contact.address, decision.why)
        return
    outcomes: Counter[str] = Counter()
    with Store.open(config.store) as store:
        for sent in sending.send(store, config.abuse, config.site):
            outcomes[sent.outcome] += 1
            _print(sent.draft.id, sent.outcome, sent.draft.report.contact.address, sent.detail)
    with open_readonly(config.store.path) as reader:
        uncertain = [row[0] for row in reader.db.execute("SELECT id FROM abuse_draft WHERE state = 'uncertain'")]
    for draft_id in uncertain:
        click.echo(
            f"hoptrail: {draft_id} is uncertain: look for it in the smarthost's log, then say "
            f"`hoptrail abuse resolve {draft_id} --sent` or `--unsent`",
            err=True,
        )
    summary = ", ".join(f"{count:,} {outcome}" for outcome, count in outcomes.items())
    click.echo(f"{counted(outcomes.total(), 'approved draft')}: {summary}" if outcomes else "Nothing to send.")
    sys.exit(bool(uncertain) or any(outcomes[outcome] for outcome in _TROUBLE))


def _print(draft_id: str, outcome: str, contact: str, detail: str) -> None:
    click.echo(printable("  ".join(filter(None, (draft_id, outcome, contact, detail)))))
