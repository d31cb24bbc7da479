"""New relays: on no map of the days before, ranked by volume and by whether their domain is new too."""

from collections.abc import Iterator
from typing import Final

from hoptrail_reports.detectors.finding import Finding, Observations
from hoptrail_reports.shown import counted, percent
from hoptrail_reports.topology.grouping import owner

LEAST: Final = 10
LEAST_SHARE: Final = 0.005
"""Of the day's mail: strangers with less come every day."""
NEW_DOMAIN: Final = 2.0
"""How much more a relay counts whose domain was never seen either."""


def detect(seen: Observations) -> Iterator[Finding]:
    """The relays that handed mail to a host of ours for the first time, and brought much."""
    if seen.looked_back_to is None:
        return
    total = max(seen.traffic.messages, 1)
    direct: dict[str, int] = {}
    for link, stats in seen.traffic.links.items():
        if link.observed and link.source not in seen.known_relays:
            direct[link.source] = direct.get(link.source, 0) + stats.messages
    busy = {relay: count for relay, count in direct.items() if count >= max(LEAST, LEAST_SHARE * total)}
    domains = frozenset(map(owner, seen.known_relays)) if busy else frozenset()
    for relay, messages in busy.items():
        is_new = owner(relay) not in domains
        share = min(1.0, messages / total)
        yield Finding(
            kind="new relay",
            subject=relay,
            score=round(min(1.0, (0.2 + share) * (NEW_DOMAIN if is_new else 1.0)), 3),
            sentence=(
                f"{relay} is new{', and so is its domain' if is_new else ''}: {counted(messages, 'message')}, "
                f"{percent(share)} of all, and none since {seen.looked_back_to}."
            ),
            evidence={"messages": messages, "share": round(share, 4), "new_domain": int(is_new)},
            relay=relay,
        )
