"""Several maps in one picture or on one page, each under its title, to be looked at beside each other."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from markupsafe import Markup

from hoptrail_reports.pages.templates import environment
from hoptrail_reports.shown import shown
from hoptrail_reports.topology.compare import Comparison, comparison_lists
from hoptrail_reports.topology.graph import RelayMap
from hoptrail_reports.topology.svg import NAMESPACE, VIEW_BOX

_IDS: Final = re.compile(r'(\bid="|url\(#)')
_ID_LISTS: Final = re.compile(r'(aria-labelledby|data-ends)="([^"]*)"')
_GAP: Final = 40
_TITLE_HEIGHT: Final = 44


@dataclass(frozen=True, slots=True)
class Panel:
    """One of the maps: its title, the map, and the SVG element that `svg.draw` made of it."""

    title: str
    relays: RelayMap
    drawn: str


def side_by_side(panels: Sequence[Panel], *, title: str) -> str:
    """The maps as one SVG element, from the left to the right."""
    sizes = [_size(panel.drawn) for panel in panels]
    width = sum(wide for wide, _ in sizes) + _GAP * (len(panels) - 1)
    height = max(high for _, high in sizes) + _TITLE_HEIGHT
    parts = [
        f'<svg class="map" xmlns="{NAMESPACE}" viewBox="0 0 {width} {height}" role="group" aria-label="{_text(title)}">'
    ]
    left = 0
    for number, (panel, (wide, high)) in enumerate(zip(panels, sizes, strict=True)):
        heading = f'<text font-size="17" font-weight="600" text-anchor="middle" x="{left + wide // 2}" y="26">'
        place = f'x="{left}" y="{_TITLE_HEIGHT}" width="{wide}" height="{high}"'
        parts += [
            f"{heading}{_text(panel.title)}</text>",
            _with_own_ids(panel.drawn, number).replace("<svg ", f"<svg {place} ", 1),
        ]
        left += wide + _GAP
    return "\n".join([*parts, "</svg>"])


def maps_page(panels: Sequence[Panel], *, title: str, comparison: Comparison | None = None) -> str:
    """The maps on a page of their own, and what differs from the first to the second, where that was worked out."""
    maps = [
        (panel.title, panel.relays, Markup(_with_own_ids(panel.drawn, number)))  # noqa: S704 - escaped where it is made
        for number, panel in enumerate(panels)
    ]
    lists = comparison_lists(comparison) if comparison else []
    return environment().get_template("maps.html").render(title=title, maps=maps, comparison=comparison, lists=lists)


def _text(text: str) -> str:
    return escape(shown(text))


def _size(drawn: str) -> tuple[int, int]:
    found = VIEW_BOX.search(drawn)
    assert found is not None
    return int(found[1]), int(found[2])


def _with_own_ids(drawn: str, number: int) -> str:
    """The element with ids that no other map in the same document has."""
    drawn = _IDS.sub(rf"\g<1>m{number}-", drawn)
    return _ID_LISTS.sub(
        lambda found: f'{found[1]}="{" ".join(f"m{number}-{one}" for one in found[2].split())}"', drawn
    )
