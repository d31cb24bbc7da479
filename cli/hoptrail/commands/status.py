"""`hoptrail status`: what the store holds, and the counters of the running milter."""

import json
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from hoptrail.config import Config
from hoptrail.configured import configured
from hoptrail_milter.counters import GAUGES
from hoptrail_milter.endpoint import parse_endpoint
from hoptrail_milter.status import fetch
from hoptrail_store.archive.ledger import PartRecord, recorded_parts
from hoptrail_store.errors import StoreError
from hoptrail_store.journal import waiting_bytes
from hoptrail_store.reader import StoreSummary, open_readonly
from hoptrail_tracer.printable import printable

Rows = Iterator[tuple[str, str]]


@click.command(name="status")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object.")
@configured
def command(config: Config, *, as_json: bool) -> None:
    """Sum up the store and the running milter.

    The exit code is 1 where there is a store that cannot be read, or neither store nor milter.
    """
    live = _live(config)
    summary, parts, failure, waiting = None, [], "", 0
    stored: dict[str, int] = {}
    try:
        with open_readonly(config.store.path) as reader:
            summary, parts = reader.summary(), recorded_parts(reader.db.conn, "state <> 'expired'")
            stored = reader.journal_read()
    except (StoreError, sqlite3.Error) as error:
        if live is None:
            raise
        failure = str(error)  # a milter whose store is out of order is what one wants to see most
    with suppress(OSError):
        waiting = waiting_bytes(config.store, stored)
    if as_json:
        document = {"store": summary and _document(summary), "store_fault": failure or None, "waiting_bytes": waiting}
        click.echo(json.dumps({**document, "milter": live}))
        sys.exit(_is_fault(config, summary))
    if summary:
        _write("store", config.store.path, _store_rows(summary, waiting))
    else:
        click.echo(f"store      {failure}")
    if config.store.archive or parts:
        _write("archive", config.store.archive or "none is set, but days were moved to one", _archive_rows(parts))
    if live:
        _write("milter", config.milter.status, _milter_rows(live))
    else:
        click.echo("milter     not running, or its [milter] status is out of reach")
    sys.exit(_is_fault(config, summary))


def _is_fault(config: Config, summary: StoreSummary | None) -> bool:
    """Whether there is a store that cannot be read: before the first message, there is none."""
    return summary is None and Path(config.store.path).exists()


def _live(config: Config) -> dict[str, Any] | None:
    if not config.milter.status:
        return None
    try:
        return fetch(parse_endpoint(config.milter.status))
    except OSError:
        return None


def _write(title: str, where: str, rows: Rows) -> None:
    click.echo(f"{click.style(title.ljust(10), bold=True)} {where}")
    for name, value in rows:
        click.echo(f"  {name:<24} {value}")


def _store_rows(summary: StoreSummary, waiting: int) -> Rows:
    yield "size", f"{summary.size_bytes / 1e6:,.1f} MB"
    yield "messages", f"{summary.messages:,}"
    if summary.oldest and summary.newest:
        yield "from", f"{summary.oldest:%Y-%m-%d %H:%M} to {summary.newest:%Y-%m-%d %H:%M} UTC"
    yield "hops", f"{summary.hops:,} between {summary.names:,} names and addresses"
    yield "spam", f"{summary.spam:,}, of which {summary.evidence:,} kept whole"
    yield "refused recipients", f"{summary.refusals:,}"
    if waiting:
        yield "on its way", f"{waiting:,} bytes in the journal beside it"


def _archive_rows(parts: Sequence[PartRecord]) -> Rows:
    if not parts:
        yield "moved", "nothing yet"
        return
    yield "moved", f"{sum(part.hops for part in parts):,} hops of {len({part.day for part in parts}):,} days"
    yield "from", f"{parts[0].day} to {parts[-1].day}"
    if open_parts := [part.day for part in parts if part.state != "moved"]:
        yield "broken off", f"the move of {open_parts[0]}; the next night finishes it"


def _milter_rows(live: dict[str, Any]) -> Rows:
    yield "since", f"{datetime.fromtimestamp(live['since'], UTC):%Y-%m-%d %H:%M} UTC, process {live['pid']}"
    if live["workers_replaced"]:
        yield "workers replaced", f"{live['workers_replaced']:,}"
    counters = live["counters"]
    workers = len(live["workers"])
    yield "sessions", f"{counters['sessions']:,} in {workers} workers"
    yield "waiting", f"{counters['waiting_store_bytes']:,} bytes for the store, {counters['waiting_score']:,} for spamd"
    if counters["breaker_open"]:
        yield "spamd", f"left alone by {counters['breaker_open']} of {workers} workers"
    for zone in live["zones_paused"]:
        until = datetime.fromtimestamp(zone["paused_until"], UTC)
        yield (
            "list paused",
            f"{zone['zone']} (IPv{zone['version']}) until {until:%H:%M} UTC: {printable(zone['reason'])}",
        )
    for found in live["harvesters"]:
        yield "harvests", f"{found['network']}: {found['refused']:,} refused, {found['accepted']:,} accepted"
    for name, count in counters.items():
        if count and name not in GAUGES:
            yield name.replace("_", " "), f"{count:,}"
    messages = sum(bucket["messages"] for bucket in live["latency"])
    if messages:
        yield "reply, mean", f"{1000 * live['latency_sum_s'] / messages:.1f} ms"
        yield "reply, 99 in 100", f"within {_within(live['latency'], 0.99 * messages)}"


def _within(buckets: list[dict[str, Any]], wanted: float) -> str:
    below = 0
    for bucket in buckets:
        below += bucket["messages"]
        if below >= wanted and bucket["up_to_s"] is not None:
            return f"{1000 * bucket['up_to_s']:g} ms"
    return "more than a minute"


def _document(summary: StoreSummary) -> dict[str, object]:
    return {
        "size_bytes": summary.size_bytes,
        "messages": summary.messages,
        "oldest": summary.oldest and summary.oldest.isoformat(),
        "newest": summary.newest and summary.newest.isoformat(),
        "hops": summary.hops,
        "names": summary.names,
        "spam": summary.spam,
        "evidence": summary.evidence,
        "refusals": summary.refusals,
    }
