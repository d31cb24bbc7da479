"""`hoptrail topology compare`: two maps set against each other."""

import json
from pathlib import Path

import click

from hoptrail.commands.topology.drawing import OUTPUT, drawn, mapped, promised, write
from hoptrail.commands.topology.selection import SPAN, Days, chosen
from hoptrail.config import Config
from hoptrail.configured import configured
from hoptrail_reports.topology.compare import compare, comparison_document, comparison_text

FORMS = ("text", "json", "html", "svg")


@click.command(name="compare")
@click.argument("before", metavar="BEFORE", type=SPAN)
@click.argument("after", metavar="AFTER", type=SPAN)
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMS),
    help="Sentences, one object with every entry, a page with both maps and what differs, or both maps alone. "
    "Without it, what the output's name ends in, else text.",
)
@click.option("--json", "form", flag_value="json", help="The same as --format json.")
@OUTPUT
@configured
def command(config: Config, *, before: Days | str, after: Days | str, form: str | None, output: Path | None) -> None:
    """Say what changed between two spans of days, YYYY-MM-DD or YYYY-MM-DD..YYYY-MM-DD, or between two collections."""
    maps = [(one.title, mapped(config, one)) for one in (chosen(config, before), chosen(config, after))]
    found = compare(maps[0][1], maps[1][1])
    form = form or promised(output, FORMS, default="text")
    if form == "text":
        text = comparison_text(found)
    elif form == "json":
        text = json.dumps(comparison_document(found), indent=1) + "\n"
    else:
        text = drawn(config, maps, form, title=f"{maps[0][0]} and {maps[1][0]}", comparison=found)
    write(text, output)
