"""`hoptrail topology`: the map of relays over any span of stored mail, drawn or for other programs."""

import sys
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import MappingProxyType

import click

from hoptrail.config import Config
from hoptrail.configured import configured
from hoptrail_reports.errors import UnknownRelayError
from hoptrail_reports.pages.render import map_page
from hoptrail_reports.settings import ReportSettings
from hoptrail_reports.topology import export, svg
from hoptrail_reports.topology.colours import Thresholds
from hoptrail_reports.topology.fold import fold
from hoptrail_reports.topology.graph import RelayMap, relay_map
from hoptrail_reports.topology.grouping import contract
from hoptrail_reports.topology.source import stored_ways
from hoptrail_reports.topology.traffic import Direction, traffic
from hoptrail_store.reader import day_span, open_readonly

EXPORTS: Mapping[str, Callable[[RelayMap], str]] = MappingProxyType(
    {"dot": export.dot, "graphml": export.graphml, "json": export.node_link_json, "csv": export.links_csv}
)
DAY = click.DateTime(["%Y-%m-%d"])


@click.command(name="topology")
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
    """Draw which relays handed mail to which, over some days of the store."""
    if onwards and root is None:
        raise click.UsageError("--onwards needs --root")
    first, last = _span(since, until)
    direction: Direction = "from" if onwards else "to"
    thresholds = Thresholds(config.reports.backbone_share, config.reports.rare_share)
    with open_readonly(config.store.path) as reader:
        ways = stored_ways(reader, day_span(first)[0], day_span(last)[1])
        seen = traffic(ways, root=root and root.lower(), direction=direction)
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
