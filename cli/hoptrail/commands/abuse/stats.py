"""`hoptrail abuse stats`: what the reports came to."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime

import click

from hoptrail.config import Config
from hoptrail.configured import configured
from hoptrail_reports.abuse.results import DeskFigures, Figures, desk_figures
from hoptrail_reports.shown import duration, percent
from hoptrail_store.reader import open_readonly
from hoptrail_tracer.printable import printable

NETWORKS_SHOWN = 20


@click.command(name="stats", short_help="What the reports came to.")
@click.option("--days", type=click.IntRange(1, 3_660), default=30, metavar="N", help="The last N UTC days; else 30.")
@click.option("--all", "all_networks", is_flag=True, help="Every network, not only those with most reports.")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object.")
@configured
def command(config: Config, *, days: int, all_networks: bool, as_json: bool) -> None:
    """Count the reports sent, answered and bounced, and the origins that went quiet, by network.

    An origin went quiet when no spam of it was folded into a case from a day after the last report on, for a week.
    """
    with open_readonly(config.store.path) as reader:
        found = desk_figures(reader.db, days=days, now=datetime.now(UTC))
    if as_json:
        document = {**asdict(found), "since": str(found.since), "until": str(found.until)}
        document |= {"states": dict(found.states), "cases": dict(found.cases)}
        click.echo(json.dumps(document, indent=2))
        return
    _print_summary(found)
    _print_networks(found, None if all_networks else NETWORKS_SHOWN)


def _print_summary(found: DeskFigures) -> None:
    total = found.total
    click.secho(f"Abuse reports of {found.since} to {found.until} (UTC)", bold=True)
    rows = [
        ("Drafts", _counts(found.states)),
        ("Cases", _counts(found.cases)),
        ("Sent", f"{total.sent:,}"),
        ("Answered", f"{total.replied:,} by a person or with a ticket, {total.automatic:,} by a machine only"),
        ("Bounced", _share(total.bounced, total.sent)),
        ("Origins", f"{total.origins:,}: {_origins(total)}"),
    ]
    if found.spam_to_report_s:
        first, median, third = map(duration, found.spam_to_report_s)
        rows.append(("Spam to report", f"median {median}; a quarter within {first}, three quarters within {third}"))
    for name, value in rows:
        click.echo(click.style(f"{name}:".ljust(16), dim=True) + value)


def _counts(pairs: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in pairs) or "none"


def _share(count: int, of: int) -> str:
    return f"{count:,} ({percent(count / of)})" if of else f"{count:,}"


def _origins(figures: Figures) -> str:
    return f"{figures.quiet:,} went quiet, {figures.back:,} sent spam again, {figures.early:,} too early to say"


def _print_networks(found: DeskFigures, limit: int | None) -> None:
    from rich.console import Console  # noqa: PLC0415 - takes 60 ms
    from rich.markup import escape  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    if not found.networks:
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("Network", "Contact"):
        table.add_column(name, overflow="fold")
    for name in ("Sent", "Answered", "Bounced", "Origins", "Quiet", "Again"):
        table.add_column(name, justify="right")
    for one in found.networks[:limit]:
        figures = one.figures
        counts = (figures.sent, figures.replied, figures.bounced, figures.origins, figures.quiet, figures.back)
        owner = f"{one.network} {one.organisation}" if one.organisation else one.network
        contact = one.contacts[0] + (f" and {len(one.contacts) - 1} more" if len(one.contacts) > 1 else "")
        table.add_row(escape(printable(owner)), escape(printable(contact)), *(f"{count:,}" for count in counts))
    click.echo()
    Console(highlight=False).print(table)
    if limit is not None and len(found.networks) > limit:
        click.echo(f"and {len(found.networks) - limit:,} more networks: --all")
