"""What else is known of relays: addresses seen behind a name, the networks they belong to, the software that wrote."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from hoptrail_reports.geography import PlaceOf, nowhere
from hoptrail_reports.topology.engine import archived_sources, seen_with
from hoptrail_store.archive.ledger import archived_up_to, recorded_parts
from hoptrail_store.archive.parts import archived_parts
from hoptrail_store.reader import Reader, day_span
from hoptrail_store.rows import milliseconds
from hoptrail_tracer.lookups.place import Place, merge

EACH_MOST: Final = 8
"""Networks or programs named of one relay, and addresses where people read: a name can stand for hundreds."""

_OF_DAY: Final = "FROM message JOIN {0} ON {0}.message = message.number"
_ADDRESSES: Final = f"""
SELECT sender.text, ip.text, count(*) {_OF_DAY.format("hop")}
JOIN name AS sender ON sender.id = hop.sender_name JOIN name AS ip ON ip.id = hop.ip
WHERE received_ms >= ? AND received_ms < ? AND number > ? AND trust <= 1 GROUP BY 1, 2
"""
_SOFTWARE: Final = f"""
SELECT by_name.text, software.text, count(*) {_OF_DAY.format("hop")}
JOIN name AS by_name ON by_name.id = hop.by_name JOIN name AS software ON software.id = hop.software
WHERE received_ms >= ? AND received_ms < ? AND number > ? GROUP BY 1, 2
"""
_PLACES: Final = f"""
SELECT ip.text, asn, as_name.text, country
{_OF_DAY.format("facts")} JOIN name AS ip ON ip.id = facts.ip LEFT JOIN name AS as_name ON as_name.id = facts.as_name
WHERE received_ms >= ? AND received_ms < ? AND (asn IS NOT NULL OR country IS NOT NULL) GROUP BY facts.ip ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class RelayDetails:
    """What one relay's page says beside its figures; each with what is most frequent first."""

    addresses: tuple[str, ...] = ()  # all that our own hosts looked the name up for
    networks: tuple[str, ...] = ()  # autonomous system and country of those addresses, as far as looked up
    software: tuple[str, ...] = ()  # as the relay's own lines say


def relay_details(
    reader: Reader, archive: str, day: date, relays: Collection[str], place_of: PlaceOf = nowhere
) -> dict[str, RelayDetails]:
    """What is known of some relays from a day's mail, in the store or in the archive at a path ("" for none)."""
    span = tuple(map(milliseconds, day_span(day)))
    connection = reader.db.conn
    stored = (*span, archived_up_to(recorded_parts(connection), day))
    addresses: Counter[tuple[str, str]] = Counter()
    software: Counter[tuple[str, str]] = Counter()
    for found, sql in ((addresses, _ADDRESSES), (software, _SOFTWARE)):
        for relay, what, count in connection.execute(sql, stored):
            found[relay, what] += count
    if archive and (parts := archived_parts(Path(archive), day, day)):
        with archived_sources(parts) as sources:
            addresses += seen_with(sources, "sender", "ip", relays, observed=True)
            software += seen_with(sources, "receiver", "software", relays)
    looked_up = {ip: Place(*place) for ip, *place in connection.execute(_PLACES, span)}

    def network(ip: str) -> str:
        place = merge(place_of(ip), looked_up.get(ip, Place()))
        system = " ".join(part for part in (place.asn and f"AS{place.asn}", place.as_name) if part)
        return ", ".join(part for part in (system, place.country) if part)

    named = _most_first(addresses), _most_first(software)
    return {relay: _details(relay, *named, network) for relay in relays}


def _most_first(counts: Counter[tuple[str, str]]) -> dict[str, list[str]]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for relay, what in sorted(counts, key=lambda key: (-counts[key], key)):
        found[relay].append(what)
    return found


def _details(
    relay: str, addresses: Mapping[str, list[str]], software: Mapping[str, list[str]], network: Callable[[str], str]
) -> RelayDetails:
    own = [relay.strip("[]")] if relay.startswith("[") else addresses.get(relay, [])
    networks = dict.fromkeys(filter(None, map(network, own)))
    return RelayDetails(tuple(own), tuple(networks)[:EACH_MOST], tuple(software.get(relay, ()))[:EACH_MOST])
