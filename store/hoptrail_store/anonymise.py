"""A record without the people in it: local parts as keyed hashes, addresses of hosts cut to their networks.

Each field that is kept is named here; what is free text (raw trace fields, sentences, subject, evidence) says too much
about people to be cleaned, and goes. docs/privacy.md states what is left for each option.
"""

import hashlib
import hmac
import re
import sqlite3
from base64 import b32encode
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path
from typing import Final, Self

from hoptrail_store.errors import UnavailableStoreError
from hoptrail_store.records import MessageRecord, RefusalCount
from hoptrail_store.settings import StoreSettings
from hoptrail_tracer.model import AddressFacts, Anomaly, Connection, Origin, Received, Trace

HASHED, TRUNCATED = 1, 2  # `how` of table `anonymised`, added up
KEY_BYTES_LEAST: Final = 16  # a shorter key could be found by trying them all
IPV4_BITS, IPV6_BITS = 24, 48

_KEY_BYTES_MAX = 4_096
_PSEUDONYM = re.compile(r"~[a-z2-7]{20}")  # 100 bits: no two people of one store share it by accident
_MAIL_ADDRESS = re.compile(r"([^\s<>()\[\],;:\"'@=]+)@([^\s<>(),;\"'@]+)")
_MECHANISM = re.compile(r"[A-Z][A-Z0-9-]*")
_QUAD = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.]*\w)")
_COLONS = re.compile(r"(?<![\w:])(IPv6:)?([0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f.]{0,15}){2,8})(?![\w:])")
_NUMBERS = re.compile(r"\d+(?:[.\-_x]+\d+)+")
_DIGITS = re.compile(r"\d+")
_ID_PART = re.compile(r"[0-9A-Za-z]+")
_HEX = re.compile(r"[0-9A-F]+|[0-9a-f]+")
_OCTETS = 4
_FORM_LEAST = 6  # characters: what is shorter may be part of any name


@dataclass(frozen=True, slots=True)
class Mask:
    """What is to be hidden: local parts where there is a key, addresses where `truncates`."""

    key: bytes | None = None
    truncates: bool = False

    @classmethod
    def at_once(cls, settings: StoreSettings) -> Self | None:
        """Return what is hidden before anything is stored, None for nothing. Raises StoreError where the key is bad."""
        return cls._of(settings, "at-once")

    @classmethod
    def later(cls, settings: StoreSettings) -> Self | None:
        """Return what is hidden when `anonymise_days` are over, what is hidden at once included."""
        return cls._of(settings, "at-once", "later")

    @classmethod
    def _of(cls, settings: StoreSettings, *when: str) -> Self | None:
        hashes, truncates = settings.hash_local_parts in when, settings.truncate_addresses in when
        if not hashes and not truncates:
            return None
        return cls(read_key(settings.hash_key_file) if hashes else None, truncates)

    @property
    def how(self) -> int:
        """The same as a number for the store."""
        return (HASHED if self.key else 0) + (TRUNCATED if self.truncates else 0)

    def person(self, address: str | None) -> str | None:
        """Return a mail address, Message-ID or user name with its local part hashed; the empty one stays."""
        if not address:
            return address
        body = address.strip("<>")
        local, at, domain = body.rpartition("@") if "@" in body else (body, "", "")
        if self.key and not _PSEUDONYM.fullmatch(local):
            local = _pseudonym(self.key, local, domain)
        return address.replace(body, f"{self.words(local)}{at}{self.words(domain)}")

    def words(self, text: str) -> str:
        """Return a short text with the mail addresses in it hashed and the host addresses cut."""
        if self.key:
            key = self.key
            text = _MAIL_ADDRESS.sub(lambda found: f"{_once(key, found[1], found[2])}@{found[2]}", text)
        if self.truncates:
            text = _QUAD.sub(lambda found: _cut(found[0]), text)
            text = _COLONS.sub(lambda found: f"{found[1] or ''}{_cut(found[2])}", text)
        return text

    def network(self, text: str) -> str:
        """Return the network of a refusal count, no smaller than addresses are cut to."""
        if not self.truncates:
            return text
        network = ip_network(text)
        bits = IPV4_BITS if network.version == 4 else IPV6_BITS  # noqa: PLR2004 - IP's own number
        return str(network.supernet(new_prefix=bits) if network.prefixlen > bits else network)


def read_key(path: str) -> bytes:
    """Return the key that local parts are hashed with; raises UnavailableStoreError with what to do."""
    remedy = "make one: (umask 027; head -c 32 /dev/urandom > FILE; chgrp hoptrail FILE)"
    try:
        with Path(path).open("rb") as file:
            key = file.read(_KEY_BYTES_MAX)
    except OSError as error:
        raise UnavailableStoreError(
            f"[store] hash_key_file {path!r} cannot be read ({error.strerror}); without it nothing is stored; {remedy}"
        ) from error
    if len(key) < KEY_BYTES_LEAST:
        raise UnavailableStoreError(f"[store] hash_key_file {path!r} has fewer than {KEY_BYTES_LEAST} bytes; {remedy}")
    return key


def anonymous(record: MessageRecord, mask: Mask) -> MessageRecord:
    """Return the record with what `mask` hides hidden, and without free text. Doing it twice changes nothing."""
    host = host_hider(mask, record)
    return replace(
        record,
        connection=record.connection and _connection(record.connection, mask, host),
        envelope_from=_hidden(mask, host, record.envelope_from),
        recipients=tuple(_hidden(mask, host, address) or "" for address in record.recipients),
        message_id=_hidden(mask, host, record.message_id),
        trace=_trace(record.trace, mask, host),
        fields=(),
        subject=None,
        facts=record.facts and _facts(record.facts, mask, host),
        evidence=None,
    )


def anonymous_refusals(counts: Iterable[RefusalCount], mask: Mask) -> list[RefusalCount]:
    """Return the counts by networks no smaller than addresses are cut to."""
    return [replace(count, network=mask.network(count.network)) for count in counts]


def mark_anonymised(connection: sqlite3.Connection, ids: Iterable[str], mask: Mask) -> None:
    """Note in the caller's transaction what was hidden of messages."""
    connection.executemany(
        "INSERT INTO anonymised SELECT number, ? FROM message WHERE id = ?"
        " ON CONFLICT DO UPDATE SET how = how | excluded.how",
        [(mask.how, each) for each in ids],
    )


Hide = Callable[[str | None], str | None]


def _hidden(mask: Mask, host: Hide, address: str | None) -> str | None:
    return host(mask.person(address))


def _connection(connection: Connection, mask: Mask, host: Hide) -> Connection:
    return replace(
        connection,
        ip=_address(connection.ip, mask),
        helo=host(connection.helo),
        rdns=host(connection.rdns),
        port=None if mask.truncates else connection.port,  # with the time it tells customers behind one address apart
        by=host(connection.by),
        auth=_auth(connection.auth, mask, host),
        tls=connection.tls and mask.words(connection.tls),
        envelope_from=_hidden(mask, host, connection.envelope_from),
    )


def _trace(trace: Trace, mask: Mask, host: Hide) -> Trace:
    return replace(
        trace,
        hops=tuple(replace(hop, received=_received(hop.received, mask, host), reasons=()) for hop in trace.hops),
        origin=_origin(trace.origin, mask, host),
        anomalies=tuple(Anomaly(each.code, "", each.hop, each.weight) for each in trace.anomalies),
        deeper=trace.deeper and _origin(trace.deeper, mask, host),
    )


def _received(said: Received, mask: Mask, host: Hide) -> Received:
    return Received(
        status=said.status,
        kind=said.kind,
        reason=said.reason,
        ip=_address(said.ip, mask),
        rdns=host(said.rdns),
        helo=host(said.helo),
        by=host(said.by),
        by_ip=_address(said.by_ip, mask),
        software=said.software and mask.words(said.software),  # a version of four numbers is no address
        protocol=said.protocol and mask.words(said.protocol),
        id=said.id and _ID_PART.sub(lambda part: "0" if _HEX.fullmatch(part[0]) else "w", said.id),  # its shape is kept
        for_=_hidden(mask, host, said.for_),
        envelope_from=_hidden(mask, host, said.envelope_from),
        auth=_auth(said.auth, mask, host),
        tls=said.tls and mask.words(said.tls),
        date=said.date,
    )


def _origin(origin: Origin, mask: Mask, host: Hide) -> Origin:
    return replace(origin, ip=_address(origin.ip, mask), name=host(origin.name), reasons=())


def _facts(facts: AddressFacts, mask: Mask, host: Hide) -> AddressFacts:
    return replace(
        facts,
        ip=_address(facts.ip, mask) or "",
        name=host(facts.name),
        zones=tuple(replace(zone, text=None) for zone in facts.zones),
        missing=tuple((what, why if why == "late" else "failed") for what, why in facts.missing),
    )


def _auth(text: str | None, mask: Mask, host: Hide) -> str | None:
    """Return how a client authenticated: `LOGIN user`, or only a word that is a mechanism."""
    if not text:
        return text
    first, _, user = text.partition(" ")
    if not _MECHANISM.fullmatch(first):
        first, user = "", text
    return " ".join(filter(None, (first, _hidden(mask, host, user))))


def _address(ip: str | None, mask: Mask) -> str | None:
    return _cut(ip) if ip and mask.truncates else ip


def _cut(text: str) -> str:
    """Return the first address of the network of an address; a text that is none as it stands."""
    try:
        address = ip_address(text)
    except ValueError:
        return text
    bits = IPV4_BITS if isinstance(address, IPv4Address) else IPV6_BITS
    return str(ip_network((address, bits), strict=False).network_address)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def host_hider(mask: Mask, record: MessageRecord) -> Hide:
    """Return a function that hides a host's address, or its name and other short texts of this record.

    What it returns spells out none of the record's addresses.
    """
    if not mask.truncates:
        return lambda text: mask.words(text) if text else text
    spellings = [_Spelling.of(address) for address in set(_addresses(record))]

    def hide(text: str | None) -> str | None:
        if not text:
            return text
        text = mask.words(text)
        if _is_address(text.strip("[]").removeprefix("IPv6:")):
            return text
        for spelling in spellings:
            text = spelling.hidden_in(text)
        return text

    return hide


def _addresses(record: MessageRecord) -> Iterator[IPv4Address | IPv6Address]:
    texts: list[str | None] = [record.connection.ip if record.connection else None]
    texts += [record.facts.ip if record.facts else None, record.trace.origin.ip]
    texts += [record.trace.deeper.ip if record.trace.deeper else None]
    for hop in record.trace.hops:
        texts += [hop.received.ip, hop.received.by_ip]
    for text in texts:
        try:
            yield ip_address(text or "")
        except ValueError:
            continue


@dataclass(frozen=True, slots=True)
class _Spelling:
    """How the names of dial-up hosts spell their address: `dsl-203-0-113-9`, `9.113.0.203.isp.example`, `cb007109`."""

    octets: tuple[int, ...]
    forms: re.Pattern[str]

    @classmethod
    def of(cls, address: IPv4Address | IPv6Address) -> Self:
        octets = tuple(address.packed)
        if isinstance(address, IPv6Address):
            groups = address.exploded.split(":")
            short = str(address).replace(":", "-")
            nibbles = address.exploded.replace(":", "")
            ends = "".join(groups[4:]).lstrip("0")
            forms = [
                nibbles,
                nibbles[::-1],
                ".".join(reversed(nibbles)),
                short,
                ends,
                "-".join(groups),
                *("-".join(group.lstrip("0") or "0" for group in part) for part in (groups, groups[4:])),
            ]
            octets = ()
        else:
            forms = [str(int(address))]
            for each in (octets, octets[::-1]):
                forms += [bytes(each).hex(), "".join(f"{octet:03}" for octet in each)]
        telling = sorted((form for form in forms if len(form) >= _FORM_LEAST), key=len, reverse=True)
        return cls(octets, re.compile("|".join(map(re.escape, telling)) or "(?!)", re.IGNORECASE))

    def hidden_in(self, text: str) -> str:
        """Return a text with `x` where it spells the address, or most of it."""
        text = self.forms.sub("x", text)
        return _NUMBERS.sub(self._hide_numbers, text) if self.octets else text

    def _hide_numbers(self, found: re.Match[str]) -> str:
        numbers = [int(number) for number in _DIGITS.findall(found[0])]
        host = self.octets[-1]
        tells = host in numbers and any(octet in numbers for octet in self.octets[:-1] if octet != host)
        return "x" if tells or len(numbers) >= _OCTETS else found[0]


def _once(key: bytes, local: str, domain: str) -> str:
    return local if _PSEUDONYM.fullmatch(local) else _pseudonym(key, local, domain)


def _pseudonym(key: bytes, local: str, domain: str) -> str:
    address = f"{local}@{domain}".casefold().encode("utf-8", "surrogatepass")
    return "~" + b32encode(hmac.digest(key, address, hashlib.sha256))[:20].decode().lower()
