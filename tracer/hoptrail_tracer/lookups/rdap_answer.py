"""What an RDAP answer about a network says of whom to write to (RFC 9083), in the shapes of all five registries.

Roles stand at any depth, in any case, and are missing altogether at AFRINIC; APNIC repeats its incident teams; LACNIC
lists abuse among other roles; ARIN names an abuse desk for the network and another one, further down, for its holder.
Only the role "abuse" makes a contact. Addresses found elsewhere are hints for a person.
"""

import ipaddress
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hoptrail_tracer.lookups.addresses import Address, Network, parse_address
from hoptrail_tracer.lookups.errors import MalformedAnswerError
from hoptrail_tracer.lookups.mailaddr import seen_in, usable

MAX_DEPTH = 5  # real answers nest entities twice
MAX_ENTITIES = 200
MAX_PROPERTIES = 200
MAX_NAME_CHARS = 120
COUNTRY = re.compile(r"[A-Z]{2}")
LEADING_ZEROS = re.compile(r"\b0+(?=\d)")


@dataclass(frozen=True, slots=True)
class NetworkAnswer:
    """What a registry says of the network that holds an address.

    `contacts` are (address, depth of the entity that has it), nearest to the network first.
    """

    network: Network | None
    contacts: tuple[tuple[str, int], ...] = ()
    hints: tuple[str, ...] = ()  # addresses without the role abuse
    organisation: str | None = None
    country: str | None = None


@dataclass(frozen=True, slots=True)
class _Entity:
    depth: int
    roles: frozenset[str]
    emails: tuple[str, ...]
    name: str | None
    notes: tuple[str, ...]


def parse_answer(body: bytes, address: Address) -> NetworkAnswer:
    """Return what an answer says. MalformedAnswerError where it is no RDAP, or about a network without the address."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise MalformedAnswerError(f"the answer is no JSON: {error}"[:200]) from error
    if not isinstance(answer, dict) or not isinstance(answer.get("startAddress", ""), str):
        raise MalformedAnswerError("the answer is no RDAP object")
    network = _network(answer, address)
    entities = sorted(_entities(answer.get("entities")), key=lambda entity: entity.depth)
    contacts: dict[str, tuple[str, int]] = {}
    for entity in entities:
        if "abuse" in entity.roles:
            for mail in usable(entity.emails):
                contacts.setdefault(mail.lower(), (mail, entity.depth))
    texts = [*_remarks(answer), *(text for entity in entities for text in (*entity.emails, *entity.notes))]
    country = answer.get("country")
    return NetworkAnswer(
        network,
        tuple(contacts.values())[:3],
        seen_in("\n".join(texts)),
        _organisation(entities) or _text(answer.get("name")),
        country if isinstance(country, str) and COUNTRY.fullmatch(country) else None,
    )


def _network(answer: dict[str, Any], address: Address) -> Network | None:
    """Return the CIDR block of the answer's range that holds the address; None where it states no range.

    Seen: 074.125.000.000 (ARIN), 62.239.237.0/32 as the start of a range (RIPE).
    """
    first, last = (_bound(answer.get(key)) for key in ("startAddress", "endAddress"))
    if first is None or last is None:
        return None
    if first.version != address.version or last.version != address.version or not first <= address <= last:  # type: ignore[operator]
        raise MalformedAnswerError(f"the answer is about {first} to {last}, not about {address}")
    blocks: Iterator[Network] = ipaddress.summarize_address_range(first, last)
    return next(block for block in blocks if address in block)


def _bound(value: object) -> Address | None:
    if not isinstance(value, str):
        return None
    text = value.partition("/")[0].strip()
    return parse_address(text if ":" in text else LEADING_ZEROS.sub("", text))


def _entities(value: object, depth: int = 1) -> Iterator[_Entity]:
    """Yield entities of an answer, at most MAX_DEPTH deep and MAX_ENTITIES of each parent."""
    if not isinstance(value, list) or depth > MAX_DEPTH:
        return
    for entity in value[:MAX_ENTITIES]:
        if not isinstance(entity, dict):
            continue
        roles = entity.get("roles")
        names = [role.lower() for role in roles if isinstance(role, str)] if isinstance(roles, list) else []
        card = _card(entity.get("vcardArray"))
        emails = [text for key, text in card if key == "email"]
        name = next((text for key, text in card if key == "fn"), None)
        yield _Entity(depth, frozenset(names), tuple(emails), name, tuple(_remarks(entity)))
        yield from _entities(entity.get("entities"), depth + 1)


def _card(value: object) -> list[tuple[str, str]]:
    """Return (name, text) of a jCard, ["vcard", [[name, {}, type, text], ...]] (RFC 7095), what is preferred first."""
    properties = value[1] if isinstance(value, list) and len(value) > 1 and isinstance(value[1], list) else []
    found = []
    for item in properties[:MAX_PROPERTIES]:
        if isinstance(item, list) and len(item) > 3 and isinstance(item[0], str) and isinstance(item[3], str):  # noqa: PLR2004
            preferred = isinstance(item[1], dict) and str(item[1].get("pref")) == "1"
            found.append((not preferred, item[0].lower(), item[3]))
    found.sort(key=lambda each: each[0])
    return [(key, text) for _, key, text in found]


def _remarks(value: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of an object's remarks, a few of them."""
    remarks = value.get("remarks")
    for remark in remarks[:10] if isinstance(remarks, list) else ():
        lines = remark.get("description") if isinstance(remark, dict) else None
        yield from (line for line in lines[:20] if isinstance(line, str)) if isinstance(lines, list) else ()


def _organisation(entities: Sequence[_Entity]) -> str | None:
    holder = next((entity.name for entity in entities if "registrant" in entity.roles and entity.name), None)
    return _text(holder)


def _text(value: object) -> str | None:
    """Return a name fit for one line, or None: control characters become spaces."""
    if not isinstance(value, str):
        return None
    return (
        " ".join("".join(c if c.isprintable() else " " for c in value[: 4 * MAX_NAME_CHARS]).split())[:MAX_NAME_CHARS]
        or None
    )
