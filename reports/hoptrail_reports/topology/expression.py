"""The use of links and relays as one Ibis expression, the same for DuckDB and for a Spark cluster.

It adds up the hand-overs that `hoptrail_tracer.handover` defines, from the tables of the archive
(`hoptrail_store.archive.columns`). Ids mean something inside one part only: so each part is added up by itself, then
its ids give way to such as all parts share, and then parts are added to each other. Names come last, to what is left.

Delays are parted by bucket of their histogram, and not counted bucket by bucket: an engine needs a third of the time
and memory for that, and `hoptrail_reports.topology.uses` makes the figures of it.
"""

from dataclasses import dataclass
from typing import Any, Final

import ibis
from ibis import ir

from hoptrail_reports.topology.delays import EDGES_S, LONGEST_S
from hoptrail_reports.topology.usage import EXTREMES

PART: Final = ("date", "host", "part")

SKEWED: Final = -1
UNDATED: Final = -2
"""In place of a bucket: clocks spoilt the delay, or an end of the hand-over has no date."""

USE: Final = ("uses", "sum_s", "sum_squares", "min_s", "max_s", "first_s", "last_s")
LINK_KEYS: Final = ("source", "target", "observed", "bucket", "repeated", "looped")
VISIT_KEYS: Final = ("relay", "rank", "bucket", "revisited")
"""What the rows of links and of visits are told apart by; the relays are ids, whose texts `relay_names` gives."""

HOURLY: Final = ("source", "target", "hour", "messages")


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
    links: ir.Table  # `LINK_KEYS` and `USE`
    visits: ir.Table  # of messages to relays, each root's at rank 0: `VISIT_KEYS` and `USE`


def figures(sources: Sources) -> Figures:
    """The figures of all messages of the sources."""
    hops, visits = sources.hops, _visits(sources)
    used = hops.filter(hops.sender.notnull()).rename(source="sender", target="receiver")
    return Figures(
        messages=sources.messages.root.count(),
        links=_added(used, used.delay_s, sources, ("source", "target"), LINK_KEYS),
        visits=_added(visits, visits.time_s, sources, ("relay",), VISIT_KEYS),
    )


def hourly(sources: Sources) -> ir.Table:
    """The messages that our hosts were handed by others, by link and hour of the day: `HOURLY`."""
    used = sources.hops.filter(sources.hops.observed & (sources.hops.sender != sources.hops.receiver))
    used = used.rename(source="sender", target="receiver")
    used = used.mutate(hour=(used.received_s // 3600 % 24).cast("int8"))
    found = used.group_by(*sources.keys, *HOURLY[:3]).aggregate(messages=used.count())
    if not sources.keys:
        return found
    for relay in HOURLY[:2]:
        found = _with_shared_id(found, sources, relay)
    return found.group_by(*HOURLY[:3]).aggregate(messages=_whole(found.messages.sum()))


def relay_names(sources: Sources) -> ir.Table:
    """The id and text of the relays in what is added up."""
    return _shared_names(sources) if sources.keys else sources.names.select("id", "text")


def _visits(sources: Sources) -> ir.Table:
    """One row a visit of a message to a relay, the root's at rank 0 among them."""
    hops, messages = sources.hops, sources.messages
    senders = hops.filter(hops["rank"].notnull())
    roots = messages.filter(messages.root.notnull())
    return ibis.union(
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


def _added(
    rows: ir.Table,
    seconds: Any,  # noqa: ANN401 - Ibis has no public type for all columns
    sources: Sources,
    relays: tuple[str, ...],
    keys: tuple[str, ...],
) -> ir.Table:
    """The rows added up by their keys, of which `relays` are ids of a part."""
    delay = ibis.ifelse(seconds.between(0, LONGEST_S), seconds, ibis.null("int64")).cast("int32")
    rows = rows.mutate(delay=delay, bucket=_bucket(seconds))
    sums = {"uses": rows.count(), "sum_s": rows.delay.sum(), "sum_squares": _squares(rows.delay).sum()}
    extremes = {
        name: getattr(column, EXTREMES[name])()
        for name, column in {
            "min_s": rows.delay,
            "max_s": rows.delay,
            "first_s": rows.received_s,
            "last_s": rows.received_s,
        }.items()
    }
    found = rows.group_by(*sources.keys, *keys).aggregate(
        **{name: _whole(total) for name, total in sums.items()}, **extremes
    )
    if not sources.keys:
        return found
    for relay in relays:
        found = _with_shared_id(found, sources, relay)
    merged = {name: getattr(found[name], EXTREMES.get(name, "sum"))() for name in USE}
    totals = {name: value if name in EXTREMES else _whole(value) for name, value in merged.items()}
    return found.group_by(*keys).aggregate(**totals)


def _bucket(seconds: Any) -> Any:  # noqa: ANN401 - as above
    """The bucket of a delay, or `SKEWED`, or `UNDATED`."""
    edges = enumerate((*EDGES_S, LONGEST_S + 1))
    cases = [(seconds.isnull(), UNDATED), (seconds < 0, SKEWED), *((seconds < edge, at) for at, edge in edges)]
    return ibis.cases(*cases, else_=SKEWED).cast("int8")


def _squares(delay: Any) -> Any:  # noqa: ANN401 - as above
    return delay.cast("int64") * delay


def _shared_names(sources: Sources) -> ir.Table:
    """The texts of all parts, with the ids that they share: their places in order, the same on every engine."""
    texts = sources.names.select("text").distinct()
    return texts.mutate(id=ibis.row_number().over(order_by=texts.text)).select("id", "text")


def _with_shared_id(rows: ir.Table, sources: Sources, column: str) -> ir.Table:
    """The rows with the id that all parts share in place of the part's own."""
    shared = _shared_names(sources).rename(shared_id="id", shared_text="text")
    texts = named(rows, sources, column, f"{column}_text")
    joined = texts.join(shared, [(f"{column}_text", "shared_text")])
    kept = [name for name in rows.columns if name != column]
    return joined.select(*kept, **{column: joined.shared_id})


def named(rows: ir.Table, sources: Sources, column: str, name: str) -> ir.Table:
    """The rows with a text, in a column `name`, in place of the id in `column`."""
    names = sources.names
    texts = names.select(*sources.keys, **{f"{name}_id": names.id, f"{name}_text": names.text})
    keys = [(key, key) for key in sources.keys]
    joined = rows.join(texts, [*keys, (column, f"{name}_id")])
    kept = [key for key in rows.columns if key != column]
    return joined.select(*kept, **{name: joined[f"{name}_text"]})


def _whole(total: Any) -> Any:  # noqa: ANN401 - as above
    """A sum as a whole number of 64 bits, 0 where nothing was added."""
    return ibis.coalesce(total.cast("int64"), ibis.literal(0, "int64"))
