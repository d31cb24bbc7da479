"""What one night's report knows: the day's figures, its map, what it is compared with, and how the night went."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from typing import Any, Final

from hoptrail_reports.detectors.finding import Finding, finding_figures
from hoptrail_reports.geography import Geography, Region, worst
from hoptrail_reports.refusals import Harvest
from hoptrail_reports.topology.colours import Colour
from hoptrail_reports.topology.compare import Comparison
from hoptrail_reports.topology.graph import RelayMap
from hoptrail_reports.weekly import RelayShift
from hoptrail_store.reader import DaySummary

HISTORY: Final = timedelta(days=27)
"""How far charts look back from the day itself: four weeks in all."""

LISTED_IN_JSON: Final = 100
"""Entries of a list in summary.json; the counts beside it are complete."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the nightly job: done with a word on what, or failed with the reason."""

    name: str
    failed: bool = False
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ZoneUse:
    """How often a DNS list was asked, listed an address, and gave no proper answer."""

    zone: str
    asked: int
    listed: int
    failed: int


@dataclass(frozen=True, slots=True)
class DraftLine:
    """An abuse draft as the page lists it."""

    id: str
    about: str
    contact: str
    messages: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class DayReport:
    """Everything the pages, the text and the JSON of one night are made from; the same store gives the same report."""

    host: str
    day: date
    totals: DaySummary
    relays: RelayMap
    spam_scores: Mapping[int, int] = field(default_factory=dict)  # the spam among totals.scores, by the points' floor
    harvests: tuple[Harvest, ...] = ()
    zones: tuple[ZoneUse, ...] = ()
    geography: Geography = field(default_factory=Geography)
    refused_history: Mapping[date, tuple[int, int]] = field(default_factory=dict)  # earlier days: refused, named
    day_before: Mapping[str, Any] | None = None  # figures of the report of the day before
    week_before: Mapping[str, Any] | None = None
    changes: Comparison | None = None  # against the day before
    gone: Mapping[str, float] = field(default_factory=dict)  # relays of the day before with their share, busiest first
    week_shifts: tuple[RelayShift, ...] | None = None  # against a week before; None: that day has no map
    new_relays: tuple[str, ...] = ()  # busiest first
    new_since: date | None = None  # the first day that was looked back to; None: there was no earlier map
    drafts: tuple[DraftLine, ...] = ()
    findings: tuple[Finding, ...] = ()  # most pressing first
    steps: tuple[Step, ...] = field(default=())

    @property
    def failed_steps(self) -> list[Step]:
        """The steps that failed."""
        return [step for step in self.steps if step.failed]

    @property
    def refused_share(self) -> float | None:
        """Refused recipients as a share of all that were named, None where none were."""
        named = self.totals.recipients + self.totals.refusals
        return self.totals.refusals / named if named else None

    @property
    def spam_share(self) -> float | None:
        """Spam as a share of what was scored, None where nothing was."""
        scored = sum(count for _, count in self.totals.scores)
        return self.totals.spam / scored if scored else None


def figures(report: DayReport) -> dict[str, Any]:
    """The report as plain JSON values: summary.json, and what later days compare themselves with."""
    totals, relays = asdict(report.totals), report.relays
    totals |= {name: dict(totals[name]) for name in ("scores", "unscored", "anomalies")}
    edges = relays.edges
    colours = Counter(edges.colour.tolist())
    return {
        **totals,
        "day": report.day.isoformat(),
        "host": report.host,
        "refused_share": report.refused_share,
        "spam_share": report.spam_share,
        "map": {
            "messages": relays.messages,
            "relays": len(relays.relays),
            "links": len(relays.edges),
            "observed": int(edges.figure("traversals", edges.observed).sum()),
            "claimed": int(edges.figure("traversals", edges.claimed).sum()),
            "filtered": int(relays.own.total("traversals").sum()),
            "pruned": relays.pruned,
            "colours": {str(colour): colours[at] for at, colour in enumerate(Colour)},
        },
        "new_relays": _counted(report.new_relays),
        "changes": _changes(report.changes),
        "week_shifts": [asdict(shift) for shift in (report.week_shifts or ())[:LISTED_IN_JSON]],
        "countries": [asdict(region) for region in report.geography.countries],
        "systems": [asdict(region) for region in _listed(report.geography.systems)],
        "unplaced": report.geography.unplaced,
        "harvests": [asdict(harvest) for harvest in report.harvests],
        "zones": [asdict(zone) for zone in report.zones],
        "findings": [finding_figures(finding) for finding in report.findings[:LISTED_IN_JSON]],
        "drafts": [asdict(draft) for draft in report.drafts],
        "steps": [asdict(step) for step in report.steps],
    }


def _changes(changes: Comparison | None) -> dict[str, Any] | None:
    if changes is None:
        return None
    return {
        "relays_added": _counted(changes.relays_added),
        "relays_removed": _counted(changes.relays_removed),
        "links_added": _counted(changes.links_added),
        "links_removed": _counted(changes.links_removed),
        "shares": [asdict(shift) for shift in changes.shares[:LISTED_IN_JSON]],
        "delays": [asdict(shift) for shift in changes.delays[:LISTED_IN_JSON]],
        "divergence": round(changes.divergence, 6),
    }


def _listed(systems: Sequence[Region]) -> list[Region]:
    """Those with most mail, and those with most spam that are not among them."""
    busiest = list(systems[:LISTED_IN_JSON])
    return busiest + [system for system in worst(systems)[:LISTED_IN_JSON] if system not in busiest]


def _counted(entries: Sequence[object]) -> dict[str, Any]:
    return {"count": len(entries), "first": list(entries[:LISTED_IN_JSON])}
