"""The figures of links and relays as one Ibis expression, the same for DuckDB and for a Spark cluster.

It adds up the hand-overs that `hoptrail_tracer.handover` defines, from the tables of the archive
(`hoptrail_store.archive.columns`). Ids mean something inside one part only: so parts are added up first, then their
names are put in, and then parts are added to each other.
"""

from dataclasses import dataclass
from typing import Any, Final

import ibis
from ibis import ir

from hoptrail_reports.topology.delays import EDGES_S, LONGEST_S
from hoptrail_reports.topology.tables import COUNTS, EXTREMES, LINK, RELAY

PART: Final = ("date", "host", "part")


@dataclass(frozen=True, slots=True)
class Sources:
    """The archive's tables, each with the columns `date`, `host` and `part` of its folders."""

    messages: ir.Table
    hops: ir.Table
    names: ir.Table
    keys: tuple[str, ...] = PART  # what tells parts apart: nothing where there is only one, which halves the time


@dataclass(frozen=True, slots=True)
class Figures:
    """What a set of messages adds up to, not yet computed."""

    messages: ir.IntegerScalar  # whose way could be followed
    links: ir.Table  # source, target, observed and `LINK`
    relays: ir.Table  # relay and `RELAY`
    ranks: ir.Table  # relay, rank, visits


def figures(sources: Sources) -> Figures:
    """The figures of all messages of the sources."""
    hops, visits, keys = sources.hops, _visits(sources), sources.keys
    used = hops.filter(hops.sender.notnull())
    used = used.mutate(**_delay(used.delay_s))
    links = used.group_by(*keys, "sender", "receiver", "observed").aggregate(
        traversals=used.count(),
        messages=used.count(where=~used.repeated),
        looped=used.count(where=used.looped),
        **_use(used),
    )
    links = named(named(links, sources, "sender", "source"), sources, "receiver", "target")
    relays = visits.group_by(*keys, "relay").aggregate(messages=visits.count(where=~visits.revisited), **_use(visits))
    ranks = visits.group_by(*keys, "relay", "rank").aggregate(visits=visits.count())
    return Figures(
        messages=sources.messages.root.count(),
        links=_added(links, sources, ("source", "target", "observed"), LINK),
        relays=_added(named(relays, sources, "relay", "relay"), sources, ("relay",), RELAY),
        ranks=_added(named(ranks, sources, "relay", "relay"), sources, ("relay", "rank"), ("visits",)),
    )


def _visits(sources: Sources) -> ir.Table:
    """One row a visit of a message to a relay, the root's at rank 0 among them."""
    hops, messages = sources.hops, sources.messages
    senders = hops.filter(hops["rank"].notnull())
    roots = messages.filter(messages.root.notnull())
    found = ibis.union(
        senders.select(
            *sources.keys,
            "received_s",
            relay=senders.sender,
            rank=senders["rank"].cast("int64"),
            revisited=senders.revisited,
            time_s=senders.reach_s,
        ),
        roots.select(
            *sources.keys,
            "received_s",
            relay=roots.root,
            rank=ibis.literal(0, "int64"),
            revisited=ibis.literal(value=False),
            time_s=ibis.ifelse(roots.dated, ibis.literal(0, "int64"), ibis.null("int64")),
        ),
    )
    return found.mutate(**_delay(found.time_s))


def _delay(seconds: Any) -> dict[str, Any]:  # noqa: ANN401 - Ibis has no public type for all columns
    """Columns `delay`, null for what is none, and `skew`, which says that clocks spoilt it."""
    sane = seconds.between(0, LONGEST_S)
    return {"delay": ibis.ifelse(sane, seconds, ibis.null("int64")), "skew": seconds.notnull() & ~sane}


def _use(rows: ir.Table) -> dict[str, Any]:
    """The figures that links and relays have in common."""
    delay = rows.delay
    lower = (0, *EDGES_S)
    upper = (*EDGES_S, LONGEST_S + 1)
    return {
        "delays": delay.count(),
        "sum_s": _whole(delay.sum()),
        "sum_squares": _whole((delay * delay).sum()),
        "min_s": delay.min(),
        "max_s": delay.max(),
        **{
            name: rows.count(where=(delay >= low) & (delay < high))
            for name, low, high in zip(COUNTS, lower, upper, strict=True)
        },
        "skewed": rows.count(where=rows.skew),
        "first_s": rows.received_s.min(),
        "last_s": rows.received_s.max(),
    }


def named(rows: ir.Table, sources: Sources, column: str, name: str) -> ir.Table:
    """The rows with a text, in a column `name`, in place of the id in `column`."""
    names = sources.names
    texts = names.select(*sources.keys, **{f"{name}_id": names.id, f"{name}_text": names.text})
    keys = [(key, key) for key in sources.keys]
    joined = rows.join(texts, [*keys, (column, f"{name}_id")])
    kept = [key for key in rows.columns if key != column]
    return joined.select(*kept, **{name: joined[f"{name}_text"]})


def _added(rows: ir.Table, sources: Sources, keys: tuple[str, ...], sums: tuple[str, ...]) -> ir.Table:
    """The rows of all parts added up, in the order of their keys: so that the same mail gives the same pages."""
    if not sources.keys:
        return rows.select(*keys, *sums).order_by(*keys)
    merged = {name: getattr(rows[name], EXTREMES.get(name, "sum"))() for name in sums}
    totals = {name: value if name in EXTREMES else _whole(value) for name, value in merged.items()}
    return rows.group_by(*keys).aggregate(**totals).order_by(*keys)


def _whole(total: Any) -> Any:  # noqa: ANN401 - as above
    """A sum as a whole number of 64 bits, 0 where nothing was added."""
    return ibis.coalesce(total, ibis.literal(0, "int64"))
