"""Small charts as figures for SVG attributes."""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 720, 120


@dataclass(frozen=True, slots=True)
class Column:
    """One column, in the units of the chart's view box."""

    x: float
    y: float
    width: float
    height: float


def columns(counts: Sequence[int]) -> tuple[Column, ...]:
    """A column for each count, from the left; all of no height where nothing was counted."""
    step, most = WIDTH / max(1, len(counts)), max(counts, default=0)
    return tuple(
        Column(round(at * step + step * 0.1, 1), round(HEIGHT - tall, 1), round(step * 0.8, 1), round(tall, 1))
        for at, tall in enumerate(HEIGHT * count / most if most else 0.0 for count in counts)
    )
