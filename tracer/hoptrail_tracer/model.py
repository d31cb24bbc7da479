"""The nouns of a trace, as frozen values: what a Received line says, what a hop is worth, where the mail came from.

Nothing here parses, judges or does I/O. Text from outside is kept as it was read; whoever shows it escapes it.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

Status = Literal["parsed", "skipped", "unparseable"]


class Kind(StrEnum):
    """What sort of step a Received line records."""

    RELAY = "relay"  # SMTP, ESMTP, LMTP from another host
    SUBMISSION = "submission"  # an authenticated client or webmail handed the mail in
    LOCAL = "local"  # pick-up on the same host: by uid, from userid, mail pickup service
    SCANNER = "scanner"  # a filter on the same host wrote that it looked at the mail
    FETCH = "fetch"  # fetchmail, getmail and kin took it from a mailbox
    MAPI = "mapi"  # inside an Exchange store
    HTTP = "http"  # handed in over HTTP: webmail, an API
    INTERNAL = "internal"  # a provider's own transport between its machines, no address of interest
    UNKNOWN = "unknown"
    DELIVERY = "delivery"  # no line: the log of a host of ours says to whom it handed the mail


@dataclass(frozen=True, slots=True)
class Received:
    """What one Received field says. Absent values are None; no value is guessed from another one.

    `ip` and `by_ip` are in the canonical text form of `ipaddress` (no zone, IPv4-mapped IPv6 as IPv4).
    `rdns` is only a name that the writing MTA looked up; what the client called itself is `helo`.
    """

    status: Status
    kind: Kind = Kind.UNKNOWN
    reason: str | None = None  # why skipped or unparseable: a stable code, e.g. "qmail-invoked"
    ip: str | None = None
    port: int | None = None
    rdns: str | None = None
    helo: str | None = None
    ident: str | None = None
    by: str | None = None
    by_ip: str | None = None
    software: str | None = None  # of the host that wrote the line, e.g. "Postfix", "Exim 4.96"
    protocol: str | None = None  # as written: "ESMTPS", "Microsoft SMTP Server", "mapi"
    id: str | None = None
    for_: str | None = None
    envelope_from: str | None = None
    auth: str | None = None  # how the client authenticated ("ESMTPA", "LOGIN user", ...), None where it did not
    tls: str | None = None  # version and cipher as written
    date: datetime | None = None  # always aware; a missing zone is read as UTC


class Trust(StrEnum):
    """Who wrote a line, strongest first (docs/design.md has the table)."""

    OBSERVED = "observed"
    TRUSTED = "trusted"
    VOUCHED = "vouched"
    CLAIMED = "claimed"
    FORGED = "forged"


@dataclass(frozen=True, slots=True)
class Connection:
    """What our own MTA saw of the client: never forgeable, except for `helo`, which the client chose."""

    ip: str | None
    helo: str | None = None
    rdns: str | None = None  # None also where the MTA could not confirm the name
    port: int | None = None
    by: str | None = None  # our own host
    auth: str | None = None
    tls: str | None = None
    id: str | None = None  # the queue id
    envelope_from: str | None = None
    date: datetime | None = None


@dataclass(frozen=True, slots=True)
class Hop:
    """One step of the way, with what it is worth. Hops are kept newest first."""

    received: Received
    trust: Trust
    delay_s: float | None = None  # since the next older dated hop; negative where clocks disagree
    reasons: tuple[str, ...] = ()  # sentences for a person: why this class
    line: int | None = None  # index into the chain given, None for a hop made from the connection or other fields


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the mail came from, as far as the evidence goes.

    `trust` is the class of the line that names the address, `confidence` lies in 0..1, `basis` is a stable code.
    """

    ip: str | None
    name: str | None
    trust: Trust
    confidence: float
    basis: str
    reasons: tuple[str, ...] = ()
    hop: int | None = None  # index into Trace.hops


@dataclass(frozen=True, slots=True)
class Anomaly:
    """One thing that is wrong with a chain: a stable code, its weight in 0..1, a sentence for a person."""

    code: str
    text: str
    hop: int | None = None  # index into Trace.hops
    weight: float = 0.0


@dataclass(frozen=True, slots=True)
class Trace:
    """A whole chain judged: hops newest first, the origin that may be reported, and what is wrong."""

    hops: tuple[Hop, ...]
    origin: Origin
    anomalies: tuple[Anomaly, ...] = ()
    deeper: Origin | None = None  # an older address that may be shown with its confidence, never reported by itself
    inferred: bool = False  # nothing was declared: the site's own relays were inferred from the top of the chain


ZoneVerdict = Literal["listed", "clear", "allowed", "neutral", "error", "late", "paused"]


@dataclass(frozen=True, slots=True)
class ZoneResult:
    """What one DNS list says of an address. `error`, `late` and `paused` are never "not listed"."""

    zone: str
    verdict: ZoneVerdict
    codes: tuple[str, ...] = ()  # the A records, e.g. ("127.0.0.2",)
    text: str | None = None  # the reason in words: what the code means, or what failed


@dataclass(frozen=True, slots=True)
class AddressFacts:
    """What the look-ups found about one address; `missing` names what failed or was late, with the reason."""

    ip: str
    name: str | None = None  # PTR
    name_confirmed: bool | None = None  # the name resolves back to the address; None where that is not known
    asn: int | None = None
    as_name: str | None = None
    country: str | None = None  # ISO 3166-1 alpha-2
    zones: tuple[ZoneResult, ...] = ()
    missing: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Contact:
    """Where a report about an address may go, and how that was found."""

    address: str
    source: str  # "rdap", "abusix", "whois", "override"
    confidence: float
    network: str | None = None  # CIDR the answer was given for
    organisation: str | None = None


@dataclass(frozen=True, slots=True)
class ContactAnswer:
    """The contacts for an address. `state` tells "none exists" from "could not ask"."""

    ip: str
    state: Literal["found", "unknown", "failed", "refused"]
    contacts: tuple[Contact, ...] = ()
    network: str | None = None
    organisation: str | None = None
    country: str | None = None
    detail: str | None = None  # what failed or why asking was refused, for a person
