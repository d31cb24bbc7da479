"""The world map: countries shaded by the hosts that sent mail, discs by how much it was, cores by how much was spam.

The outlines are Natural Earth's, which are in the public domain, projected after Robinson by tools/worldmap.py.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from math import log10, sqrt
from typing import Any, Final

from markupsafe import Markup

from hoptrail_reports.geography import Region
from hoptrail_reports.shown import counted, percent

RADIUS_MOST: Final = 26.0
RADIUS_LEAST: Final = 2.2
SHADES: Final = ("1 to 9 addresses", "10 to 99", "100 to 999", "1,000 or more")
"""What the shades mean, the faintest first."""

LABELLED: Final = 8
LETTER_WIDTH: Final = 6.2
LETTER_HEIGHT: Final = 10.0


def world_map(countries: Sequence[Region], messages: int) -> Markup:
    """The map as SVG for inclusion in HTML; `messages` are those that shares are shares of."""
    world = outlines()
    size = f"{world['width']} {world['height']}"
    placed = [region for region in countries if region.code in world["countries"]]
    named = placed[:LABELLED]
    busiest = ", ".join(f"{country_name(one.code)} {percent(one.messages / messages)}" for one in named)
    return Markup("").join(
        [
            Markup(
                '<svg class="world" viewBox="0 0 {}" role="img" aria-labelledby="world-title world-text">'
                '<title id="world-title">Where mail came from</title><desc id="world-text">{}</desc>'
            ).format(size, f"Most mail: {busiest}." if busiest else "No mail that can be placed."),
            *_land(world["countries"], {region.code: region for region in placed}, messages),
            *(_disc(world["countries"][one.code]["at"], one, placed[0].messages, messages) for one in placed),
            *_labels(world["countries"], named, messages),
            Markup("</svg>"),
        ]
    )


@cache
def outlines() -> Mapping[str, Any]:
    """Width and height of the drawing, and by code each country's name, middle, and path where it is not too small."""
    text = files("hoptrail_reports.pages").joinpath("world.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


def country_name(code: str) -> str:
    """A country's name, or its code where it is on no map."""
    known = outlines()["countries"].get(code)
    return str(known["name"]) if known else code


def shade(region: Region) -> int:
    """The index into SHADES of a country."""
    return min(int(log10(max(1, region.addresses))), len(SHADES) - 1)


def _land(countries: Mapping[str, Mapping[str, Any]], regions: Mapping[str, Region], messages: int) -> Iterator[Markup]:
    empty = "".join(country.get("path", "") for code, country in countries.items() if code not in regions)
    yield Markup('<path class="land" d="{}"/>').format(empty)
    for code, region in regions.items():
        if path := countries[code].get("path"):
            yield Markup('<path class="land shade{}" d="{}"><title>{}</title></path>').format(
                shade(region), path, _tooltip(region, messages)
            )


def _radius(region: Region, most: int) -> float:
    return max(RADIUS_LEAST, RADIUS_MOST * sqrt(region.messages / most))


def _disc(at: Sequence[int], region: Region, most: int, messages: int) -> Markup:
    radius = _radius(region, most)
    core = (
        Markup('<circle class="core" cx="{}" cy="{}" r="{:.1f}"/>').format(*at, radius * sqrt(region.spam_share))
        if region.spam
        else ""
    )
    return Markup('<g><title>{}</title><circle class="disc" cx="{}" cy="{}" r="{:.1f}"/>{}</g>').format(
        _tooltip(region, messages), *at, radius, core
    )


def _labels(countries: Mapping[str, Mapping[str, Any]], regions: Sequence[Region], messages: int) -> Iterator[Markup]:
    """A label beside each disc, on the side where it covers no other one; what finds no room is in the table."""
    taken: list[tuple[float, float, float]] = []
    for region in regions:
        text = f"{region.code} {percent(region.messages / messages)}"
        width, away = len(text) * LETTER_WIDTH, _radius(region, regions[0].messages) + 2
        x, y = countries[region.code]["at"]
        sides = ((x + away, y + 3), (x - away - width, y + 3), (x - width / 2, y + away + 8), (x - width / 2, y - away))
        for left, base in sides:
            if all(left > x2 or left + width < x1 or abs(base - other) > LETTER_HEIGHT for x1, x2, other in taken):
                taken.append((left, left + width, base))
                yield Markup('<text x="{:.0f}" y="{:.0f}">{}</text>').format(left, base, text)
                break


def _tooltip(region: Region, messages: int) -> str:
    return (
        f"{country_name(region.code)}\n{counted(region.messages, 'message')}, {percent(region.messages / messages)}\n"
        f"{counted(region.addresses, 'address', 'addresses')}, {percent(region.spam_share)} spam"
    )
