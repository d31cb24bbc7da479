"""`hoptrail topology anomalies`: what the nightly detectors found."""

import json
from datetime import UTC, date, datetime, timedelta

import click

from hoptrail.commands.topology.selection import DAY, span_text
from hoptrail.config import Config
from hoptrail.configured import configured
from hoptrail_reports.detectors.finding import finding_figures
from hoptrail_reports.detectors.records import findings_of
from hoptrail_reports.text import finding_line
from hoptrail_reports.topology.tables import mapped_days
from hoptrail_store.reader import open_readonly


@click.command(name="anomalies")
@click.option("--day", type=DAY, metavar="YYYY-MM-DD", help="The UTC day; without it, the last that has a report.")
@click.option("--since", type=DAY, metavar="YYYY-MM-DD", help="All days from this one on, the newest first.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@configured
def command(config: Config, *, day: datetime | None, since: datetime | None, form: str) -> None:
    """Say what is wrong with the mail's ways: silences, slow links, new relays, loops and more, most pressing first.

    They are looked for by `hoptrail nightly`, once a day is over.
    """
    if day and since:
        raise click.UsageError("--day and --since do not go together")
    first, last = _span(day, since)
    with open_readonly(config.store.path) as reader:
        days = mapped_days(reader.db.conn, first, last)[::-1]
        if not days:
            raise click.ClickException(
                f"{span_text((first, last))}: no night has reported on it, or [store] keep_days has passed since; "
                "`hoptrail nightly --day YYYY-MM-DD` reports on a day that was missed"
            )
        if not since:
            days = days[:1]
        found = {one: findings_of(reader.db.conn, one) for one in days}
    if form == "json":
        plain = [{"day": str(one), "findings": [*map(finding_figures, findings)]} for one, findings in found.items()]
        click.echo(json.dumps(plain, indent=1))
        return
    for one, findings in found.items():
        click.echo(f"{one}: " + (f"{len(findings)} found" if findings else "nothing was found"))
        for finding in findings:
            click.echo(f"  {finding.score:.2f}  {finding_line(finding)}")


def _span(day: datetime | None, since: datetime | None) -> tuple[date, date]:
    today = datetime.now(UTC).date()
    if day:
        return day.date(), day.date()
    return (since.date() if since else today - timedelta(days=400)), today
