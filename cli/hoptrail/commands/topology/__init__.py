"""`hoptrail topology`: the map of relays over any span of stored mail, drawn or for other programs.

The map itself is what the group draws without a sub-command; each sub-command is a module of this package.
"""

import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

import click
from click.core import ParameterSource

from hoptrail.commands.topology import compare
from hoptrail.commands.topology.selection import DAY, days, direction, selected, thresholds
from hoptrail.config import Config
from hoptrail.configured import configured
from hoptrail_reports.errors import UnknownRelayError
from hoptrail_reports.pages.render import map_page
from hoptrail_reports.topology import export, svg
from hoptrail_reports.topology.fold import fold
from hoptrail_reports.topology.graph import RelayMap, relay_map
from hoptrail_reports.topology.grouping import contract

EXPORTS: Mapping[str, Callable[[RelayMap], str]] = MappingProxyType(
    {"dot": export.dot, "graphml": export.graphml, "json": export.node_link_json, "csv": export.links_csv}
)


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
    first, last = days(since, until)
    way = direction(onwards=onwards)
    seen = selected(config, (first, last), root=root and root.lower(), direction=way)
    if root is not None and not seen.messages:
        raise UnknownRelayError(f"{root}: no mail of {first} to {last} passed a relay of this name")
    relays = relay_map(seen, direction=way, thresholds=thresholds(config))
    if group:
        relays = contract(relays, direction=way, thresholds=thresholds(config))
    title = f"Mail relays, {first}" + (f" to {last}" if last != first else "") + (f", root {root}" if root else "")
    text = EXPORTS[form](relays) if form in EXPORTS else _drawn(config, relays, form, title)
    if output is None:
        sys.stdout.write(text)
    else:
        output.write_text(text, encoding="utf-8")


def _drawn(config: Config, relays: RelayMap, form: str, title: str) -> str:
    limits = config.reports
    drawing = fold(relays, servers=limits.row_servers, domains=limits.row_domains, thresholds=thresholds(config))
    if form == "html":
        return map_page(relays, drawing, title=title)
    return svg.standalone(svg.draw(relays, drawing, title=title))


command.add_command(compare.command)
