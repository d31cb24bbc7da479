"""Collections: the figures of some mail under a name, taken once and kept until somebody deletes them.

A collection holds its own figures, so it stays as it is when its mail is deleted. It has a window, a filter and a root;
an anonymous one has a salt of its own, and names that mean nothing outside it.
"""

import base64
import hashlib
import hmac
import json
import secrets
import sqlite3
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Final

from hoptrail_reports.errors import CollectionError, UnknownCollectionError
from hoptrail_reports.topology.delays import DelayStats
from hoptrail_reports.topology.grouping import owner
from hoptrail_reports.topology.traffic import Direction, Traffic
from hoptrail_reports.topology.usage import Link, LinkStats, RelayStats
from hoptrail_store.errors import CorruptStoreError
from hoptrail_store.store import Store

NAME_MAX: Final = 100
_SALT_BYTES: Final = 16
_LINE_MAX: Final = 1 << 20  # of a collection's figures: longer than any we write
_FILTERS: Final = ("hosts", "spam", "imported", "sender_domain", "recipient_domain")


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a collection was made of: UTC days, both included, a filter of `Selection`, and a root."""

    since: date
    until: date
    filter: Mapping[str, Any] = field(default_factory=dict)
    root: str | None = None
    direction: Direction = "to"

    def __post_init__(self) -> None:
        """Refuse a filter that there is not."""
        if unknown := self.filter.keys() - set(_FILTERS):
            raise CollectionError(f"no such filter: {', '.join(sorted(unknown))}")


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection without its figures."""

    name: str
    created: datetime
    recipe: Recipe
    anonymous: bool
    messages: int
    relays: int
    links: int
    size_bytes: int  # that its figures take in the store


def add_collection(
    store: Store, name: str, recipe: Recipe, traffic: Traffic, *, anonymise: bool = False, salt: bytes | None = None
) -> Collection:
    """Keep the traffic that a recipe gave under a name, and return what is kept.

    Raises CollectionError for a name that is taken or cannot be told from a day, and where there is no mail.
    """
    _check_name(name)
    if not traffic.messages:
        raise CollectionError(f"{name}: no mail fits, so there is nothing to collect")
    salt = (salt or secrets.token_bytes(_SALT_BYTES)) if anonymise else None
    kept = anonymous_traffic(traffic, salt) if salt else traffic
    root = pseudonym(recipe.root, salt) if salt and recipe.root else recipe.root
    row = (
        name,
        time.time_ns() // 1_000_000,
        str(recipe.since),
        str(recipe.until),
        json.dumps(dict(recipe.filter), sort_keys=True),
        root,
        recipe.direction,
        salt,
        kept.messages,
        len(kept.relays),
        len(kept.links),
        _packed(kept),
    )
    with store.transaction():
        if store.db.execute("SELECT 1 FROM collection WHERE name = ?", (name,)).fetchone():
            raise CollectionError(
                f"{name}: there is a collection of this name; collections never change, delete it first"
            )
        store.db.conn.execute(f"INSERT INTO collection VALUES ({', '.join('?' * len(row))})", row)  # noqa: S608 - no value
    return find_collection(store.db.conn, name)


def collections(connection: sqlite3.Connection) -> list[Collection]:
    """All collections, oldest first."""
    return [_collection(row) for row in connection.execute(f"{_SELECT} ORDER BY created_ms, name")]


def find_collection(connection: sqlite3.Connection, name: str) -> Collection:
    """The collection of a name; raises UnknownCollectionError."""
    row = connection.execute(f"{_SELECT} WHERE name = ?", (name,)).fetchone()
    if row is None:
        known = ", ".join(each for (each,) in connection.execute("SELECT name FROM collection ORDER BY name LIMIT 20"))
        raise UnknownCollectionError(f"{name}: no collection of this name; there is {known or 'none at all'}")
    return _collection(row)


def collection_traffic(connection: sqlite3.Connection, name: str) -> Traffic:
    """The traffic of a collection; raises UnknownCollectionError, and CorruptStoreError where it cannot be read."""
    found = find_collection(connection, name)
    [data] = connection.execute("SELECT figures FROM collection WHERE name = ?", (name,)).fetchone()
    try:
        return _unpacked(data, found.messages)
    except (ValueError, TypeError, KeyError, zlib.error) as error:
        raise CorruptStoreError(f"the figures of collection {name} cannot be read: {error}") from error


def delete_collection(store: Store, name: str) -> None:
    """Delete a collection; raises UnknownCollectionError."""
    find_collection(store.db.conn, name)
    with store.transaction():
        store.db.conn.execute("DELETE FROM collection WHERE name = ?", (name,))


def pseudonym(relay: str, salt: bytes) -> str:
    """A relay's name for an anonymous collection: relays of one domain stay relays of one domain, under `.invalid`."""
    return f"{_keyed(relay, salt)}.{_keyed(owner(relay), salt)}.invalid"


def anonymous_traffic(traffic: Traffic, salt: bytes) -> Traffic:
    """The traffic with pseudonyms for names; no figure differs."""
    names = {relay: pseudonym(relay, salt) for relay in traffic.relays}
    return Traffic.of(
        traffic.messages,
        {Link(names[link.source], names[link.target], link.observed): stats for link, stats in traffic.links.items()},
        {names[relay]: stats for relay, stats in traffic.relays.items()},
    )


_SELECT: Final = (
    "SELECT name, created_ms, since, until, filter, root, direction, salt IS NOT NULL, messages, relays, links,"
    " length(figures) FROM collection"
)


def _collection(row: tuple[Any, ...]) -> Collection:
    name, created_ms, since, until, filter_, root, direction, anonymous, *counts = row
    recipe = Recipe(date.fromisoformat(since), date.fromisoformat(until), json.loads(filter_), root, direction)
    return Collection(name, datetime.fromtimestamp(created_ms / 1000, UTC), recipe, bool(anonymous), *counts)


def _check_name(name: str) -> None:
    if not name or len(name) > NAME_MAX or not name.isprintable() or name != name.strip():
        raise CollectionError(f"{name!r}: a collection's name has 1 to {NAME_MAX} printable characters")
    try:
        date.fromisoformat(name.partition("..")[0])
    except ValueError:
        return
    raise CollectionError(f"{name}: a collection's name must not look like a day")


def _keyed(text: str, salt: bytes) -> str:
    digest = hmac.digest(salt, text.encode("utf-8", "surrogatepass"), hashlib.sha256)
    return "x" + base64.b32encode(digest)[:12].decode().lower()


def _packed(traffic: Traffic) -> bytes:
    packer = zlib.compressobj(level=6)
    lines = (json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in _lines(traffic))
    return b"".join([*(packer.compress(line) for line in lines), packer.flush()])


def _lines(traffic: Traffic) -> Iterator[list[Any]]:
    for relay, seen in traffic.relays.items():
        yield ["relay", relay, seen.messages, sorted(seen.ranks.items()), _delays(seen.reach), seen.first, seen.last]
    for link, used in traffic.links.items():
        figures = (used.traversals, used.messages, used.looped, _delays(used.delays), used.first, used.last)
        yield ["link", link.source, link.target, int(link.observed), *figures]


def _delays(stats: DelayStats) -> list[Any]:
    if not stats.n and not stats.skewed:
        return []
    return [stats.n, stats.sum_s, stats.sum_squares, stats.min_s, stats.max_s, stats.counts, stats.skewed]


def _unpacked(data: bytes, messages: int) -> Traffic:
    links: dict[Link, LinkStats] = {}
    relays: dict[str, RelayStats] = {}
    for line in _inflated(data):
        kind, *values = json.loads(line)
        if kind == "relay":
            relay, count, ranks, delays, first, last = values
            relays[relay] = RelayStats(count, dict(ranks), _stats(delays), first, last)
        else:
            source, target, observed, traversals, count, looped, delays, first, last = values
            figures = LinkStats(traversals, count, looped, _stats(delays), first, last)
            links[Link(source, target, bool(observed))] = figures
    return Traffic.of(messages, links, relays)


def _stats(values: list[Any]) -> DelayStats:
    if not values:
        return DelayStats()
    n, sum_s, sum_squares, min_s, max_s, counts, skewed = values
    return DelayStats(n, sum_s, sum_squares, min_s, max_s, tuple(counts), skewed)


def _inflated(data: bytes) -> Iterable[bytes]:
    """The lines of a collection's figures, unpacked a portion at a time."""
    unpacker = zlib.decompressobj()
    rest, packed = b"", data
    while packed or not unpacker.eof:
        rest += unpacker.decompress(packed, _LINE_MAX)
        packed = unpacker.unconsumed_tail
        *lines, rest = rest.split(b"\n")
        yield from lines
        if not packed and not unpacker.eof:
            raise ValueError("cut off")
