"""What changed since an earlier day, in few letters; countries and autonomous systems as rows that say so."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from hoptrail_reports.geography import Region
from hoptrail_reports.report import LISTED_IN_JSON
from hoptrail_reports.shown import percent

MINUS: Final = "\N{MINUS SIGN}"
LEAST: Final = 0.001
"""What moved by less is called the same."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """A region in its place; `change` is of its messages since the day before, in words, "" where none is known."""

    place: int
    region: Region
    change: str


def ranked(
    regions: Sequence[Region], day_before: Mapping[str, Any] | None, kind: str, of: str = "messages"
) -> list[Ranked]:
    """The regions numbered; `kind` is their list in the figures of a day, `of` what changed: "messages" or "spam"."""
    listed = day_before.get(kind) if day_before else None
    then = None if listed is None else {entry["code"]: int(entry[of]) for entry in listed}
    return [
        Ranked(place, region, _change(getattr(region, of), then, region.code))
        for place, region in enumerate(regions, 1)
    ]


def _change(now: int, then: Mapping[str, int] | None, code: str) -> str:
    if then is None:
        return ""
    if code not in then and len(then) >= LISTED_IN_JSON:
        return "new to the list"
    return change(now, then.get(code, 0))


def change(now: int, then: int) -> str:
    """How much a count changed, in few letters: "+12%", "-3.1%", or "was 7" where it was nothing or grew manifold."""
    if now == then:
        return "same"
    if now >= 10 * then:
        return f"was {then:,}"
    moved = abs(now - then) / then
    return f"{'+' if now > then else MINUS}{percent(moved)}" if moved >= LEAST else "same"


def share_change(now: float | None, then: float | None) -> str:
    """How much a share changed, in percentage points: "+1.2 pts"; "" where one of the two is not known."""
    if now is None or then is None:
        return ""
    moved = round(100 * (now - then), 1)
    return f"{'+' if moved > 0 else MINUS}{abs(moved):.1f} pts" if moved else "same"
