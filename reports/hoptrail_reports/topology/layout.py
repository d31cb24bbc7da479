"""Where each box of a folded map stands: rows from top to bottom, crossings few."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from hoptrail_reports.topology.fold import Folded, Line, Node

WIDTH = 1480
"""In user units, which are pixels on a wide screen; more only where a row would not fit."""
NARROWEST_SLOT = 92
WIDEST_SLOT = 210
GAP = 7
BOX_HEIGHT = 50
ROW_HEIGHT = 148
MARGIN_LEFT = 70
MARGIN_RIGHT = 10
MARGIN_TOP = 34
SWEEPS = 6


@dataclass(frozen=True, slots=True)
class Box:
    """A node's rectangle: its centre, and its width."""

    node: Node
    x: float
    y: float
    width: float

    @property
    def top(self) -> float:
        """The upper edge."""
        return self.y - BOX_HEIGHT / 2

    @property
    def bottom(self) -> float:
        """The lower edge."""
        return self.y + BOX_HEIGHT / 2


@dataclass(frozen=True, slots=True)
class Layout:
    """The boxes by node, and the picture's size."""

    boxes: Mapping[Node, Box]
    width: float
    height: float


def place(drawing: Folded) -> Layout:
    """The place of every node of a folded map."""
    rows = _ordered(drawing)
    widest = max((len(row) for row in rows), default=1)
    margins = MARGIN_LEFT + MARGIN_RIGHT
    width = max(WIDTH, margins + NARROWEST_SLOT * widest)
    boxes = {}
    for index, row in enumerate(rows):
        slot = min(WIDEST_SLOT, (width - margins) / len(row))
        left = MARGIN_LEFT + (width - margins - slot * len(row)) / 2
        y = MARGIN_TOP + BOX_HEIGHT / 2 + index * ROW_HEIGHT
        for place_in_row, node in enumerate(row):
            boxes[node] = Box(node, left + slot * (place_in_row + 0.5), y, slot - GAP)
    return Layout(boxes, width, MARGIN_TOP * 2 + BOX_HEIGHT + ROW_HEIGHT * max(0, len(rows) - 1))


def _ordered(drawing: Folded) -> list[Sequence[Node]]:
    """The rows, each ordered by the mean place of its neighbours, swept down and up until crossings are few."""
    neighbours = _neighbours(drawing.lines)
    rows: list[Sequence[Node]] = list(drawing.rows)
    place_of = {node: (i + 0.5) / len(row) for row in rows for i, node in enumerate(row)}
    for sweep in range(SWEEPS):
        order = range(len(rows)) if sweep % 2 == 0 else range(len(rows) - 1, -1, -1)
        for index in order:
            rows[index] = _by_barycentre(rows[index], neighbours, place_of)
            place_of |= {node: (i + 0.5) / len(rows[index]) for i, node in enumerate(rows[index])}
    return rows


def _by_barycentre(
    row: Sequence[Node], neighbours: Mapping[Node, Mapping[Node, int]], place_of: Mapping[Node, float]
) -> list[Node]:
    def key(node: Node) -> tuple[bool, float, str]:
        weights = {other: n for other, n in neighbours.get(node, {}).items() if other.row != node.row}
        total = sum(weights.values())
        centre = sum(place_of[other] * n for other, n in weights.items()) / total if total else place_of[node]
        return node.kind == "others", round(centre, 6), node.name

    return sorted(row, key=key)


def _neighbours(lines: Iterable[Line]) -> dict[Node, dict[Node, int]]:
    found: defaultdict[Node, dict[Node, int]] = defaultdict(dict)
    for line in lines:
        for one, other in ((line.source, line.target), (line.target, line.source)):
            found[one][other] = found[one].get(other, 0) + line.traversals
    return dict(found)
