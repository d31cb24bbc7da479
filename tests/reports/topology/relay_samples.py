"""Mail of a made-up site, seeded: our hosts, big providers with many machines each, small hosts, and bots."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime

from hoptrail_reports.topology.traffic import Way
from hoptrail_tracer.path import Step

MIDNIGHT = datetime(2026, 11, 20, tzinfo=UTC)
OURS = ("mx1.example.org", "mx2.example.org")
STORE = "store.example.org"


def way(*relays: str, delays: tuple[int, ...] = (), observed: int = 1, at: int = 0) -> Way:
    """One message over `relays`, oldest first; the last `observed` hand-overs are ours."""
    delays = delays or (1,) * (len(relays) - 1)
    recorded = int(MIDNIGHT.timestamp()) + at
    now = recorded
    times: list[int | None] = [None]
    for delay in reversed(delays[1:]):
        times.insert(1, now)
        now -= delay
    times.insert(1, now)
    steps = [
        Step(relay, times[index] if index < len(times) else None, observed=index >= len(relays) - observed)
        for index, relay in enumerate(relays)
    ]
    return Way(steps, recorded)


def ways(relays: int, messages: int, seed: int = 1) -> Iterator[Way]:
    """Messages whose senders follow Zipf's law over about `relays` relays."""
    pick = random.Random(seed)
    senders = _senders(pick, relays)
    weights = [1 / (rank + 1) for rank in range(len(senders))]
    for sender in pick.choices(senders, weights, k=messages):
        yield _message(pick, sender)


def _senders(pick: random.Random, relays: int) -> list[tuple[str, ...]]:
    """What stands before our MX on a message's way, oldest first."""
    providers = [f"provider{n}.example" for n in range(max(3, relays // 200))]
    senders: list[tuple[str, ...]] = []
    known = 0
    while known < relays:
        kind = pick.random()
        number = len(senders)
        if kind < 0.4:
            provider = pick.choice(providers)
            out = f"out-{pick.randrange(1 + relays // 40)}.mail.{provider}"
            senders.append((f"smtp-{pick.randrange(4)}.mail.{provider}", out))
        elif kind < 0.55:
            senders.append((f"[10.0.{number % 250}.9]", f"exchange.firm{number}.example", f"gw.firm{number}.example"))
        elif kind < 0.8:
            senders.append((f"mail.small{number}.example",))
        else:
            senders.append((f"[203.0.{number % 114}.{pick.randrange(250)}]",))
        known = len({relay for sender in senders for relay in sender}) + 3
    return senders


def _message(pick: random.Random, sender: tuple[str, ...]) -> Way:
    mx = pick.choice(OURS)
    at = pick.randrange(86_400)
    relays = [*sender, mx, mx, STORE]
    observed = 3
    if pick.random() < 0.0005:
        relays = [*relays, mx, STORE]
        observed += 2
    delays = tuple(max(-40, int(pick.lognormvariate(0.5, 1.4))) for _ in relays[1:])
    if pick.random() < 0.03:
        delays = (*delays[: len(sender)], 300 + pick.randrange(40), *delays[len(sender) + 1 :])
    return way(*relays, delays=delays, observed=observed, at=at)
