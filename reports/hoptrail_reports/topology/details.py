"""What else is known of relays: addresses seen behind a name, the networks they belong to, the software that wrote."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from hoptrail_store.reader import Reader, day_span
from hoptrail_store.rows import milliseconds

EACH_MOST: Final = 8
"""Addresses, networks or programs named of one relay: a provider's outbound name can stand for hundreds."""

_OF_DAY: Final = "FROM message JOIN {0} ON {0}.message = message.number"
_ADDRESSES: Final = f"""
SELECT rdns.text, ip.text, count(*) {_OF_DAY.format("hop")}
JOIN name AS rdns ON rdns.id = hop.rdns JOIN name AS ip ON ip.id = hop.ip
WHERE received_ms >= ? AND received_ms < ? AND trust <= 1 GROUP BY hop.rdns, hop.ip ORDER BY 3 DESC, 2
"""
_SOFTWARE: Final = f"""
SELECT by_name.text, software.text, count(*) {_OF_DAY.format("hop")}
JOIN name AS by_name ON by_name.id = hop.by_name JOIN name AS software ON software.id = hop.software
WHERE received_ms >= ? AND received_ms < ? GROUP BY hop.by_name, hop.software ORDER BY 3 DESC, 2
"""
_PLACES: Final = f"""
SELECT ip.text, coalesce('AS' || asn, '') || coalesce(' ' || as_name.text, '') || coalesce(', ' || country, '')
{_OF_DAY.format("facts")} JOIN name AS ip ON ip.id = facts.ip LEFT JOIN name AS as_name ON as_name.id = facts.as_name
WHERE received_ms >= ? AND received_ms < ? AND (asn IS NOT NULL OR country IS NOT NULL) GROUP BY facts.ip ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class RelayDetails:
    """What one relay's page says beside its figures; each with what is most frequent first."""

    addresses: tuple[str, ...] = ()  # that our own hosts looked the name up for
    networks: tuple[str, ...] = ()  # autonomous system and country of those addresses, as far as looked up
    software: tuple[str, ...] = ()  # as the relay's own lines say


def relay_details(reader: Reader, day: date, relays: Collection[str]) -> dict[str, RelayDetails]:
    """What is known of some relays from a day's mail."""
    span = tuple(map(milliseconds, day_span(day)))
    connection = reader.db.conn
    addresses: defaultdict[str, list[str]] = defaultdict(list)
    for relay, ip, _ in connection.execute(_ADDRESSES, span):
        addresses[relay].append(ip)
    software: defaultdict[str, list[str]] = defaultdict(list)
    for relay, program, _ in connection.execute(_SOFTWARE, span):
        software[relay].append(program)
    places = {ip: place.removeprefix(", ").strip() for ip, place in connection.execute(_PLACES, span)}
    return {relay: _details(relay, addresses, software, places) for relay in relays}


def _details(
    relay: str, addresses: Mapping[str, list[str]], software: Mapping[str, list[str]], places: Mapping[str, str]
) -> RelayDetails:
    own = [relay.strip("[]")] if relay.startswith("[") else addresses.get(relay, [])
    networks = dict.fromkeys(places[ip] for ip in own if ip in places)
    return RelayDetails(tuple(own[:EACH_MOST]), tuple(networks)[:EACH_MOST], tuple(software.get(relay, ()))[:EACH_MOST])
