"""`hoptrail topology collections`: figures of some mail kept under a name."""

import json
from datetime import datetime

import click

from hoptrail.commands.topology.selection import DAY, days, direction, filters, given, selected, span_text
from hoptrail.config import Config
from hoptrail.configured import configured
from hoptrail_reports.topology.collections import (
    Collection,
    Recipe,
    add_collection,
    collections,
    delete_collection,
    find_collection,
)
from hoptrail_store.reader import open_readonly
from hoptrail_store.store import Store

AS_JSON = click.option("--json", "as_json", is_flag=True, help="Write JSON.")


@click.group(name="collections", invoke_without_command=True)
@AS_JSON
@configured
def command(config: Config, *, as_json: bool) -> None:
    """Keep the figures of some mail under a name; without a sub-command, list what there is.

    A collection never changes, and stays when its mail is deleted: until a person deletes it. `hoptrail topology
    --collection NAME` draws it, `hoptrail topology compare` sets it against another one or against days.
    """
    if click.get_current_context().invoked_subcommand is not None:
        return
    with open_readonly(config.store.path) as reader:
        found = collections(reader.db.conn)
    if as_json:
        click.echo(json.dumps([_document(one) for one in found], indent=1))
    else:
        click.echo(
            "\n".join(_line(one) for one in found) or "no collections; `hoptrail topology collections add` makes one"
        )


@command.command(name="add")
@click.argument("name", metavar="NAME")
@click.option(
    "--since", type=DAY, metavar="YYYY-MM-DD", help="The first UTC day; without it, the last one that is over."
)
@click.option("--until", type=DAY, metavar="YYYY-MM-DD", help="The last UTC day, included; without it, the same day.")
@click.option("--root", metavar="HOST", help="Only mail that passed this relay, with ranks and times counted from it.")
@click.option("--onwards", is_flag=True, help="With --root: where its mail went on to.")
@filters
@click.option("--anonymise", is_flag=True, help="Put pseudonyms for names, by a key of this collection's own.")
@configured
def add(
    config: Config,
    /,
    *,
    name: str,
    since: datetime | None,
    until: datetime | None,
    root: str | None,
    onwards: bool,
    anonymise: bool,
    **filtered: object,
) -> None:
    """Keep the figures of some mail under NAME."""
    if onwards and root is None:
        raise click.UsageError("--onwards needs --root")
    first, last = days(since, until)
    recipe = Recipe(first, last, given(**filtered), root and root.lower(), direction(onwards=onwards))
    traffic = selected(config, (first, last), root=recipe.root, direction=recipe.direction, filtered=recipe.filter)
    with Store.open(config.store) as store:
        made = add_collection(store, name, recipe, traffic, anonymise=anonymise)
    click.echo(_line(made))


@command.command(name="show")
@click.argument("name", metavar="NAME")
@AS_JSON
@configured
def show(config: Config, *, name: str, as_json: bool) -> None:
    """Say what a collection was made of."""
    with open_readonly(config.store.path) as reader:
        found = find_collection(reader.db.conn, name)
    if as_json:
        click.echo(json.dumps(_document(found), indent=1))
        return
    for label, value in _document(found).items():
        click.echo(f"{click.style(f'{label}:'.ljust(12), bold=True)} {value}")


@command.command(name="delete")
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@configured
def delete(config: Config, *, names: tuple[str, ...]) -> None:
    """Delete collections for good."""
    with Store.open(config.store) as store:
        for name in names:
            delete_collection(store, name)
            click.echo(f"{name}: deleted")


def _line(found: Collection) -> str:
    recipe = found.recipe
    parts = [
        f"{found.name}: {span_text((recipe.since, recipe.until))}",
        f"{found.messages:,} messages, {found.relays:,} relays, {found.links:,} links",
        *(f"{key.replace('_', ' ')} {value}" for key, value in recipe.filter.items()),
        f"root {recipe.root}" if recipe.root else "",
        "onwards" if recipe.direction == "from" else "",
        "anonymous" if found.anonymous else "",
    ]
    return ", ".join(filter(None, parts))


def _document(found: Collection) -> dict[str, object]:
    recipe = found.recipe
    return {
        "name": found.name,
        "created": found.created.isoformat(timespec="seconds"),
        "since": str(recipe.since),
        "until": str(recipe.until),
        "filter": dict(recipe.filter),
        "root": recipe.root,
        "direction": recipe.direction,
        "anonymous": found.anonymous,
        "messages": found.messages,
        "relays": found.relays,
        "links": found.links,
        "size_bytes": found.size_bytes,
    }
