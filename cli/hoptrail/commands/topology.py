"""`hoptrail topology`: the map of relays over any span of stored mail, drawn or for other programs."""

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import click
from click.core import ParameterSource

from hoptrail.config import Config
from hoptrail.configured import configured
from hoptrail_reports.errors import UnknownRelayError
from hoptrail_reports.pages.render import map_page
from hoptrail_reports.settings import ReportSettings
from hoptrail_reports.topology import export, svg
from hoptrail_reports.topology.colours import Thresholds
from hoptrail_reports.topology.compare import compare, comparison_text
from hoptrail_reports.topology.fold import fold
from hoptrail_reports.topology.graph import RelayMap, relay_map
from hoptrail_reports.topology.grouping import contract
from hoptrail_reports.topology.source import stored_ways
from hoptrail_reports.topology.traffic import Direction, Traffic, traffic
from hoptrail_store.reader import day_span, open_readonly

EXPORTS: Mapping[str, Callable[[RelayMap], str]] = MappingProxyType(
    {"dot": export.dot, "graphml": export.graphml, "json": export.node_link_json, "csv": export.links_csv}
)
DAY = click.DateTime(["%Y-%m-%d"])
Days = tuple[date, date]


class SpanType(click.ParamType[Days]):
    """Days as YYYY-MM-DD..YYYY-MM-DD, both included, or one day."""

    name = "span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Days:  # noqa: ANN401
        """Return the first and the last day."""
        beginning, _, end = str(value).partition("..")
        try:
            first, last = date.fromisoformat(beginning), date.fromisoformat(end or beginning)
        except ValueError:
            self.fail(f"{value!r}: write YYYY-MM-DD or YYYY-MM-DD..YYYY-MM-DD", param, ctx)
        if last < first:
            self.fail(f"{value!r} ends before it begins", param, ctx)
        return first, last


SPAN = SpanType()


@click.group(name="topology", invoke_without_command=True)
@click.option(
    "--since", type=DAY, metavar="YYYY-MM-DD", help="The first UTC day; without it, the last one that is over."
)
@click.option("--until", type=DAY, metavar="YYYY-MM-DD", help="The last UTC day, included; without it, the same day.")
@click.option("--root", metavar="HOST", help="Only mail that passed this relay, with ranks and times counted from it.")
@click.option("--onwards", is_flag=True, help="With --root: where its mail went on to, rather than where it came from.")
@click.option("--group", is_flag=True, help="Draw relays of one domain, magnitude, row and number of followers as one.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["svg", "html", *EXPORTS]),
    default="svg",
    show_default=True,
    help="A picture, a page, or a graph for graphviz (dot), Gephi (graphml), programs (json) or spreadsheets (csv).",
)
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="A file, for standard output.")
@configured
def command(
    config: Config,
    *,
    since: datetime | None,
    until: datetime | None,
    root: str | None,
    onwards: bool,
    group: bool,
    form: str,
    output: Path | None,
) -> None:
    """Draw which relays handed mail to which, over some days of the store; or compare two spans of days."""
    ctx = click.get_current_context()
    if ctx.invoked_subcommand is not None:
        if any(ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE for name in ctx.params):
            raise click.UsageError(f"options of {ctx.invoked_subcommand} stand after it")
        return
    if onwards and root is None:
        raise click.UsageError("--onwards needs --root")
    first, last = _span(since, until)
    direction: Direction = "from" if onwards else "to"
    thresholds = Thresholds(config.reports.backbone_share, config.reports.rare_share)
    seen = _traffic(config, first, last, root=root and root.lower(), direction=direction)
    if root is not None and not seen.messages:
        raise UnknownRelayError(f"{root}: no mail of {first} to {last} passed a relay of this name")
    relays = relay_map(seen, direction=direction, thresholds=thresholds)
    if group:
        relays = contract(relays, direction=direction, thresholds=thresholds)
    title = f"Mail relays, {first}" + (f" to {last}" if last != first else "") + (f", root {root}" if root else "")
    text = EXPORTS[form](relays) if form in EXPORTS else _drawn(relays, form, title, config.reports)
    if output is None:
        sys.stdout.write(text)
    else:
        output.write_text(text, encoding="utf-8")


@command.command(name="compare")
@click.argument("before", metavar="BEFORE", type=SPAN)
@click.argument("after", metavar="AFTER", type=SPAN)
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object, with every entry.")
@configured
def compare_(config: Config, *, before: Days, after: Days, as_json: bool) -> None:
    """Say what changed from one span of days to another: YYYY-MM-DD, or YYYY-MM-DD..YYYY-MM-DD."""
    thresholds = Thresholds(config.reports.backbone_share, config.reports.rare_share)
    found = compare(*(relay_map(_traffic(config, *span), thresholds=thresholds) for span in (before, after)))
    click.echo(json.dumps(asdict(found), indent=1) if as_json else comparison_text(found), nl=as_json)


def _traffic(
    config: Config, first: date, last: date, *, root: str | None = None, direction: Direction = "to"
) -> Traffic:
    with open_readonly(config.store.path) as reader:
        ways = stored_ways(reader, day_span(first)[0], day_span(last)[1])
        return traffic(ways, root=root, direction=direction)


def _span(since: datetime | None, until: datetime | None) -> tuple[date, date]:
    first = since.date() if since else datetime.now(UTC).date() - timedelta(days=1)
    last = until.date() if until else first
    if last < first:
        raise click.UsageError(f"--until {last} lies before --since {first}")
    return first, last


def _drawn(relays: RelayMap, form: str, title: str, settings: ReportSettings) -> str:
    thresholds = Thresholds(settings.backbone_share, settings.rare_share)
    drawing = fold(relays, servers=settings.row_servers, domains=settings.row_domains, thresholds=thresholds)
    if form == "html":
        return map_page(relays, drawing, title=title)
    return svg.standalone(svg.draw(relays, drawing, title=title))
