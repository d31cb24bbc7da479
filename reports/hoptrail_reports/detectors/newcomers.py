"""New relays and links: on no map of the days before, ranked by volume and by whether their domains are new too.

The links of a new relay are part of what is said of it.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np

from hoptrail_reports.detectors.finding import Finding, Observations, is_much
from hoptrail_reports.shown import counted, percent
from hoptrail_reports.topology.grouping import owner

NEW_DOMAIN: Final = 2.0
"""How much more a relay counts whose domain was never seen either."""


def detect(seen: Observations) -> Iterator[Finding]:
    """The relays that handed mail to a host of ours for the first time, and the links, with much mail."""
    if seen.looked_back_to is not None:
        yield from _relays(seen)
        yield from _links(seen)


def _relays(seen: Observations) -> Iterator[Finding]:
    total = max(seen.traffic.messages, 1)
    links = seen.traffic.links
    direct = links.per_relay(links.source, "messages", links.observed)
    much = np.flatnonzero(is_much(direct, total))
    counts = zip(links.names.at(much), direct[much].tolist(), strict=True)
    busy = {relay: count for relay, count in counts if relay not in seen.known_relays}
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


def _links(seen: Observations) -> Iterator[Finding]:
    """New links between relays that are known."""
    known = {(owner(one.source), owner(one.target)) for one in seen.courses if one.target and one.hours[:-1].any()}
    total = max(seen.traffic.messages, 1)
    for link in seen.new_links:
        if link.source not in seen.known_relays:
            continue
        messages = seen.traffic.links[link].messages
        joins_anew = (owner(link.source), owner(link.target)) not in known
        share = min(1.0, messages / total)
        what = "and no busy link joined their domains" if joins_anew else "though other links join their domains"
        yield Finding(
            kind="new link",
            subject=f"{link.source} -> {link.target}",
            score=round(min(1.0, (0.1 + share) * (NEW_DOMAIN if joins_anew else 1.0)), 3),
            sentence=(
                f"{link.source} handed {counted(messages, 'message')} to {link.target}, {percent(share)} of all, "
                f"and none since {seen.looked_back_to}, {what}."
            ),
            evidence={"messages": messages, "share": round(share, 4), "new_domains": int(joins_anew)},
            relay=link.source,
        )
