"""The rows that an engine adds up (`hoptrail_reports.topology.expression`) made into links and relays with figures."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hoptrail_reports.topology.columns import NONE, Columns, Ints, Links, Names, Relays, added, grouped, narrowed
from hoptrail_reports.topology.expression import SKEWED, UNDATED, USE
from hoptrail_reports.topology.usage import COUNTS

Ids = tuple[Names, Ints]
"""Relays by name, and the place of each id among them."""


def ids_of(used: Ints, dictionary: pa.Table) -> Ids:
    """The names of the ids that are used, out of a dictionary's columns `id` and `text`."""
    ids, texts = (dictionary[name].combine_chunks() for name in ("id", "text"))
    ids = ids.to_numpy(zero_copy_only=False).astype(np.int64)
    wanted = np.zeros(max(int(used.max(initial=0)), int(ids.max(initial=0))) + 1, bool)
    wanted[used] = True
    kept = wanted[ids]
    ids, texts = ids[kept], texts.filter(pa.array(kept))
    order = pc.sort_indices(texts)
    places = np.full(len(wanted), -1, np.int64)
    places[ids[order.to_numpy()]] = np.arange(len(ids))
    return Names(texts.take(order).to_pylist()), places


def links_of_uses(rows: Columns, known: Ids) -> Links:
    """The links of rows of `LINK_KEYS` and `USE`."""
    names, places = known
    source, target = places[rows["source"]], places[rows["target"]]
    order, starts = grouped(((source * len(names) + target) * 2 + rows["observed"],))
    uses = {name: column[order] for name, column in rows.items() if name not in {"source", "target", "observed"}}
    counts = uses["uses"]
    figures = {
        "traversals": narrowed(added("traversals", counts, starts)),
        "messages": narrowed(added("messages", counts * ~uses["repeated"].astype(bool), starts)),
        "looped": narrowed(added("looped", counts * uses["looped"].astype(bool), starts)),
        **dict(_delays_and_times(uses, starts)),
    }
    first = order[starts]
    ends = narrowed(source[first]), narrowed(target[first])
    return Links(names, *ends, rows["observed"][first].astype(bool), figures)


def relays_of_uses(rows: Columns, known: Ids) -> Relays:
    """The relays of rows of `VISIT_KEYS` and `USE`; each name is one of them."""
    names, places = known
    relay = places[rows["relay"]]
    order, starts = grouped((relay,))
    uses = {name: column[order] for name, column in rows.items() if name != "relay"}
    figures = {
        "messages": narrowed(added("messages", uses["uses"] * ~uses["revisited"].astype(bool), starts)),
        **dict(_delays_and_times(uses, starts)),
    }
    return Relays.ranked(names, figures, (relay, rows["rank"], rows["uses"]))


def _delays_and_times(uses: Columns, starts: Ints) -> Iterator[tuple[str, Ints]]:
    """The figures `DELAYS`, and those of the first and last message."""
    counts, bucket = uses["uses"], uses["bucket"]

    def total(name: str, column: Ints) -> tuple[str, Ints]:
        return name, narrowed(added(name, column, starts))

    yield total("delays", counts * (bucket >= 0))
    for name in USE[1:5]:
        yield total(name, uses[name])
    yield from zip((*COUNTS, "skewed"), _histograms(bucket, counts, starts), strict=True)
    for name in USE[5:]:
        yield total(name, uses[name])


def _histograms(bucket: Ints, counts: Ints, starts: Ints) -> list[Ints]:
    """The counts by bucket, those of `SKEWED` last: a column each, with a row from each start to the next."""
    width = len(COUNTS) + 1
    place = np.where(bucket == SKEWED, len(COUNTS), bucket)
    kept = bucket != UNDATED
    row = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(bucket)))
    table = np.bincount(row[kept] * width + place[kept], weights=counts[kept], minlength=len(starts) * width).reshape(
        -1, width
    )
    return [narrowed(table[:, at].astype(np.int64)) for at in range(width)]


def _whole_numbers(column: pa.Array) -> Ints:
    """The column as numbers, null as `NONE`."""
    if column.null_count:
        column = column.cast(pa.int64()).fill_null(NONE)
    elif pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    found: Ints = column.to_numpy()
    return found


def columns_of(names: Sequence[str], batches: Iterable[pa.RecordBatch]) -> dict[str, Ints]:
    """Batches of whole numbers and truths as columns, each in the smallest type; null as `NONE`."""
    found: dict[str, list[Ints]] = {name: [np.zeros(0, np.int8)] for name in names}
    for batch in batches:
        for name, parts in found.items():
            parts.append(narrowed(_whole_numbers(batch[name])))
    return {name: np.concatenate(parts) for name, parts in found.items()}
