"""`hoptrail topology compare`: two maps set against each other."""

import json
from dataclasses import asdict

import click

from hoptrail.commands.topology.selection import SPAN, Days, selected, thresholds
from hoptrail.config import Config
from hoptrail.configured import configured
from hoptrail_reports.topology.compare import compare, comparison_text
from hoptrail_reports.topology.graph import relay_map


@click.command(name="compare")
@click.argument("before", metavar="BEFORE", type=SPAN)
@click.argument("after", metavar="AFTER", type=SPAN)
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object, with every entry.")
@configured
def command(config: Config, *, before: Days, after: Days, as_json: bool) -> None:
    """Say what changed from one span of days to another: YYYY-MM-DD, or YYYY-MM-DD..YYYY-MM-DD."""
    maps = (relay_map(selected(config, span), thresholds=thresholds(config)) for span in (before, after))
    found = compare(*maps)
    click.echo(json.dumps(asdict(found), indent=1) if as_json else comparison_text(found), nl=as_json)
