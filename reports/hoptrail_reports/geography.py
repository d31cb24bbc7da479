"""Where a day's mail came from: countries and autonomous systems of the addresses that handed it to us.

Only addresses that a host of ours, or one the site trusts, saw itself are placed. The site's own MMDB files say where,
as they are on the night; what they lack is taken from what was looked up when the message came.
"""

import ipaddress
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from hoptrail_reports.errors import ReportError
from hoptrail_store.reader import day_span
from hoptrail_store.rows import milliseconds
from hoptrail_tracer.lookups.errors import LookupsError
from hoptrail_tracer.lookups.place import Database, Place, merge

PlaceOf = Callable[[str], Place]
"""Where an address belongs, as far as known."""

_ORIGINS: Final = """
SELECT ip.text, asn, as_name.text, country, messages, spams FROM (
    SELECT origin_ip, asn, as_name, country, count(*) AS messages, sum(spam) AS spams
    FROM message LEFT JOIN facts ON facts.message = message.number
    WHERE received_ms >= ? AND received_ms < ? AND origin_trust <= 1 AND origin_ip IS NOT NULL GROUP BY 1, 2, 3, 4
) JOIN name AS ip ON ip.id = origin_ip LEFT JOIN name AS as_name ON as_name.id = as_name
"""


@dataclass(frozen=True, slots=True)
class Region:
    """A country or an autonomous system: how many addresses of it handed us mail, how much, and how much was spam."""

    code: str  # "NL", "AS64500"
    name: str | None  # of an autonomous system
    addresses: int
    messages: int
    spam: int

    @property
    def spam_share(self) -> float:
        """Spam as a share of its messages."""
        return self.spam / self.messages


@dataclass(frozen=True, slots=True)
class Geography:
    """The regions that a day's mail came from, those with most mail first; of `unplaced` messages nobody knows."""

    countries: tuple[Region, ...] = ()
    systems: tuple[Region, ...] = ()
    unplaced: int = 0


def nowhere(_: str) -> Place:
    """What a site without MMDB files knows."""
    return Place()


def places_in(paths: Sequence[str]) -> PlaceOf:
    """How to find places in some MMDB files, what the first lacks in the next. ReportError: one cannot be read."""
    try:
        databases = [Database(path) for path in paths]
    except LookupsError as error:
        raise ReportError(f"{error}; see [lookups] mmdb") from error

    def place_of(text: str) -> Place:
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            return Place()
        found = Place()
        for database in databases:
            found = merge(found, database.place(address))
        return found

    return place_of


def geography(connection: sqlite3.Connection, day: date, place_of: PlaceOf = nowhere) -> Geography:
    """Where a day's mail came from."""
    countries, systems = _Tally(), _Tally()
    unplaced = 0
    for address, asn, as_name, country, messages, spam in connection.execute(
        _ORIGINS, tuple(map(milliseconds, day_span(day)))
    ):
        place = merge(place_of(address), Place(asn, as_name, country))
        if place.country:
            countries.add(place.country, None, address, messages, spam)
        else:
            unplaced += messages
        if place.asn:
            systems.add(f"AS{place.asn}", place.as_name, address, messages, spam)
    return Geography(countries.regions(), systems.regions(), unplaced)


def worst(regions: Iterable[Region]) -> list[Region]:
    """The regions that spam came from, most of it first."""
    return sorted((one for one in regions if one.spam), key=lambda one: (-one.spam, one.code))


class _Tally:
    """Adds up what came from each region."""

    def __init__(self) -> None:
        self._addresses: defaultdict[str, set[str]] = defaultdict(set)
        self._counts: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
        self._names: dict[str, str | None] = {}

    def add(self, code: str, name: str | None, address: str, messages: int, spam: int) -> None:
        self._addresses[code].add(address)
        self._counts[code][0] += messages
        self._counts[code][1] += spam
        self._names[code] = name or self._names.get(code)

    def regions(self) -> tuple[Region, ...]:
        found = (
            Region(code, self._names[code], len(self._addresses[code]), *counts)
            for code, counts in self._counts.items()
        )
        return tuple(sorted(found, key=lambda one: (-one.messages, one.code)))
