"""Bar charts as SVG: a value over each bar, a label below it, a tooltip on it."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

_WIDTH, _HEIGHT, _TOP, _BOTTOM = 720, 190, 18, 26
_LABEL_WIDTH = 46
"""Room for one label in user units; with more bars than fit, only some are labelled."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: its label and tooltip, its value, and the part of it that is marked (hatched)."""

    label: str
    value: int
    title: str
    marked: int = 0
    kind: str = ""


def bars(items: Sequence[Bar], *, title: str) -> Markup:
    """The chart, for inclusion in HTML."""
    most = max((item.value for item in items), default=0)
    slot = _WIDTH / max(1, len(items))
    every = max(1, -(-_LABEL_WIDTH // int(slot)))
    parts = [
        Markup('<svg class="chart" viewBox="0 0 {} {}" role="img"><title>{}</title>{}').format(
            _WIDTH, _HEIGHT, title, _HATCH if any(item.marked for item in items) else ""
        )
    ]
    for index, item in enumerate(items):
        parts.append(_bar(item, most, index * slot, slot, labelled=index % every == 0))
    base = _HEIGHT - _BOTTOM
    parts.append(Markup('<line class="axis" x1="0" x2="{}" y1="{}" y2="{}"/></svg>').format(_WIDTH, base, base))
    return Markup("").join(parts)


_HATCH = Markup(
    '<defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<rect class="ground" width="6" height="6"/><line class="hatch" y2="6"/></pattern></defs>'
)


def _bar(item: Bar, most: int, left: float, slot: float, *, labelled: bool) -> Markup:
    room = _HEIGHT - _TOP - _BOTTOM
    base = _HEIGHT - _BOTTOM
    height = max(1.5, room * item.value / most) if item.value else 0.0
    width = min(slot * 0.78, 60)
    middle = left + slot / 2
    parts = [Markup("<g><title>{}</title>").format(item.title)]
    if item.value:
        parts.append(_rectangle(f"bar {item.kind}".strip(), middle - width / 2, base - height, width, height))
    if item.marked:
        part = height * item.marked / item.value
        parts.append(_rectangle("bar spam", middle - width / 2, base - part, width, part))
    if item.value and slot >= _LABEL_WIDTH / 2:
        parts.append(_label("value", middle, base - height - 5, _short(item.value)))
    if labelled:
        parts.append(_label("label", max(middle, _LABEL_WIDTH / 2), _HEIGHT - 9, item.label))
    return Markup("").join([*parts, Markup("</g>")])


def _rectangle(kind: str, x: float, y: float, width: float, height: float) -> Markup:
    return Markup('<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>').format(
        kind, x, y, width, height
    )


def _label(kind: str, x: float, y: float, text: str) -> Markup:
    return Markup('<text class="{}" x="{:.1f}" y="{:.1f}">{}</text>').format(kind, x, y, text)


def _short(number: int) -> str:
    """A count in at most four characters: 950, 1.2k, 34k, 5.6M."""
    for size, unit in ((1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")):
        if number >= size:
            return f"{number / size:.1f}{unit}" if number < 10 * size else f"{number // size}{unit}"
    return str(number)
