"""All that is known of one relay over some days: its links, delays, ranks, names and addresses, days, oddities."""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from hoptrail_reports.shown import counted, duration, percent, shown
from hoptrail_reports.topology.colours import WORDS
from hoptrail_reports.topology.delays import BUCKET_LABELS, DelayStats
from hoptrail_reports.topology.details import EACH_MOST, RelayDetails
from hoptrail_reports.topology.graph import Edge, RelayMap
from hoptrail_reports.topology.svg import STANDING_WORDS
from hoptrail_reports.topology.usage import LinkStats, RelayStats
from hoptrail_store.rows import milliseconds

LINKS_SHOWN: Final = 15
ODDITIES_SHOWN: Final = 10

_ODDITIES: Final = """
SELECT code, count(DISTINCT anomaly.message), max(received_ms) FROM anomaly
JOIN message ON message.number = anomaly.message
WHERE received_ms >= ? AND received_ms < ? AND anomaly.message IN (
    SELECT hop.message FROM hop JOIN name ON name.id = hop.sender_name WHERE name.text = ?
)
GROUP BY code ORDER BY 2 DESC, code LIMIT ?
"""


@dataclass(frozen=True, slots=True)
class Oddity:
    """Something wrong with chains of messages that a relay handed over: a code of docs/tracing.md."""

    code: str
    messages: int
    last_ms: int


@dataclass(frozen=True, slots=True)
class RelayView:
    """One relay of a map; `history` is messages by day, as far as nights were reported."""

    name: str
    relays: RelayMap
    details: RelayDetails
    history: Mapping[date, int]
    oddities: Sequence[Oddity]

    @property
    def stats(self) -> RelayStats:
        """How the relay was used."""
        return self.relays.relays[self.name]


def relay_oddities(connection: sqlite3.Connection, relay: str, since: datetime, until: datetime) -> list[Oddity]:
    """What was wrong with the messages that a relay handed on in some time, as far as they are not archived."""
    span = (milliseconds(since), milliseconds(until))
    return [Oddity(*row) for row in connection.execute(_ODDITIES, (*span, relay, ODDITIES_SHOWN))]


def relay_text(view: RelayView) -> str:
    """The relay for a terminal."""
    stats, relays = view.stats, view.relays
    lines = [
        shown(view.name),
        f"  {counted(stats.messages, 'message')}, {percent(relays.share(stats.messages))} of all",
        f"  row {relays.rows[view.name]}; {STANDING_WORDS[relays.standing[view.name]]}",
        f"  ranks: {', '.join(f'{rank}: {visits:,}' for rank, visits in sorted(stats.ranks.items()))}",
        f"  time to the root: {_delays(stats.reach)}",
    ]
    if (filters := relays.filters.get(view.name)) is not None:
        lines.append(f"  own filter: {filters.traversals:,} times; {_delays(filters.delays)}")
    for what, names in (
        ("addresses", view.details.addresses),
        ("networks", view.details.networks),
        ("software", view.details.software),
    ):
        more = f" and {len(names) - EACH_MOST:,} more" if len(names) > EACH_MOST else ""
        lines += [f"  {what}: {', '.join(map(shown, names[:EACH_MOST]))}{more}"] if names else []
    lines += _link_lines("mail came from", relays.into.get(view.name, ()), lambda edge: edge.source, relays)
    lines += _link_lines("mail went to", relays.out_of.get(view.name, ()), lambda edge: edge.target, relays)
    if view.history:
        lines += ["", "messages by day", *(f"  {day}  {count:,}" for day, count in sorted(view.history.items()))]
    if view.oddities:
        lines += ["", "what was wrong with chains it is part of"]
        lines += [f"  {oddity.code}: {counted(oddity.messages, 'message')}" for oddity in view.oddities]
    return "\n".join([*lines, ""])


def relay_document(view: RelayView) -> dict[str, Any]:
    """The relay as JSON: counts and seconds."""
    stats, relays = view.stats, view.relays
    filters = relays.filters.get(view.name)
    return {
        "relay": view.name,
        "messages": stats.messages,
        "share": relays.share(stats.messages),
        "row": relays.rows[view.name],
        "standing": str(relays.standing[view.name]),
        "first": stats.first,
        "last": stats.last,
        "ranks": {str(rank): visits for rank, visits in sorted(stats.ranks.items())},
        "reach": _figures(stats.reach),
        "own_filter": filters and _use(filters),
        "addresses": list(view.details.addresses),
        "networks": list(view.details.networks),
        "software": list(view.details.software),
        "links_in": [_link(edge, relays) for edge in relays.into.get(view.name, ())],
        "links_out": [_link(edge, relays) for edge in relays.out_of.get(view.name, ())],
        "history": {str(day): count for day, count in sorted(view.history.items())},
        "oddities": [{"code": each.code, "messages": each.messages, "last_ms": each.last_ms} for each in view.oddities],
    }


def _link_lines(what: str, edges: Sequence[Edge], other: Callable[[Edge], str], relays: RelayMap) -> list[str]:
    lines = ["", f"{what}: {counted(len(edges), 'relay')}"]
    for edge in edges[:LINKS_SHOWN]:
        total = edge.total
        kind = "observed" if edge.observed.traversals else "claimed"
        lines.append(
            f"  {shown(other(edge))}: {counted(total.messages, 'message')}, "
            f"{percent(relays.share(total.messages))}, {WORDS[edge.colour]}, {kind}; {_delays(total.delays)}"
        )
    return lines + ([f"  and {len(edges) - LINKS_SHOWN:,} more"] if len(edges) > LINKS_SHOWN else [])


def _delays(delays: DelayStats) -> str:
    skewed = f", {delays.skewed:,} skewed" if delays.skewed else ""
    if not delays.n:
        return f"not known{skewed}"
    deviation = delays.variance**0.5 if delays.variance is not None else None
    return f"median {duration(delays.median_s)}, mean {duration(delays.mean_s)} ± {duration(deviation)}{skewed}"


def _link(edge: Edge, relays: RelayMap) -> dict[str, Any]:
    return {
        "source": edge.source,
        "target": edge.target,
        "share": relays.share(edge.total.messages),
        "colour": str(edge.colour),
        "observed": edge.observed.traversals,
        "claimed": edge.claimed.traversals,
        **_use(edge.total),
    }


def _use(use: LinkStats) -> dict[str, Any]:
    return {
        "messages": use.messages,
        "traversals": use.traversals,
        "looped": use.looped,
        "delays": _figures(use.delays),
    }


def _figures(delays: DelayStats) -> dict[str, Any]:
    return {
        "n": delays.n,
        "mean_s": delays.mean_s,
        "variance": delays.variance,
        "median_s": delays.median_s,
        "mad_s": delays.mad_s,
        "min_s": delays.min_s,
        "max_s": delays.max_s,
        "skewed": delays.skewed,
        "histogram": dict(zip(BUCKET_LABELS, delays.counts, strict=True)),
    }
