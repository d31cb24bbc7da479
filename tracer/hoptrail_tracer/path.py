"""The way of a message as a sequence of named relays, oldest first: what the map of relays is made of.

Each machine has two names in a chain: what it calls itself in its own line (`by`), and what the next machine saw of it.
A line of ours may be believed in both; a stranger's line is believed in nothing that our own saw better.
"""

import ipaddress
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from hoptrail_tracer.memory import remembered
from hoptrail_tracer.model import Hop, Received, Trust

MAX_STEPS = 64
"""More relays than this no mail has: Postfix's hopcount_limit is 50, Sendmail's MaxHopCount 25."""

_OURS = frozenset({Trust.OBSERVED, Trust.TRUSTED})
_SITE_LOCAL = (".local", ".localdomain", ".localhost", ".lan", ".internal", ".intra", ".home", ".invalid")


@dataclass(frozen=True, slots=True)
class Step:
    """One relay on the way. `relay` is a lower-case host name, or an address in brackets.

    `at_s` is when it took the message, by its own clock, in seconds since 1970. `observed` tells whether a host of ours
    or one we trust wrote the line that brought the message here. A step with the same relay as the one before it is
    that host's own filter. `hop` is the index of that line in the trace, None for the machine that the mail began at.
    """

    relay: str
    at_s: int | None
    observed: bool
    hop: int | None = None

    def seconds_since(self, earlier: "Step") -> int | None:
        """Whole seconds from an earlier step to this one, negative where clocks disagree; None without both dates."""
        if self.at_s is None or earlier.at_s is None:
            return None
        return self.at_s - earlier.at_s


def whole_seconds(at: datetime) -> int:
    """A date as Received lines give it: seconds since 1970, with what is less cut off and not rounded."""
    return math.floor(at.timestamp())


def relay_path(newest_first: Sequence[Hop]) -> tuple[Step, ...]:
    """The relays a message passed, oldest first, out of the hops of its trace; empty where nothing can be named.

    Forged hops and all that stands below them are left out, and so are lines that were skipped or cannot be read.
    """
    hops = _believable(newest_first)
    if not hops:
        return ()
    index, newer = hops[0]
    steps = [_step(_own_name(newer) or "localhost", index, newer)]
    for index, older in hops[1:]:
        name = _relay_between(newer, older, writer=steps[-1].relay)
        if name is not None:
            steps.append(_step(name, index, older))
        newer = older
    name = _relay_between(newer, None, writer=steps[-1].relay)
    if name is not None:
        steps.append(Step(name, None, observed=False))
    steps.reverse()
    return tuple(steps)


def _believable(hops: Sequence[Hop]) -> list[tuple[int, Hop]]:
    kept: list[tuple[int, Hop]] = []
    for index, hop in enumerate(hops[:MAX_STEPS]):
        if hop.trust is Trust.FORGED:
            break
        if hop.received.status == "parsed":
            kept.append((index, hop))
    return kept


def _step(name: str, index: int, hop: Hop) -> Step:
    date = hop.received.date
    return Step(name, whole_seconds(date) if date else None, observed=hop.trust in _OURS, hop=index)


def _relay_between(newer: Hop, older: Hop | None, *, writer: str) -> str | None:
    """The name of the machine that wrote `older` and is the client in `newer`, which `writer` wrote."""
    client = newer.received
    if older is None and not (client.ip or client.rdns or client.helo):
        return None  # picked up on the host itself: the way begins with the writer
    if _is_loopback(client.ip) or (older is not None and _is_loopback_name(older.received.by)):
        return writer if older is not None else None
    own = _own_name(older) if older is not None else None
    if own is not None and older is not None and older.trust in _OURS:
        return own
    seen = _name_as_seen(client)
    if newer.trust in _OURS:
        return seen or own
    return own if own is not None and _is_global_name(own) else seen or own


def _own_name(hop: Hop) -> str | None:
    """What the host that wrote a line calls itself."""
    by = hop.received.by
    if not by or _is_loopback_name(by):
        return f"[{hop.received.by_ip}]" if hop.received.by_ip and not _is_loopback(hop.received.by_ip) else None
    return _canonical(by)


def _name_as_seen(received: Received) -> str | None:
    """What the writing host knew of its client, best first: the name it looked up, the address, what was claimed."""
    if received.rdns and not _is_loopback_name(received.rdns):
        return _canonical(received.rdns)
    if received.ip:
        return f"[{received.ip}]"
    return _canonical(received.helo) if received.helo else None


@remembered(16384)
def _canonical(name: str) -> str | None:
    text = name.strip().strip("[]").rstrip(".").lower()[:255]
    if ":" not in text and not text[-1:].isdigit():  # no top-level domain ends so: a name, as nearly all are
        return text or None
    try:
        return f"[{ipaddress.ip_address(text)}]"
    except ValueError:
        return text


def _is_loopback(ip: str | None) -> bool:
    """Whether an address in canonical text is the host's own."""
    return ip is not None and (ip == "::1" or (ip.startswith("127.") and ip[-1].isdigit()))


@remembered(16384)
def _is_loopback_name(name: str | None) -> bool:
    text = (name or "").strip("[]").rstrip(".").lower()
    return text.partition(".")[0] == "localhost" or _is_loopback(text)


def _is_global_name(name: str) -> bool:
    """Whether a name means one machine in the world rather than one in its owner's network."""
    return "." in name and not name.endswith(_SITE_LOCAL)
