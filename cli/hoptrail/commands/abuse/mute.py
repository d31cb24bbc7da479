"""`hoptrail abuse mute`: origins that nobody wants drafts about."""

import json
from datetime import UTC, datetime, timedelta

import click

from hoptrail.config import Config
from hoptrail.configured import configured
from hoptrail_reports.abuse import mutes
from hoptrail_store.reader import open_readonly
from hoptrail_store.store import Store
from hoptrail_tracer.printable import printable


@click.command(name="mute", short_help="Make no drafts about an origin.")
@click.argument("origin", metavar="[ADDRESS|NETWORK]", required=False)
@click.option("--reason", help="Why, for whoever looks later. Needed with an address or network.")
@click.option("--days", type=click.IntRange(1, 36_500), metavar="N", help="For so many days; without it, for good.")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON list of what is muted.")
@configured
def command(config: Config, *, origin: str | None, reason: str | None, days: int | None, as_json: bool) -> None:
    """Make no more drafts about an address or a network, and dismiss the open ones; without either, list what is muted.

    Its spam is still folded into cases and listed, with the reason.
    """
    now = datetime.now(UTC)
    if origin is None:
        with open_readonly(config.store.path) as reader:
            _print(mutes.mutes(reader.db, now), as_json=as_json)
        return
    if not reason:
        raise click.UsageError("--reason TEXT: whoever looks later wants to know why")
    with Store.open(config.store) as store:
        until = now + timedelta(days=days) if days else None
        made = mutes.mute(store, origin, reason=reason, until=until, now=now)
    click.echo(f"{made.origin}: muted {_end(made)}")


def _print(found: list[mutes.Mute], *, as_json: bool) -> None:
    if as_json:
        document = [
            {
                "origin": one.origin,
                "reason": one.reason,
                "made_at": one.made_at.isoformat(),
                "until": one.until.isoformat() if one.until else None,
            }
            for one in found
        ]
        click.echo(json.dumps(document, indent=2))
    elif not found:
        click.echo("Nothing is muted.")
    for one in found if not as_json else ():
        click.echo(f"{one.origin}  {_end(one)}  {printable(one.reason)}")


def _end(mute: mutes.Mute) -> str:
    return f"until {mute.until:%Y-%m-%d %H:%M} UTC" if mute.until else "for good"
