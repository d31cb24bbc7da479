"""The four colours of STAMP's links: loop, backbone, common, rare.

Each has a dash pattern and a word of its own, since colour is never the only sign.
"""

from dataclasses import dataclass
from enum import StrEnum

from hoptrail_reports.shown import percent


class Colour(StrEnum):
    """What the use of a link looks like, by the share f of all messages that took it."""

    GREEN = "green"  # some message passed it in a loop, whatever its share
    BLUE = "blue"  # nearly all mail takes it: f >= backbone
    PURPLE = "purple"  # in between
    RED = "red"  # hardly any mail takes it: f < rare
    NONE = "none"  # a node that stands for many others is at its end: it has no share of its own


WORDS = {
    Colour.GREEN: "loop",
    Colour.BLUE: "backbone",
    Colour.PURPLE: "common",
    Colour.RED: "rare",
    Colour.NONE: "folded",
}


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Shares of all messages between which a link is common."""

    backbone: float = 0.99
    rare: float = 0.05


def colour(messages: int, total: int, *, looped: bool, thresholds: Thresholds) -> Colour:
    """The colour of a link that `messages` of `total` took."""
    if looped:
        return Colour.GREEN
    share = min(1.0, messages / total) if total else 0.0
    if share >= thresholds.backbone:
        return Colour.BLUE
    return Colour.RED if share < thresholds.rare else Colour.PURPLE


def meaning(colour: Colour, thresholds: Thresholds) -> str:
    """What a colour says, for a legend."""
    return {
        Colour.GREEN: "some message came back to a relay it had left",
        Colour.BLUE: f"{percent(thresholds.backbone)} of all mail or more",
        Colour.PURPLE: "in between",
        Colour.RED: f"under {percent(thresholds.rare)} of all mail",
        Colour.NONE: "ends in a box of many others",
    }[colour]
