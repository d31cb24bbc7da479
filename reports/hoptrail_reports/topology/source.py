"""The ways of stored messages, read out of the store one after the other."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import groupby
from typing import Final

from hoptrail_reports.topology.traffic import Way
from hoptrail_store.reader import HopRow, Reader
from hoptrail_tracer.model import Hop, Received, Trust
from hoptrail_tracer.path import relay_path

_TRUST: Final = tuple(Trust)


def stored_ways(reader: Reader, since: datetime, until: datetime) -> Iterator[Way]:
    """The way of each message recorded in a span of time, in the order of recording."""
    for (_, received_ms), rows in groupby(reader.hops(since, until), key=lambda row: (row.message, row.received_ms)):
        steps = relay_path([_hop(row) for row in rows])
        if steps:
            yield Way(steps, received_ms // 1000)


def _hop(row: HopRow) -> Hop:
    date = None if row.at_ms is None else datetime.fromtimestamp(row.at_ms / 1000, UTC)
    received = Received("parsed", ip=row.ip, rdns=row.rdns, helo=row.helo, by=row.by, date=date)
    return Hop(received, _TRUST[row.trust])
