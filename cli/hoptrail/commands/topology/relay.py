"""`hoptrail topology relay`: all that is known of one relay."""

import json
from datetime import datetime, timedelta

import click

from hoptrail.commands.topology.drawing import mapped
from hoptrail.commands.topology.selection import DAY, Chosen, days, selected, span_text, unknown_relay
from hoptrail.config import Config
from hoptrail.configured import configured
from hoptrail_reports.geography import places_in
from hoptrail_reports.topology.details import relay_details
from hoptrail_reports.topology.relay import RelayView, relay_document, relay_oddities, relay_text
from hoptrail_reports.topology.tables import relay_history
from hoptrail_store.reader import day_span, open_readonly

_HISTORY = timedelta(days=27)


@click.command(name="relay")
@click.argument("host", metavar="HOST")
@click.option(
    "--since", type=DAY, metavar="YYYY-MM-DD", help="The first UTC day; without it, the last one that is over."
)
@click.option("--until", type=DAY, metavar="YYYY-MM-DD", help="The last UTC day, included; without it, the same day.")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object, with every link.")
@configured
def command(config: Config, *, host: str, since: datetime | None, until: datetime | None, as_json: bool) -> None:
    """Say all that is known of a relay: links, delays, ranks, addresses, software, days, and what was wrong."""
    span = days(since, until)
    first, last = span
    relays = mapped(config, Chosen(span_text(span), selected(config, span), "to"))
    name = next((one for one in (host.lower(), f"[{host.lower().strip('[]')}]") if one in relays.relays), None)
    if name is None:
        raise unknown_relay(host, span, relays.relays)
    with open_readonly(config.store.path) as reader:
        view = RelayView(
            name,
            relays,
            relay_details(reader, config.store.archive, last, [name], places_in(config.lookups.mmdb))[name],
            relay_history(reader.db.conn, name, last - _HISTORY, last),
            relay_oddities(reader.db.conn, name, day_span(first)[0], day_span(last)[1]),
        )
    click.echo(json.dumps(relay_document(view), indent=1) if as_json else relay_text(view), nl=as_json)
