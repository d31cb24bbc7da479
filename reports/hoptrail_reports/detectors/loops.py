"""Loops: relays between which some message went in a circle, each circle said once."""

from collections.abc import Iterator

import networkx as nx

from hoptrail_reports.detectors.finding import Finding, Observations
from hoptrail_reports.shown import counted

SHOWN = 4


def detect(seen: Observations) -> Iterator[Finding]:
    """The relays of each group of links in which mail went in a circle."""
    graph = nx.DiGraph()
    links = seen.traffic.links
    for link, stats in links.where((links.figures["looped"] > 0) & links.between_two):
        known = graph.get_edge_data(link.source, link.target, {"looped": 0})
        graph.add_edge(link.source, link.target, looped=known["looped"] + stats.looped)
    for relays in nx.strongly_connected_components(graph):
        if len(relays) > 1:
            inside = graph.subgraph(relays)
            times = max(count for _, _, count in inside.edges(data="looped"))
            names = sorted(relays, key=lambda relay: (-inside.degree(relay, weight="looped"), relay))
            others = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
            yield Finding(
                kind="loop",
                subject=" ".join(sorted(relays)),
                score=round(min(1.0, 0.5 + times / max(seen.traffic.messages, 1)), 3),
                sentence=f"Mail went in a circle over {', '.join(names[:SHOWN])}{others}, {counted(times, 'time')}.",
                evidence={"relays": len(names), "times": times},
                relay=names[0],
            )
