"""The map for other programs: GraphML (Gephi), DOT (graphviz), JSON (node-link), CSV (spreadsheets).

Names come from mail: what a format cannot hold or a program might execute is made harmless.
"""

import csv
import io
import json
from typing import Any, Final

import networkx as nx

from hoptrail_reports.shown import shown
from hoptrail_reports.topology.graph import RelayMap
from hoptrail_reports.topology.usage import LinkStats

_FORMULA_SIGNS: Final = tuple(
    "=+-@\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}\N{FULLWIDTH HYPHEN-MINUS}\N{FULLWIDTH COMMERCIAL AT}"
)
"""Spreadsheets of East Asian settings read the wide ones alike (OWASP, CSV Injection)."""


def digraph(relays: RelayMap) -> "nx.DiGraph[str]":
    """The map as a networkx graph with plain attributes; the weight of a link is its traversals."""
    graph: nx.DiGraph[str] = nx.DiGraph(messages=relays.messages)
    for relay, stats in relays.relays.items():
        graph.add_node(
            shown(relay), messages=stats.messages, row=relays.rows[relay], standing=str(relays.standing[relay])
        )
    for (source, target), edge in relays.edges.items():
        total = edge.total
        graph.add_edge(
            shown(source),
            shown(target),
            weight=total.traversals,
            messages=total.messages,
            observed=edge.observed.traversals,
            claimed=edge.claimed.traversals,
            share=round(relays.share(total.messages), 6),
            colour=str(edge.colour),
            delays=total.delays.n,
            skewed=total.delays.skewed,
            **{name: float(round(value, 3)) for name, value in _moments(total).items() if value is not None},
        )
    return graph


def graphml(relays: RelayMap) -> str:
    """The map in GraphML, as Gephi reads it: each key's id once in the document, weights as doubles."""
    graph = digraph(relays)
    for _, _, values in graph.edges(data=True):
        values["weight"] = float(values["weight"])
    return "\n".join(nx.generate_graphml(graph)) + "\n"


def dot(relays: RelayMap) -> str:
    """The map in graphviz' language, rows as ranks."""
    graph = digraph(relays)
    lines = ["digraph relays {", "  rankdir=TB; node [shape=box, fontname=sans];"]
    lines += [f"  {_quoted(name)} [{_attributes(values)}];" for name, values in graph.nodes.items()]
    for row in sorted(set(relays.rows.values())):
        members = " ".join(f"{_quoted(shown(name))};" for name, at in relays.rows.items() if at == row)
        lines.append(f"  {{ rank=same; {members} }}")
    for (source, target), values in graph.edges.items():
        colour = {"none": "gray"}.get(values["colour"], values["colour"])
        lines.append(f"  {_quoted(source)} -> {_quoted(target)} [{_attributes(values | {'color': colour})}];")
    return "\n".join([*lines, "}", ""])


def node_link_json(relays: RelayMap) -> str:
    """The map as JSON: `nodes` and `links`, as networkx and D3 read it."""
    return json.dumps(nx.node_link_data(digraph(relays), edges="links"), indent=1) + "\n"


def links_csv(relays: RelayMap) -> str:
    """The links as CSV, busiest first."""
    out = io.StringIO()
    columns = (
        *("source", "target", "weight", "messages", "observed", "claimed", "share", "colour"),
        *("delays", "skewed", "mean_s", "variance", "median_s", "mad_s"),
    )
    writer = csv.DictWriter(out, columns, restval="", lineterminator="\n")
    writer.writeheader()
    edges = digraph(relays).edges.items()
    for (source, target), values in sorted(edges, key=lambda item: (-item[1]["weight"], item[0])):
        writer.writerow({"source": _cell(source), "target": _cell(target), **values})
    return out.getvalue()


def _moments(use: LinkStats) -> dict[str, float | None]:
    delays = use.delays
    return {"mean_s": delays.mean_s, "variance": delays.variance, "median_s": delays.median_s, "mad_s": delays.mad_s}


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _attributes(values: dict[str, Any]) -> str:
    return ", ".join(f"{name}={_quoted(str(value))}" for name, value in values.items())


def _cell(text: str) -> str:
    """A name that no spreadsheet takes for a formula."""
    return f"'{text}" if text.lstrip().startswith(_FORMULA_SIGNS) else text
