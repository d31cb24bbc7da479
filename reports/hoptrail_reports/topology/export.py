"""The map as a graph for other programs: networkx, Gephi, graphviz, spreadsheets."""

import networkx as nx

from hoptrail_reports.topology.graph import RelayMap
from hoptrail_reports.topology.traffic import LinkStats


def digraph(relays: RelayMap) -> "nx.DiGraph[str]":
    """The map as a networkx graph with plain attributes, for export and for algorithms; weight is the traversals."""
    graph: nx.DiGraph[str] = nx.DiGraph(messages=relays.messages)
    for relay, stats in relays.relays.items():
        graph.add_node(relay, messages=stats.messages, row=relays.rows[relay], standing=str(relays.standing[relay]))
    for (source, target), edge in relays.edges.items():
        total = edge.total
        graph.add_edge(
            source,
            target,
            weight=total.traversals,
            messages=total.messages,
            observed=edge.observed.traversals,
            claimed=edge.claimed.traversals,
            share=round(relays.share(total.messages), 6),
            colour=str(edge.colour),
            delays=total.delays.n,
            skewed=total.delays.skewed,
            **{key: round(value, 3) for key, value in _moments(total).items() if value is not None},
        )
    return graph


def _moments(use: LinkStats) -> dict[str, float | None]:
    delays = use.delays
    return {"mean_s": delays.mean_s, "variance": delays.variance, "median_s": delays.median_s, "mad_s": delays.mad_s}
