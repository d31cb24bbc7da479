"""What a detector reports, and what it is given: plain values, so that one needs no store to be tried out."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hoptrail_reports.refusals import Harvest
from hoptrail_reports.topology.columns import Ints
from hoptrail_reports.topology.traffic import Traffic
from hoptrail_reports.topology.usage import Link


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong. `kind` and `subject` together tell whether it is the same as the day before's."""

    kind: str  # a short code: "silence"
    subject: str  # what it is about: a relay, "a.example -> b.example", a domain
    score: float  # 0..1: how sure it is and how much mail it touches; findings are ranked by it
    sentence: str  # for a person
    evidence: Mapping[str, float | int | str] = field(default_factory=dict)  # the figures behind the sentence
    relay: str | None = None  # whose page tells more
    since: date | None = None  # the first day of it, where it is not the day looked at


class Course(NamedTuple):
    """How mail went over a link from day to day; `target` is empty where a whole domain's mail is meant."""

    source: str
    target: str
    hours: NDArray[np.integer[Any]]  # days x 24 messages, by UTC hour; of a small type: differences need another
    delays: NDArray[np.integer[Any]]  # a day: how many were dated on both sides
    median_s: NDArray[np.floating[Any]]  # a day: median delay; NaN where there is none

    @property
    def subject(self) -> str:
        """The link or the domain, for a finding."""
        return f"{self.source} -> {self.target}" if self.target else self.source


@dataclass(frozen=True, slots=True)
class Observations:
    """Some weeks of daily figures up to the day looked at, which is the last of `days`."""

    days: tuple[date, ...]  # consecutive, oldest first
    mapped: NDArray[np.bool_]  # a day: whether its figures are known
    courses: tuple[Course, ...] = ()  # busy links, and the domains that hand mail to us
    traffic: Traffic = field(default_factory=Traffic)  # of the last day
    known_relays: frozenset[str] = frozenset()  # of earlier days, as far back as what is new is told by
    looked_back_to: date | None = None  # the first of these days; None: no relay was on any
    new_links: frozenset[Link] = frozenset()  # of ours, with much mail on the last day and on no map of these days
    harvests: tuple[Harvest, ...] = ()  # client networks with recipients refused on the last day, most of these first
    refused: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))  # a day: recipients refused,
    named: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))  # and all named; 0 where unknown

    @property
    def day(self) -> date:
        """The day looked at."""
        return self.days[-1]


def finding_figures(finding: Finding) -> dict[str, Any]:
    """A finding as plain JSON values, for programs."""
    return {**asdict(finding), "since": finding.since and finding.since.isoformat()}


MUCH_LEAST: Final = 10
MUCH_SHARE: Final = 0.005
"""Of the day's mail: strangers with less come every day."""


def is_much(messages: Ints, total: int) -> NDArray[np.bool_]:
    """Which relays or links with so many of a day's messages are worth a word where they are new."""
    return messages >= max(MUCH_LEAST, MUCH_SHARE * total)


Detector = Callable[[Observations], Iterable[Finding]]
"""A function of one argument: all that a plug-in has to be."""
