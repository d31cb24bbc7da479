"""What travelled between relays in some time: links and relays with statistics that merge by addition.

A `Traffic` is what one day, one host or one collection saw; two of them that share no message add up to what both saw.
Ranks and times are counted from a root outwards. For the nightly map the root is the host that recorded a message and
the way is followed back towards its origin; for a root that the user chose it can be followed forwards as well.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, NamedTuple, Self

import numpy as np

from hoptrail_reports.topology.columns import NO_LINKS, NO_RELAYS, Links, Relays
from hoptrail_reports.topology.delays import delay_stats, least, most
from hoptrail_reports.topology.usage import Link, LinkStats, RelayStats
from hoptrail_tracer.handover import Handover, handovers
from hoptrail_tracer.path import Step

Direction = Literal["to", "from"]
"""Whether the ways that led to the root are looked at, or those that went on from it."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """All links and relays of a set of messages; `messages` counts those whose way could be followed."""

    messages: int = 0
    links: Links = field(default_factory=lambda: NO_LINKS)
    relays: Relays = field(default_factory=lambda: NO_RELAYS)

    @classmethod
    def of(
        cls, messages: int, links: Mapping[Link, LinkStats], relays: Mapping[str, RelayStats] = MappingProxyType({})
    ) -> Self:
        """The traffic out of an object for each link and relay."""
        return cls(messages, Links.of(links), Relays.of(relays))

    @property
    def hops(self) -> int:
        """Traversals of all links, a host's own filters among them."""
        return int(self.links.figures["traversals"].sum(dtype=np.int64))

    def __add__(self, other: "Traffic") -> "Traffic":
        """What two sets of messages, with none in common, did together."""
        return Traffic(self.messages + other.messages, self.links + other.links, self.relays + other.relays)


class Way(NamedTuple):
    """One message: the relays it passed, oldest first, and when it was recorded (seconds since 1970)."""

    steps: Sequence[Step]
    recorded: int


def traffic(ways: Iterable[Way], *, root: str | None = None, direction: Direction = "to") -> Traffic:
    """The traffic of some messages, seen from a root: a relay's name, or None for each message's last relay.

    With a root named, messages that did not pass it are left out, and so is what lies on its other side.
    """
    tally = _Tally()
    for way in ways:
        steps = _outwards(way.steps, root, direction)
        if steps:
            tally.add(steps, way.recorded, towards_root=direction == "to")
    return tally.traffic()


def _outwards(steps: Sequence[Step], root: str | None, direction: Direction) -> Sequence[Step]:
    """The steps from the root on, the root first."""
    if root is not None:
        visits = [index for index, step in enumerate(steps) if step.relay == root]
        if not visits:
            return ()
        steps = steps[: visits[-1] + 1] if direction == "to" else steps[visits[0] :]
    return steps[::-1] if direction == "to" else steps


@dataclass(slots=True)
class _Usage:
    """What is known of one link or relay while messages are still being added."""

    count: int = 0
    messages: int = 0
    looped: int = 0
    delays: Counter[int] = field(default_factory=Counter)
    ranks: Counter[int] = field(default_factory=Counter)
    first: int | None = None
    last: int | None = None

    def seen(self, recorded: int) -> None:
        self.messages += 1
        self.first, self.last = least(self.first, recorded), most(self.last, recorded)


class _Tally:
    def __init__(self) -> None:
        self.messages = 0
        self.links: defaultdict[Link, _Usage] = defaultdict(_Usage)
        self.relays: defaultdict[str, _Usage] = defaultdict(_Usage)

    def add(self, outwards: Sequence[Step], recorded: int, *, towards_root: bool) -> None:
        self.messages += 1
        root = outwards[0]
        self._add_visit(root.relay, 0, None if root.at_s is None else 0, recorded, revisited=False)
        for handover in handovers(outwards, towards_root=towards_root):
            self._add_link(handover, recorded)
            if handover.rank is not None:
                self._add_visit(handover.far, handover.rank, handover.reach_s, recorded, revisited=handover.revisited)

    def _add_link(self, handover: Handover, recorded: int) -> None:
        usage = self.links[Link(handover.source, handover.target, handover.observed)]
        usage.count += 1
        usage.looped += handover.looped
        if handover.delay_s is not None:
            usage.delays[handover.delay_s] += 1
        if not handover.repeated:
            usage.seen(recorded)

    def _add_visit(self, relay: str, rank: int, reach_s: int | None, recorded: int, *, revisited: bool) -> None:
        usage = self.relays[relay]
        usage.ranks[rank] += 1
        if reach_s is not None:
            usage.delays[reach_s] += 1
        if not revisited:
            usage.seen(recorded)

    def traffic(self) -> Traffic:
        links = {
            link: LinkStats(u.count, u.messages, u.looped, delay_stats(u.delays.elements()), u.first, u.last)
            for link, u in self.links.items()
        }
        relays = {
            relay: RelayStats(u.messages, dict(u.ranks), delay_stats(u.delays.elements()), u.first, u.last)
            for relay, u in self.relays.items()
        }
        return Traffic.of(self.messages, links, relays)
