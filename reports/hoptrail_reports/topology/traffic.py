"""What travelled between relays in some time: links and relays with statistics that merge by addition.

A `Traffic` is what one day, one host or one collection saw; two of them that share no message add up to what both saw.
Ranks and times are counted from a root outwards. For the nightly map the root is the host that recorded a message and
the way is followed back towards its origin; for a root that the user chose it can be followed forwards as well.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from hoptrail_reports.topology.delays import NO_DELAYS, DelayStats, delay_stats, least, most
from hoptrail_tracer.handover import Handover, handovers
from hoptrail_tracer.path import Step

Direction = Literal["to", "from"]
"""Whether the ways that led to the root are looked at, or those that went on from it."""


class Link(NamedTuple):
    """Mail handed from one relay to another. `observed`: a host of ours or one we trust says so, not a stranger."""

    source: str
    target: str
    observed: bool


@dataclass(frozen=True, slots=True)
class LinkStats:
    """How a link was used. A message that passes it twice is two traversals."""

    traversals: int = 0
    messages: int = 0
    looped: int = 0  # traversals between two visits of one message to one relay
    delays: DelayStats = NO_DELAYS
    first: int | None = None  # seconds since 1970, when a message that used it was recorded
    last: int | None = None

    def __add__(self, other: "LinkStats") -> "LinkStats":
        """What two sets of messages, with none in common, did together."""
        return LinkStats(
            self.traversals + other.traversals,
            self.messages + other.messages,
            self.looped + other.looped,
            self.delays + other.delays,
            least(self.first, other.first),
            most(self.last, other.last),
        )


@dataclass(frozen=True, slots=True)
class RelayStats:
    """How a relay was used. `reach` is the time between it and the root, `ranks` how often it stood how far away."""

    messages: int = 0
    ranks: Mapping[int, int] = field(default_factory=dict)
    reach: DelayStats = NO_DELAYS
    first: int | None = None
    last: int | None = None

    @property
    def row(self) -> int:
        """The row it is drawn in before rows are lowered: its least rank."""
        return min(self.ranks, default=0)

    def __add__(self, other: "RelayStats") -> "RelayStats":
        """What two sets of messages, with none in common, did together."""
        return RelayStats(
            self.messages + other.messages,
            dict(Counter(self.ranks) + Counter(other.ranks)),
            self.reach + other.reach,
            least(self.first, other.first),
            most(self.last, other.last),
        )


@dataclass(frozen=True, slots=True)
class Traffic:
    """All links and relays of a set of messages; `messages` counts those whose way could be followed."""

    messages: int = 0
    links: Mapping[Link, LinkStats] = field(default_factory=dict)
    relays: Mapping[str, RelayStats] = field(default_factory=dict)

    @property
    def hops(self) -> int:
        """Traversals of all links, a host's own filters among them."""
        return sum(stats.traversals for stats in self.links.values())

    def __add__(self, other: "Traffic") -> "Traffic":
        """What two sets of messages, with none in common, did together."""
        return Traffic(
            self.messages + other.messages,
            {
                link: self.links.get(link, LinkStats()) + other.links.get(link, LinkStats())
                for link in {**self.links, **other.links}
            },
            {
                relay: self.relays.get(relay, RelayStats()) + other.relays.get(relay, RelayStats())
                for relay in {**self.relays, **other.relays}
            },
        )


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
        self._add_visit(root.relay, 0, None if root.at is None else 0, recorded, revisited=False)
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
        return Traffic(self.messages, links, relays)
