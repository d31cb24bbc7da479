"""Maps as pictures and pages, and where they are written."""

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from hoptrail.commands.topology.selection import Chosen, thresholds
from hoptrail.config import Config
from hoptrail_reports.pages.render import map_page
from hoptrail_reports.pages.side_by_side import Panel, maps_page, side_by_side
from hoptrail_reports.topology import svg
from hoptrail_reports.topology.compare import Comparison
from hoptrail_reports.topology.fold import fold
from hoptrail_reports.topology.graph import RelayMap, relay_map
from hoptrail_reports.topology.grouping import contract

OUTPUT = click.option(
    "--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="A file, for standard output."
)


def promised(output: Path | None, forms: Sequence[str], *, default: str) -> str:
    """The format that the name of the output ends in."""
    ending = output.suffix.removeprefix(".").lower() if output else ""
    return ending if ending in forms else default


def mapped(config: Config, chosen: Chosen, *, group: bool = False) -> RelayMap:
    """The map of some mail's traffic, with like relays as one where `group` says so."""
    found = relay_map(chosen.traffic, direction=chosen.direction, thresholds=thresholds(config))
    return contract(found, direction=chosen.direction, thresholds=thresholds(config)) if group else found


def drawn(
    config: Config,
    maps: Sequence[tuple[str, RelayMap]],
    form: str,
    *,
    title: str,
    comparison: Comparison | None = None,
) -> str:
    """Some titled maps as one SVG document or HTML page, side by side where there are several."""
    limits = config.reports
    folded = [
        fold(relays, servers=limits.row_servers, domains=limits.row_domains, thresholds=thresholds(config))
        for _, relays in maps
    ]
    if len(maps) == 1 and comparison is None:
        [(_, relays)], [drawing] = maps, folded
        return (
            map_page(relays, drawing, title=title)
            if form == "html"
            else svg.standalone(svg.draw(relays, drawing, title=title), thresholds(config))
        )
    panels = [
        Panel(name, relays, svg.draw(relays, drawing, title=name))
        for (name, relays), drawing in zip(maps, folded, strict=True)
    ]
    if form == "html":
        return maps_page(panels, title=title, comparison=comparison)
    return svg.standalone(side_by_side(panels, title=title), thresholds(config))


def write(text: str, output: Path | None) -> None:
    """Write to a file, or to standard output."""
    if output is None:
        sys.stdout.write(text)
    else:
        output.write_text(text, encoding="utf-8")
