"""Curves as an SVG: a share on the x axis, a rate on a logarithmic y axis, and a label at the end of each curve."""

import math
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 640, 360
LEFT, RIGHT, TOP, BOTTOM = 60, 130, 60, 50  # margins
LINE = 16
COLOURS = ("#555555", "#0b6e4f", "#b3541e")  # told apart in grey too, and by their dashes
DASHES = ("2 3", "none", "8 4")
STEPS = (1, 2, 5)  # of each decade, on the y axis
STYLE = "text { font: 13px sans-serif; fill: #222 } .grid { stroke: #ddd } path { fill: none; stroke-width: 2 }"


def draw(title: str, axes: tuple[str, str], places: Sequence[float], curves: Mapping[str, Sequence[float]]) -> str:
    """Return the picture; `places` are the x values of every curve, `axes` what is written at x and y."""
    low = 10 ** math.floor(math.log10(min(map(min, curves.values()))))
    high = max(map(max, curves.values())) * 1.15

    def x(place: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (place - places[0]) / (places[-1] - places[0])

    def y(value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * math.log(high / value) / math.log(high / low)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        f"<title>{escape(title)}</title><style>{STYLE}</style>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/><text x="{LEFT}" y="22">{escape(title)}</text>',
    ]
    for tick in (low * step * 10**decade for decade in range(9) for step in STEPS):
        if tick <= high:
            parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>')
            parts.append(f'<text x="{LEFT - 8}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:g}</text>')
    parts += [
        f'<text x="{x(place):.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{place:g}</text>' for place in places
    ]
    parts.append(f'<text x="{LEFT}" y="{HEIGHT - 10}">{escape(axes[0])}</text>')
    parts.append(f'<text x="{LEFT}" y="{TOP - 14}">{escape(axes[1])}</text>')
    for values, colour, dash in zip(curves.values(), COLOURS, DASHES, strict=False):
        points = [(x(place), y(value)) for place, value in zip(places, values, strict=True)]
        way = " L".join(f"{across:.1f} {down:.1f}" for across, down in points)
        parts.append(f'<path d="M{way}" stroke="{colour}" stroke-dasharray="{dash}"/>')
        parts += [f'<circle cx="{across:.1f}" cy="{down:.1f}" r="3" fill="{colour}"/>' for across, down in points]
    free = 0.0  # below the label before, so that none covers another
    for name, values in sorted(curves.items(), key=lambda curve: -curve[1][-1]):
        free = max(free + LINE, y(values[-1]) + 4)
        parts.append(f'<text x="{WIDTH - RIGHT + 10}" y="{free:.1f}">{escape(name)}</text>')
    return "\n".join([*parts, "</svg>", ""])
