"""The map as one SVG: boxes in rows, lines between them, a tooltip on each, links to relay pages.

Colour is never the only sign: each colour of a line has a dash pattern, each standing of a relay a border of its own,
and every tooltip says both in words. Styles come as classes, so that the page's sheet decides on dark and light.
"""

import re
from collections.abc import Callable, Collection, Iterator
from html import escape
from importlib.resources import files
from math import log10

from hoptrail_reports.shown import counted, duration, percent, shortened, shown
from hoptrail_reports.topology.colours import WORDS, Colour, Thresholds, meaning
from hoptrail_reports.topology.fold import Folded, Line, Node
from hoptrail_reports.topology.graph import RelayMap, Standing
from hoptrail_reports.topology.grouping import owner
from hoptrail_reports.topology.layout import BOX_HEIGHT, MARGIN_LEFT, Box, Layout, place

NAMESPACE = "http://www.w3.org/2000/svg"

CHAR_WIDTH = 6.1
BOLD_WIDTH = 6.9
"""Of a letter of the labels, in user units: text is cut by this, since SVG does not cut it."""

SQUEEZE = 1.3
"""A label too long by less than this is set closer rather than cut: an address is worth nothing without its middle."""

TOOLTIP_RELAYS = 12
"""As many members of a folded node its tooltip names; the page's table has the others."""

STANDING_WORDS = {
    Standing.OURS: "ours or trusted by us",
    Standing.SEEN: "handed mail to a host of ours",
    Standing.CLAIMED: "no line of its own that we believe",
}

VIEW_BOX = re.compile(r'viewBox="0 0 (\d+) (\d+)"')
"""The size of a picture, in the tag it begins with."""

LEGEND_HEIGHT = 64

_GROUPED = re.compile(r"(\d+) of (\S+) \(row ")
"""A group's name, as `grouping.contract` makes it; no host's has blanks."""

LinkTo = Callable[[str], str | None]


def draw(
    relays: RelayMap,
    drawing: Folded,
    *,
    title: str,
    link_to: LinkTo = lambda _: None,
    new: Collection[str] = (),
) -> str:
    """The SVG element of a folded map, for inclusion in HTML; `link_to` gives the page of a relay that has one."""
    layout = place(drawing)
    size = f"{layout.width:.0f} {layout.height:.0f}"
    parts = [
        f'<svg class="map" xmlns="{NAMESPACE}" viewBox="0 0 {size}" role="group" aria-labelledby="map-title map-text">',
        f'<title id="map-title">{_text(title)}</title>',
        f'<desc id="map-text">{_text(_description(relays, drawing))}</desc>',
        _markers(),
        *_row_labels(drawing, layout),
        *(_line(relays, line, layout) for line in drawing.lines),
        *(_box(relays, layout.boxes[node], link_to, new) for row in drawing.rows for node in row),
        "</svg>",
    ]
    return "\n".join(parts)


def standalone(svg: str, thresholds: Thresholds = Thresholds()) -> str:  # noqa: B008 - frozen
    """The map as a document of its own, with the style sheet and a legend inside."""
    sheet = files("hoptrail_reports.topology").joinpath("map.css").read_text(encoding="utf-8")
    head, _, rest = svg.partition(">")
    size = VIEW_BOX.search(head)
    assert size
    height = int(size[2])
    head = head.replace(size[0], f'viewBox="0 0 {size[1]} {height + LEGEND_HEIGHT}"')
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n{head}>\n<style>{sheet}svg{{background:var(--paper)}}</style>'
        f"{rest.removesuffix('</svg>')}{_legend(height, thresholds)}\n</svg>\n"
    )


def _legend(top: int, thresholds: Thresholds) -> str:
    """What lines and boxes mean, in two rows below the map."""
    stroke = '<path class="ink" d="M0 0H44" stroke-width="3.4"/></g>'
    lines = [
        (f'<g class="line {colour}">{stroke}', f"{WORDS[colour]}: {meaning(colour, thresholds)}") for colour in Colour
    ]
    boxes = [
        (f'<g class="box {standing}"><rect y="-9" width="44" height="18" rx="4"/></g>', words)
        for standing, words in STANDING_WORDS.items()
    ]
    boxes += [
        (f'<g class="line blue claimed">{stroke}', "faint line: claimed by strangers"),
        ("", "the wider a line, the more mail"),
    ]
    parts = []
    for y, row in ((top + 18, lines), (top + 46, boxes)):
        x = float(MARGIN_LEFT)
        for sign, words in row:
            parts.append(f'<g transform="translate({x:.0f} {y})">{sign}<text x="52" y="4">{_text(words)}</text></g>')
            x += 76 + len(words) * CHAR_WIDTH
    return f'<g class="legend">{"".join(parts)}</g>'


def _description(relays: RelayMap, drawing: Folded) -> str:
    return (
        f"{counted(len(relays.relays), 'relay')} in {counted(len(drawing.rows), 'row')}, our own hosts on top; "
        f"{counted(len(relays.edges), 'link')} between them, drawn as {counted(len(drawing.lines), 'line')}."
    )


def _markers() -> str:
    heads = "".join(
        f'<marker id="head-{colour}" viewBox="0 0 8 8" refX="7.4" refY="4" markerWidth="10" markerHeight="10" '
        f'markerUnits="userSpaceOnUse" orient="auto"><path class="head {colour}" d="M0 0.6 7.4 4 0 7.4z"/></marker>'
        for colour in Colour
    )
    return f"<defs>{heads}</defs>"


def _row_labels(drawing: Folded, layout: Layout) -> Iterator[str]:
    for index, row in enumerate(drawing.rows):
        y = layout.boxes[row[0]].y
        count = sum(len(node.relays) for node in row)
        yield (
            f'<g class="row-label"><line x1="{MARGIN_LEFT}" x2="{layout.width:.0f}" y1="{y:.0f}" y2="{y:.0f}"/>'
            f'<text x="0" y="{y - 3:.0f}">row {index}</text>'
            f'<text class="dim" x="0" y="{y + 12:.0f}">{_text(counted(count, "relay"))}</text></g>'
        )


def _line(relays: RelayMap, line: Line, layout: Layout) -> str:
    start, end = layout.boxes[line.source], layout.boxes[line.target]
    width = 1.1 + 5 * log10(1 + line.traversals) / max(1.0, log10(1 + relays.messages))
    classes = f"line {line.colour}" + (" claimed" if line.claimed * 2 > line.traversals else "")
    curve, head = _curve(start, end), f"url(#head-{line.colour})"
    return (
        f'<g class="{classes}" data-ends="{line.source.key} {line.target.key}">'
        f"<title>{_text(_line_tooltip(relays, line))}</title>"
        f'<path class="reach" d="{curve}"/>'
        f'<path class="ink" d="{curve}" stroke-width="{width:.1f}" marker-end="{head}"/></g>'
    )


def _curve(start: Box, end: Box) -> str:
    """A Bezier curve between the facing edges of two boxes; between boxes of one row it hangs below them."""
    if start.node.row == end.node.row:
        if start.node is end.node:
            return f"M{start.x + 8:.0f} {start.bottom:.0f}c26 40 -42 40 -16 0"
        sag = min(64.0, 26 + abs(start.x - end.x) / 14)
        return (
            f"M{start.x:.0f} {start.bottom:.0f}C{start.x:.0f} {start.bottom + sag:.0f} "
            f"{end.x:.0f} {end.bottom + sag:.0f} {end.x:.0f} {end.bottom + 1:.0f}"
        )
    upwards = start.y > end.y
    y1, y2 = (start.top, end.bottom + 1) if upwards else (start.bottom, end.top - 1)
    bend = (y2 - y1) * 0.55
    return f"M{start.x:.0f} {y1:.0f}C{start.x:.0f} {y1 + bend:.0f} {end.x:.0f} {y2 - bend:.0f} {end.x:.0f} {y2:.0f}"


def _line_tooltip(relays: RelayMap, line: Line) -> str:
    delays = line.delays
    rows = [
        f"{_named(line.source)} → {_named(line.target)}",
        f"{counted(line.messages, 'message')}, {percent(relays.share(line.messages))} of all: {WORDS[line.colour]}",
        f"{counted(line.traversals - line.claimed, 'hand-over')} observed, {line.claimed:,} claimed",
    ]
    if line.links > 1:
        rows.append(f"{counted(line.links, 'link')} folded into one line")
    if delays.n:
        rows.append(f"delay: median {duration(delays.median_s)}, mean {duration(delays.mean_s)}")
    if delays.skewed:
        rows.append(f"{counted(delays.skewed, 'delay')} negative or impossible: clocks disagree")
    return "\n".join(rows)


def _box(relays: RelayMap, box: Box, link_to: LinkTo, new: Collection[str]) -> str:
    node = box.node
    left = box.x - box.width / 2
    head, tail = _labels(node)
    count = f"{node.messages:,} · {percent(relays.share(node.messages))}"
    classes = f"box {node.kind} {node.standing}"
    behind = (
        f'<rect class="behind" x="{left + 4:.1f}" y="{box.top + 4:.1f}" width="{box.width:.1f}" '
        f'height="{BOX_HEIGHT}" rx="6"/>'
        if node.kind != "relay"
        else ""
    )
    badge = _badge(sum(relay in new for relay in node.relays), node, left + box.width, box.top)
    inside = (
        f"<title>{_text(_box_tooltip(relays, node))}</title>{behind}"
        f'<rect x="{left:.1f}" y="{box.top:.1f}" width="{box.width:.1f}" height="{BOX_HEIGHT}" rx="6"/>'
        f"{_label(box, 'name', -9, head, BOLD_WIDTH)}{_label(box, 'dim', 4, tail, CHAR_WIDTH)}"
        f'<text class="count" x="{box.x:.1f}" y="{box.y + 18:.1f}">{_text(count)}</text>{badge}'
    )
    target = link_to(node.name) if node.kind == "relay" else None
    if target is None:
        return f'<g class="{classes}" id="{node.key}" tabindex="0">{inside}</g>'
    return f'<a class="{classes}" id="{node.key}" href="{escape(target)}">{inside}</a>'


def _label(box: Box, kind: str, dy: int, text: str, char_width: float) -> str:
    room = box.width - 10
    needed = len(text) * char_width
    fitted = f' textLength="{room:.1f}" lengthAdjust="spacingAndGlyphs"' if room < needed <= room * SQUEEZE else ""
    shortest = text if needed <= room * SQUEEZE else shortened(text, int(room / char_width))
    return f'<text class="{kind}" x="{box.x:.1f}" y="{box.y + dy:.1f}"{fitted}>{_text(shortest)}</text>'


def _badge(new: int, node: Node, right: float, top: float) -> str:
    if not new:
        return ""
    label = "new" if node.kind == "relay" else f"{new:,} new"
    width = 10 + len(label) * 5.6
    return (
        f'<g class="badge"><rect x="{right - width:.1f}" y="{top - 11:.1f}" width="{width:.1f}" height="15" rx="7.5"/>'
        f'<text x="{right - width / 2:.1f}" y="{top:.1f}">{label}</text></g>'
    )


def _labels(node: Node) -> tuple[str, str]:
    """Two lines of a box: the host and its domain; the domain and how many; an address."""
    if node.kind == "others":
        return counted(len(node.relays), "other"), "folded"
    if node.kind == "domain":
        name = node.name if "/" in node.name else f"*.{node.name}"
        return shown(name), counted(len(node.relays), "relay")
    if node.name.startswith("["):
        return shown(node.name.strip("[]")), "no name"
    if grouped := _GROUPED.match(node.name):
        return f"{grouped[1]} alike", shown(grouped[2])
    domain = owner(node.name)
    host = node.name.removesuffix(domain).rstrip(".")
    return (shown(host), shown(domain)) if host else (shown(domain), "")


def _named(node: Node) -> str:
    if node.kind == "others":
        return f"{counted(len(node.relays), 'other')} in row {node.row}"
    return shown(node.name) if node.kind == "relay" else f"{shown(node.name)} ({counted(len(node.relays), 'relay')})"


def _box_tooltip(relays: RelayMap, node: Node) -> str:
    rows = [_named(node), f"{counted(node.messages, 'message')}, {STANDING_WORDS[node.standing]}"]
    if node.kind == "relay":
        stats, filters = relays.relays[node.name], relays.filters.get(node.name)
        if stats.reach.n:
            rows.append(f"time from here to us: median {duration(stats.reach.median_s)}")
        if filters is not None:
            rows.append(f"own filter: {filters.traversals:,} times, median {duration(filters.delays.median_s)}")
        return "\n".join(rows)
    rows += [f"{shown(name)}: {relays.relays[name].messages:,}" for name in node.relays[:TOOLTIP_RELAYS]]
    if len(node.relays) > TOOLTIP_RELAYS:
        rows.append(f"and {len(node.relays) - TOOLTIP_RELAYS:,} more")
    return "\n".join(rows)


def _text(text: str) -> str:
    """Text that any XML parser takes; tooltips keep their lines."""
    return escape("\n".join(shown(line, limit=600) for line in text.split("\n")))
