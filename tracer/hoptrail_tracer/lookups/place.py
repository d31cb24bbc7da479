"""The autonomous system and country of an address: from the site's own MMDB files, else from Team Cymru's zone.

No database is bundled: iptoasn's is in the public domain, DB-IP Lite's wants a mention, GeoLite2's binds by contract.
"""

import logging
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hoptrail_tracer.lookups.addresses import Address, reversed_name
from hoptrail_tracer.lookups.dns import Dns
from hoptrail_tracer.lookups.errors import LookupsError

log = logging.getLogger("hoptrail.lookups")

RECHECK_S = 60  # how often a file is looked at for having been replaced
COUNTRY = re.compile(r"[A-Z]{2}")
MAX_NAME_CHARS = 120

# How GeoLite2 and DB-IP Lite, iptoasn's conversions and IPinfo name what we read.
ASN_KEYS = ("autonomous_system_number", "asn")
NAME_KEYS = ("autonomous_system_organization", "as_name", "as_organization", "name")
COUNTRY_KEYS = ("country", "country_code", "registered_country")


@dataclass(frozen=True, slots=True)
class Place:
    """Where an address belongs; None is what is not known."""

    asn: int | None = None
    as_name: str | None = None
    country: str | None = None  # ISO 3166-1 alpha-2


def merge(first: Place, second: Place) -> Place:
    """Return the first place, with what it lacks taken from the second one."""
    return Place(first.asn or second.asn, first.as_name or second.as_name, first.country or second.country)


class Database:
    """One MMDB file, opened again when another one has been renamed into its place."""

    def __init__(self, path: str, clock: Callable[[], float] = time.monotonic) -> None:
        try:
            import maxminddb  # noqa: PLC0415 - only who configures a file needs the library
        except ImportError as error:
            raise LookupsError(f"cannot read {path}: install hoptrail[geo]") from error
        self._library: Any = maxminddb
        self._path = Path(path)
        self._clock = clock
        self._checked_at = clock()
        self._reader: Any = None
        self._file: tuple[int, int] | None = None
        self._open()

    def _open(self) -> None:
        """Read the file if it is not the one that is open. LookupsError where it cannot be read."""
        try:
            found = self._path.stat()
            if (found.st_ino, found.st_mtime_ns) == self._file:
                return
            reader = self._library.open_database(self._path)
        except (OSError, ValueError, self._library.InvalidDatabaseError) as error:
            raise LookupsError(f"cannot read the address database {self._path}: {error}") from error
        self._reader, self._file = reader, (found.st_ino, found.st_mtime_ns)

    def place(self, address: Address) -> Place:
        """Return what the file says of the address; the old file is kept where a new one cannot be read."""
        now = self._clock()
        if now >= self._checked_at + RECHECK_S:
            self._checked_at = now
            try:
                self._open()
            except LookupsError as error:
                log.warning("%s; keeping the one that was open", error)
        try:
            row = self._reader.get(address)
        except (
            ValueError,
            self._library.InvalidDatabaseError,
        ) as error:  # an IPv6 address in an IPv4 file, a torn file
            log.debug("%s says nothing of %s: %s", self._path, address, error)
            return Place()
        return _read_row(row) if isinstance(row, dict) else Place()


def _read_row(row: dict[str, Any]) -> Place:
    asn = next((row[key] for key in ASN_KEYS if key in row), None)
    name = next((row[key] for key in NAME_KEYS if isinstance(row.get(key), str)), None)
    country = next((row[key] for key in COUNTRY_KEYS if key in row), None)
    if isinstance(country, dict):
        country = country.get("iso_code")
    return Place(_number(asn), name[:MAX_NAME_CHARS] if name else None, _country(country))


def _number(value: object) -> int | None:
    """Return an AS number from 64500, "64500" or "AS64500"; 0 stands for none."""
    digits = str(value).strip().upper().removeprefix("AS")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 10):  # noqa: PLR2004 - below 2**32
        return None
    return int(digits) or None


def _country(value: object) -> str | None:
    text = str(value).strip().upper()
    return text if COUNTRY.fullmatch(text) and text != "ZZ" else None


class Places:
    """All sources of places that are configured, asked in order until nothing is lacking."""

    def __init__(self, paths: Sequence[str], dns: Dns | None) -> None:
        """`dns` is given where Team Cymru may be asked. LookupsError where a file cannot be read."""
        self._databases = [Database(path) for path in paths]
        self._dns = dns

    @property
    def configured(self) -> bool:
        """Whether there is any source at all."""
        return bool(self._databases or self._dns)

    async def find(self, address: Address) -> tuple[Place, str]:
        """Return the address' place, and what failed on the way, empty where nothing did."""
        place = Place()
        for database in self._databases:
            place = merge(place, database.place(address))
        if self._dns is None or (place.asn and place.country):
            return place, ""
        found, failure = await _ask_cymru(self._dns, address, with_name=place.as_name is None)
        return merge(place, found), failure


async def _ask_cymru(dns: Dns, address: Address, *, with_name: bool) -> tuple[Place, str]:
    """Return what Team Cymru's rows, as "64500 | 203.0.113.0/24 | NL | ripencc | 2001-01-01", say at their closest."""
    zone = "origin.asn.cymru.com" if address.version == 4 else "origin6.asn.cymru.com"  # noqa: PLR2004 - IP versions
    answer = await dns.ask(reversed_name(address, zone), "TXT")
    if answer.state != "found":
        return Place(), answer.detail
    rows = [[part.strip() for part in text.split("|")] for text in answer.values]
    rows.sort(key=lambda row: _prefix_length(row[1]) if len(row) > 1 else 0, reverse=True)
    asns, _, country, *_ = [*rows[0], "", "", ""]
    place = Place(_number(asns.partition(" ")[0]), None, _country(country))  # several ASes announce it: the first
    if place.asn is None or not with_name:
        return place, ""
    named = await dns.ask(f"as{place.asn}.asn.cymru.com", "TXT")
    if named.state != "found":
        return place, named.detail
    name = named.values[0].rpartition("|")[2].strip()[:MAX_NAME_CHARS]
    return replace(place, as_name=name or None), ""


def _prefix_length(network: str) -> int:
    length = network.rpartition("/")[2]
    return int(length) if length.isascii() and length.isdigit() and len(length) < 4 else 0  # noqa: PLR2004 - /128
