"""What else is known of relays: addresses seen behind a name, the networks they belong to, the software that wrote."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Sequence
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

_SEEN_WITH: Final = """
SELECT relay.text, what.text, count FROM (
    SELECT {relay} AS relay_id, {what} AS what_id, count(*) AS count
    FROM message JOIN hop ON hop.message = message.number
    WHERE received_ms >= ? AND received_ms < ? AND number > ?
    AND {relay} IN (SELECT name.id FROM name JOIN json_each(?) ON name.text = json_each.value) {condition} GROUP BY 1, 2
) JOIN name AS relay ON relay.id = relay_id JOIN name AS what ON what.id = what_id
"""
_ADDRESSES: Final = _SEEN_WITH.format(relay="sender_name", what="ip", condition="AND trust <= 1")
_SOFTWARE: Final = _SEEN_WITH.format(relay="by_name", what="software", condition="")
_PLACES: Final = """
SELECT DISTINCT ip.text, asn, as_name.text, country FROM message JOIN facts ON facts.message = message.number
JOIN name AS ip ON ip.id = facts.ip LEFT JOIN name AS as_name ON as_name.id = facts.as_name
WHERE received_ms >= ? AND received_ms < ? AND (asn IS NOT NULL OR country IS NOT NULL)
AND facts.ip IN (SELECT name.id FROM name JOIN json_each(?) ON name.text = json_each.value) ORDER BY 1, 2, 3, 4
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
    stored = (*span, archived_up_to(recorded_parts(connection), day), json.dumps(list(relays)))
    addresses: Counter[tuple[str, str]] = Counter()
    software: Counter[tuple[str, str]] = Counter()
    for found, sql in ((addresses, _ADDRESSES), (software, _SOFTWARE)):
        for relay, what, count in connection.execute(sql, stored):
            found[relay, what] += count
    if archive and (parts := archived_parts(Path(archive), day, day)):
        with archived_sources(parts) as sources:
            addresses += seen_with(sources, "sender", "ip", relays, observed=True)
            software += seen_with(sources, "receiver", "software", relays)
    addresses = Counter({key: count for key, count in addresses.items() if not _is_own_filter(key[1])})
    own = _most_first(addresses) | {relay: [relay.strip("[]")] for relay in relays if relay.startswith("[")}
    asked = json.dumps(sorted({ip for relay in relays for ip in own.get(relay, ())}))
    looked_up = {ip: Place(*place) for ip, *place in connection.execute(_PLACES, (*span, asked))}

    def network(ip: str) -> str:
        place = merge(place_of(ip), looked_up.get(ip, Place()))
        system = " ".join(part for part in (place.asn and f"AS{place.asn}", place.as_name) if part)
        return ", ".join(part for part in (system, place.country) if part)

    ran = _most_first(software)
    return {relay: _details(own.get(relay, ()), ran.get(relay, ()), network) for relay in relays}


def _is_own_filter(address: str) -> bool:
    return address.startswith("127.") or address == "::1"


def _most_first(counts: Counter[tuple[str, str]]) -> dict[str, list[str]]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for relay, what in sorted(counts, key=lambda key: (-counts[key], key)):
        found[relay].append(what)
    return found


def _details(addresses: Sequence[str], software: Sequence[str], network: Callable[[str], str]) -> RelayDetails:
    networks = dict.fromkeys(filter(None, map(network, addresses)))
    return RelayDetails(tuple(addresses), tuple(networks)[:EACH_MOST], tuple(software[:EACH_MOST]))
