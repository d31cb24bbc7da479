"""Links and relays with their figures in columns: a big site has a million a day, too many for an object each.

Both are mappings all the same, whose objects are made when they are asked for. Whoever adds up or picks out uses the
columns: rows are told by their place, and stand in the order of their names.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, ItemsView, Iterable, Iterator, Mapping, Sequence, ValuesView
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Generic, Self, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from hoptrail_reports.topology.usage import (
    EXTREMES,
    LINK,
    RELAY,
    Link,
    LinkStats,
    RelayStats,
    link_stats,
    link_values,
    relay_stats,
    relay_values,
)

NONE: Final = -(1 << 31)
"""Stands for None in a column of `EXTREMES`: no delay and no message has it."""

_KINDS: Final = (np.int8, np.int16, np.int32, np.int64)
_AT_ONCE: Final = 10_000  # rows whose objects are made together

K = TypeVar("K")
V = TypeVar("V")
Ints = NDArray[np.integer[Any]]
Mask = NDArray[np.bool_]
Columns = Mapping[str, Ints]


class Rows(ABC, Mapping[K, V]):
    """A mapping over rows, whose keys and values are made when they are asked for."""

    @abstractmethod
    def keys_at(self, places: Ints) -> Iterator[K]:
        """The keys of some rows."""

    @abstractmethod
    def values_at(self, places: Ints) -> Iterator[V]:
        """The values of some rows."""

    @abstractmethod
    def place(self, key: K) -> int:
        """The row of a key; raises KeyError."""

    def __getitem__(self, key: K) -> V:
        """Return the value of a key."""
        return next(self.values_at(np.array([self.place(key)])))

    def __contains__(self, key: object) -> bool:
        """Tell without making a value."""
        try:
            self.place(key)  # type: ignore[arg-type]
        except (KeyError, TypeError, ValueError):
            return False
        return True

    def __iter__(self) -> Iterator[K]:
        """Yield the keys in order."""
        return self.keys_at(np.arange(len(self)))

    def items(self) -> ItemsView[K, V]:
        """Return the rows, many made at once."""
        return _Items(self)

    def values(self) -> ValuesView[V]:
        """Return the values, many made at once."""
        return _Values(self)


class _Items(ItemsView[K, V]):
    _mapping: Rows[K, V]

    def __iter__(self) -> Iterator[tuple[K, V]]:
        places = np.arange(len(self._mapping))
        return zip(self._mapping.keys_at(places), self._mapping.values_at(places), strict=True)


class _Values(ValuesView[V]):
    _mapping: Rows[Any, V]

    def __iter__(self) -> Iterator[V]:
        return self._mapping.values_at(np.arange(len(self._mapping)))


class Listed(Sequence[V], Generic[V]):
    """Some rows in an order, made when they are asked for."""

    def __init__(self, places: Ints, made: Callable[[Ints], Iterator[V]]) -> None:
        """List the rows at some places, which `made` makes."""
        self.places = places
        self._made = made

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.places)

    @overload
    def __getitem__(self, at: int) -> V: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[V]: ...
    def __getitem__(self, at: int | slice) -> V | Sequence[V]:
        """Return one row, or some."""
        if isinstance(at, slice):
            return tuple(self._made(self.places[at]))
        return next(self._made(self.places[[at]]))

    def __iter__(self) -> Iterator[V]:
        """Yield all, many made at once."""
        return self._made(self.places)

    def __eq__(self, other: object) -> bool:
        """Compare with any sequence of the same."""
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    __hash__ = None  # type: ignore[assignment]


class Names(Sequence[str]):
    """Relays in the order of their names; each stands for itself by its place."""

    def __init__(self, texts: Sequence[str]) -> None:
        """Take texts that are in order, each once."""
        self.texts = texts

    @overload
    def __getitem__(self, at: int) -> str: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[str]: ...
    def __getitem__(self, at: int | slice) -> str | Sequence[str]:
        """Return the name at a place."""
        return self.texts[at]

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.texts)

    def at(self, places: Ints) -> Iterator[str]:
        """Return the names at some places."""
        return map(self.texts.__getitem__, places.tolist())

    @cached_property
    def _places(self) -> dict[str, int]:
        return {text: place for place, text in enumerate(self.texts)}

    def place(self, text: str) -> int:
        """Return the place of a name; raises KeyError."""
        return self._places[text]

    def places(self, texts: Iterable[str]) -> Ints:
        """Return the places of some names, -1 for those that are not here."""
        if texts is self:
            return np.arange(len(self))
        found = self._places
        return np.fromiter((found.get(text, -1) for text in texts), np.int64)


def names_of(texts: Iterable[str]) -> Names:
    """The names that occur in some texts."""
    return Names(sorted(set(texts)))


@dataclass(frozen=True, eq=False)
class Links(Rows[Link, LinkStats]):
    """Links in the order of source, target and observed, which stand in `names` at these places."""

    names: Names
    source: Ints
    target: Ints
    observed: Mask
    figures: Columns  # of `LINK`

    @classmethod
    def of(cls, found: Mapping[Link, LinkStats]) -> Self:
        """The links of a mapping."""
        names = names_of(end for link in found for end in link[:2])
        places = [(names.place(link.source), names.place(link.target), link.observed) for link in found]
        source, target, observed = np.array(places, np.int64).reshape(-1, 3).T
        figures = _columns(LINK, map(link_values, found.values()))
        return cls.summed(names, (source, target, observed), figures)

    @classmethod
    def summed(cls, names: Names, ends: tuple[Ints, Ints, Ints], figures: Columns) -> Self:
        """Rows in any order, those of the same link added up; `ends` are source, target and observed."""
        (source, target, observed), figures = summed(ends, figures)
        return cls(names, narrowed(source), narrowed(target), observed.astype(bool), figures)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.source)

    def __getitem__(self, key: Link) -> LinkStats:
        """Return how a link was used."""
        return super().__getitem__(key)

    def keys_at(self, places: Ints) -> Iterator[Link]:
        """The links themselves."""
        ends = (self.names.at(self.source[places]), self.names.at(self.target[places]))
        return map(Link, *ends, self.observed[places].tolist())

    def values_at(self, places: Ints) -> Iterator[LinkStats]:
        """How links were used."""
        return map(link_stats, values_at(self.figures, places))

    def place(self, key: Link) -> int:
        """The row of a link; raises KeyError."""
        source, target, observed = key
        wanted = self._key(self.names.place(source), self.names.place(target), observed)
        place = int(np.searchsorted(self._keys, wanted))
        if place == len(self) or self._keys[place] != wanted:
            raise KeyError(key)
        return place

    @cached_property
    def _keys(self) -> Ints:
        return np.asarray(self._key(self.source.astype(np.int64), self.target, self.observed))

    def _key(self, source: Any, target: Any, observed: Any) -> Any:  # noqa: ANN401 - numbers, or columns of them
        return (source * len(self.names) + target) * 2 + observed

    @cached_property
    def between_two(self) -> Mask:
        """Which lead from one relay to another, and not to a host's own filter."""
        return np.asarray(self.source != self.target)

    def per_relay(self, ends: Ints, figure: str, which: Mask) -> Ints:
        """The sum of a figure by the relay at one end (`source` or `target`) of some links, for each of `names`."""
        counted = np.bincount(ends[which], self.figures[figure][which], len(self.names))
        return np.asarray(np.rint(counted), np.int64)

    def where(self, which: Mask) -> Iterator[tuple[Link, LinkStats]]:
        """Those of some rows."""
        places = np.flatnonzero(which)
        return zip(self.keys_at(places), self.values_at(places), strict=True)

    def __add__(self, other: "Links") -> "Links":
        """What two sets of messages, with none in common, did together."""
        names = names_of((*self.names, *other.names))
        both = [(names.places(one.names), one) for one in (self, other)]
        source = np.concatenate([place[one.source] for place, one in both])
        target = np.concatenate([place[one.target] for place, one in both])
        observed = np.concatenate([self.observed, other.observed])
        return Links.summed(names, (source, target, observed), _joined(self.figures, other.figures))


@dataclass(frozen=True, eq=False)
class Relays(Rows[str, RelayStats]):
    """Relays in the order of `names`; the ranks of the one at a place stand from `starts[place]` to the next start."""

    names: Names
    figures: Columns  # of `RELAY`
    starts: Ints
    rank: Ints
    visits: Ints

    @classmethod
    def of(cls, found: Mapping[str, RelayStats]) -> Self:
        """The relays of a mapping."""
        names = names_of(found)
        ranks = [(names.place(relay), *pair) for relay, stats in found.items() for pair in stats.ranks.items()]
        relay, rank, visits = np.array(ranks, np.int64).reshape(-1, 3).T
        figures = _columns(RELAY, map(relay_values, found.values()))
        return cls.summed(names, names.places(found), figures, (relay, rank, visits))

    @classmethod
    def summed(cls, names: Names, relays: Ints, figures: Columns, ranks: tuple[Ints, Ints, Ints]) -> Self:
        """Rows in any order, those of the same relay added up; each name has one. `ranks`: relay, rank, visits."""
        return cls.ranked(names, summed((relays,), figures)[1], ranks)

    @classmethod
    def ranked(cls, names: Names, figures: Columns, ranks: tuple[Ints, Ints, Ints]) -> Self:
        """Relays with their figures in the order of `names`, and rows of relay, rank and visits in any order."""
        (relay, rank), visits = summed(ranks[:2], {"visits": ranks[2]})
        starts = np.searchsorted(relay, np.arange(len(names) + 1))
        return cls(names, figures, starts, narrowed(rank), visits["visits"])

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.names)

    def keys_at(self, places: Ints) -> Iterator[str]:
        """The names."""
        return self.names.at(places)

    def values_at(self, places: Ints) -> Iterator[RelayStats]:
        """How relays were used."""
        return map(relay_stats, values_at(self.figures, places), map(self._ranks, places.tolist()))

    def place(self, key: str) -> int:
        """The row of a relay; raises KeyError."""
        return self.names.place(key)

    def _ranks(self, place: int) -> dict[int, int]:
        span = slice(self.starts[place], self.starts[place + 1])
        return dict(zip(self.rank[span].tolist(), self.visits[span].tolist(), strict=True))

    @cached_property
    def least_rank(self) -> Ints:
        """The least rank of each, 0 where it has none: the row it is drawn in before rows are lowered."""
        least = np.zeros(len(self), np.int64)
        known = self.starts[:-1] < self.starts[1:]
        least[known] = self.rank[self.starts[:-1][known]]
        return least

    def taken(self, which: Mask) -> "Relays":
        """Some of them, as relays of their own."""
        of_rank = np.repeat(which, np.diff(self.starts))
        starts = np.concatenate([[0], np.cumsum(np.diff(self.starts)[which])])
        figures = {name: column[which] for name, column in self.figures.items()}
        names = Names(list(self.names.at(np.flatnonzero(which))))
        return Relays(names, figures, starts, self.rank[of_rank], self.visits[of_rank])

    def renamed(self, names: Names, home: Ints) -> "Relays":
        """The relays under other names, those of the same one added up; `home` is the new place of each."""
        return Relays.summed(names, home, self.figures, self._rank_rows(home))

    def __add__(self, other: "Relays") -> "Relays":
        """What two sets of messages, with none in common, did together."""
        names = names_of((*self.names, *other.names))
        homes = [names.places(self.names), names.places(other.names)]
        ranks = zip(self._rank_rows(homes[0]), other._rank_rows(homes[1]), strict=True)
        relay, rank, visits = map(np.concatenate, ranks)
        return Relays.summed(names, np.concatenate(homes), _joined(self.figures, other.figures), (relay, rank, visits))

    def _rank_rows(self, home: Ints) -> tuple[Ints, Ints, Ints]:
        return np.repeat(home, np.diff(self.starts)), self.rank, self.visits


def grouped(keys: Sequence[Ints]) -> tuple[Ints, Ints]:
    """The places that rows have in the order of their keys, the first before the second, and where each key begins."""
    order = np.lexsort(tuple(keys)[::-1]) if len(keys) > 1 else np.argsort(keys[0], kind="stable")
    begins = np.ones(len(order), bool)
    if len(order):
        begins[1:] = np.logical_or.reduce([np.diff(key[order]) != 0 for key in keys])
    return order, np.flatnonzero(begins)


def summed(keys: Sequence[Ints], figures: Columns) -> tuple[list[Ints], dict[str, Ints]]:
    """The rows in the order of their keys, with the figures of equal ones added up."""
    order, starts = grouped(keys)
    return [key[order[starts]] for key in keys], {
        name: narrowed(added(name, column[order], starts)) for name, column in figures.items()
    }


def added(name: str, column: Ints, starts: Ints) -> Ints:
    """A column's rows added up from each start to the next, which for an extreme is the least or the most of them."""
    if len(starts) == len(column):
        return column
    how = EXTREMES.get(name)
    if how is None:
        return np.add.reduceat(column, starts, dtype=np.int64)
    worst = np.iinfo(np.int64).max if how == "min" else np.iinfo(np.int64).min
    known = np.where(column == NONE, worst, column.astype(np.int64))
    found = (np.minimum if how == "min" else np.maximum).reduceat(known, starts)
    return np.where(found == worst, NONE, found)


def narrowed(column: Ints) -> Ints:
    """The column in the smallest type that holds it: most figures of most links are 0, 1 or 2."""
    least, most = int(column.min(initial=0)), int(column.max(initial=0))
    smallest = next(kind for kind in _KINDS if np.iinfo(kind).min <= least and most <= np.iinfo(kind).max)
    return column.astype(smallest, copy=False)


def _columns(names: Sequence[str], rows: Iterable[Sequence[int | None]]) -> dict[str, Ints]:
    values = [[NONE if value is None else value for value in row] for row in rows]
    table = np.array(values, np.int64).reshape(-1, len(names))
    return dict(zip(names, table.T, strict=True))


def values_at(figures: Columns, places: Ints) -> Iterator[tuple[int | None, ...]]:
    """The figures of some rows, in the order of the columns."""
    for start in range(0, len(places), _AT_ONCE):
        some = places[start : start + _AT_ONCE]
        columns = [
            [None if value == NONE else value for value in column[some].tolist()]
            if name in EXTREMES
            else column[some].tolist()
            for name, column in figures.items()
        ]
        yield from zip(*columns, strict=True)


def _joined(one: Columns, other: Columns) -> dict[str, Ints]:
    return {name: np.concatenate([column, other[name]]) for name, column in one.items()}


NO_LINKS: Final = Links.of({})
NO_RELAYS: Final = Relays.of({})
