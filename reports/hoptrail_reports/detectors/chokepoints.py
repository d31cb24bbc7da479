"""Single points of failure: relays of ours that mail from outside has to pass on every way it was seen to take.

The world outside is one node; a relay that dominates the hosts where mail ended is one whose failure would stop it.
The hosts where it ended are no news themselves: a site with one server knows that.
"""

from collections.abc import Iterator
from typing import Any, Final

import networkx as nx
import numpy as np

from hoptrail_reports.detectors.finding import MUCH_LEAST, Finding, Observations
from hoptrail_reports.shown import percent

LEAST_SHARE: Final = 0.2
OUTSIDE: Final = ""


def detect(seen: Observations) -> Iterator[Finding]:
    """The relays that at least LEAST_SHARE of the mail had to pass on its way to another host of ours."""
    traffic = seen.traffic
    links = traffic.links
    observed = links.observed & links.between_two
    ours = np.zeros(len(links.names), bool)
    ours[links.target[observed]] = True
    inside = observed & ours[links.source]
    graph: Any = nx.DiGraph()
    graph.add_node(OUTSIDE)
    graph.add_edges_from((OUTSIDE, target) for target in links.names.at(np.unique(links.target[observed & ~inside])))
    graph.add_edges_from(link[:2] for link in links.keys_at(np.flatnonzero(inside)))
    ends = {relay: traffic.relays[relay].ranks.get(0, 0) for relay in graph if relay in traffic.relays}
    ends = {relay: messages for relay, messages in ends.items() if messages}
    above = nx.immediate_dominators(graph, OUTSIDE)
    must: dict[str, int] = {}
    for end, messages in ends.items():
        relay = above.get(end, OUTSIDE)
        while relay not in {OUTSIDE, None}:
            must[relay] = must.get(relay, 0) + messages
            relay = above.get(relay, OUTSIDE)
    total = max(sum(ends.values()), 1)
    for relay, messages in must.items():
        share = messages / total
        if share >= LEAST_SHARE and messages >= MUCH_LEAST:
            yield Finding(
                kind="single point",
                subject=relay,
                score=round(0.1 + 0.1 * share, 3),
                sentence=f"{percent(share)} of the mail has no way around {relay}: if it fails, that mail stops.",
                evidence={"messages": messages, "share": round(share, 4)},
                relay=relay,
            )
