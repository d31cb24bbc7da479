"""`hoptrail topology`: the map of relays over any span of stored mail, drawn or for other programs.

The map itself is what the group draws without a sub-command; each sub-command is a module of this package.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

import click
from click.core import ParameterSource

from hoptrail.commands.topology import anomalies, collections, compare, relay
from hoptrail.commands.topology.drawing import OUTPUT, drawn, mapped, promised, write
from hoptrail.commands.topology.selection import (
    DAY,
    Chosen,
    chosen,
    days,
    direction,
    filters,
    given,
    selected,
    span_text,
)
from hoptrail.config import Config
from hoptrail.configured import configured
from hoptrail_reports.topology import export
from hoptrail_reports.topology.graph import RelayMap

EXPORTS: Mapping[str, Callable[[RelayMap], str]] = MappingProxyType(
    {"dot": export.dot, "graphml": export.graphml, "json": export.node_link_json, "csv": export.links_csv}
)
FORMS = ("svg", "html", *EXPORTS)


@click.group(name="topology", invoke_without_command=True)
@click.option(
    "--since", type=DAY, metavar="YYYY-MM-DD", help="The first UTC day; without it, the last one that is over."
)
@click.option("--until", type=DAY, metavar="YYYY-MM-DD", help="The last UTC day, included; without it, the same day.")
@click.option(
    "--collection",
    "names",
    metavar="NAME",
    multiple=True,
    help="A collection, for days. Repeatable: several are drawn side by side.",
)
@click.option("--root", metavar="HOST", help="Only mail that passed this relay, with ranks and times counted from it.")
@click.option("--onwards", is_flag=True, help="With --root: where its mail went on to, rather than where it came from.")
@filters
@click.option("--group", is_flag=True, help="Draw relays of one domain, magnitude, row and number of followers as one.")
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMS),
    help="A picture, a page, or a graph for graphviz (dot), Gephi (graphml), programs (json) or spreadsheets (csv). "
    "Without it, what the output's name ends in, else svg.",
)
@OUTPUT
@configured
def command(
    config: Config,
    /,
    *,
    since: datetime | None,
    until: datetime | None,
    names: tuple[str, ...],
    root: str | None,
    onwards: bool,
    group: bool,
    form: str | None,
    output: Path | None,
    **filtered: object,
) -> None:
    """Draw which relays handed mail to which: over some days, from any root, filtered, or out of collections.

    The sub-commands compare two maps, look at one relay, and keep collections.
    """
    ctx = click.get_current_context()
    if ctx.invoked_subcommand is not None:
        if any(ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE for name in ctx.params):
            raise click.UsageError(f"options of {ctx.invoked_subcommand} stand after it")
        return
    if onwards and root is None:
        raise click.UsageError("--onwards needs --root")
    form = form or promised(output, FORMS, default="svg")
    if names:
        _only_collections(ctx, names, form)
        found = [chosen(config, name) for name in names]
    else:
        span, way = days(since, until), direction(onwards=onwards)
        traffic = selected(config, span, root=root and root.lower(), direction=way, filtered=given(**filtered))
        found = [Chosen(span_text(span) + (f", root {root}" if root else ""), traffic, way)]
    maps = [(one.title, mapped(config, one, group=group)) for one in found]
    title = f"Mail relays, {', '.join(name for name, _ in maps)}"
    write(EXPORTS[form](maps[0][1]) if form in EXPORTS else drawn(config, maps, form, title=title), output)


def _only_collections(ctx: click.Context, names: tuple[str, ...], form: str) -> None:
    fixed = {"since", "until", "root", "onwards", "spam", "sender_domain", "recipient_domain", "imported", "hosts"}
    if any(ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE for name in fixed):
        raise click.UsageError("a collection has its days, root and filter already: make another one for others")
    if len(names) > 1 and form in EXPORTS:
        raise click.UsageError(f"--format {form} takes one collection; svg and html take several")


for each in (anomalies, compare, relay, collections):
    command.add_command(each.command)
