"""Bar charts as SVG: a value over each bar, a label below it, a tooltip on it."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

_WIDTH, _HEIGHT, _TOP, _BOTTOM = 720, 190, 18, 26
_LABEL_WIDTH = 46
"""Room for one label in user units; with more bars than fit, only some are labelled."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: its label and tooltip, its value, the part of it that is marked (hatched), and the value in words."""

    label: str
    value: float
    title: str
    marked: int = 0
    kind: str = ""
    written: str | None = None  # None: the value itself


def bars(items: Sequence[Bar], *, title: str) -> Markup:
    """The chart, for inclusion in HTML; where labels are too many, the last one is among those that stand."""
    most = max((item.value for item in items), default=0)
    slot = _WIDTH / max(1, len(items))
    every = max(1, -(-_LABEL_WIDTH // int(slot)))
    words = "; ".join(item.title for item in items if item.value) or "nothing"
    parts = [
        Markup(
            '<div class="chart-frame"><svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}: {}">'
        ).format(_WIDTH, _HEIGHT, title, words)
    ]
    for index, item in enumerate(items):
        labelled = (len(items) - 1 - index) % every == 0
        parts.append(_bar(item, most, index * slot, slot, labelled=labelled))
    base = _HEIGHT - _BOTTOM
    parts.append(Markup('<line class="axis" x1="0" x2="{}" y1="{}" y2="{}"/></svg></div>').format(_WIDTH, base, base))
    return Markup("").join(parts)


def _bar(item: Bar, most: float, left: float, slot: float, *, labelled: bool) -> Markup:
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
        written = _short(int(item.value)) if item.written is None else item.written
        parts.append(_label(f"value {item.kind}".strip(), middle, base - height - 5, written))
    if labelled:
        inside = min(max(middle, _LABEL_WIDTH / 2), _WIDTH - _LABEL_WIDTH / 2)
        parts.append(_label(f"label {item.kind}".strip(), inside, _HEIGHT - 9, item.label))
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
            return f"{number / size:.1f}".removesuffix(".0") + unit if number < 10 * size else f"{number // size}{unit}"
    return str(number)
