"""The pages of one night as text: everything that came with mail is made printable and escaped."""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice
from typing import Any, Final

from markupsafe import Markup

from hoptrail_reports.attention import notices
from hoptrail_reports.detectors.records import PastFinding
from hoptrail_reports.geography import worst
from hoptrail_reports.pages.figures import cards, delay_chart, history_chart, refused_chart, score_chart
from hoptrail_reports.pages.ranking import ranked
from hoptrail_reports.pages.templates import environment
from hoptrail_reports.pages.world import SHADES, world_map
from hoptrail_reports.report import DayReport
from hoptrail_reports.settings import ReportSettings
from hoptrail_reports.topology import svg
from hoptrail_reports.topology.colours import WORDS, Colour, Thresholds, meaning
from hoptrail_reports.topology.details import EACH_MOST, RelayDetails
from hoptrail_reports.topology.fold import Folded, fold
from hoptrail_reports.topology.graph import RelayMap
from hoptrail_reports.topology.grouping import owner
from hoptrail_reports.topology.usage import RelayStats

ROWS_SHOWN: Final = 12
"""Rows of a small table: what is read in ten minutes. summary.json and the store have the others."""

RELAYS_LISTED: Final = 1_000
LINKS_SHOWN: Final = 100
"""Rows of the long tables. With [reports] relay_pages they bound what a night takes on the disk."""


@dataclass(frozen=True, slots=True)
class RelayRow:
    """A relay in the table."""

    name: str
    standing: str
    row: int
    stats: RelayStats
    into: int
    out_of: int
    is_new: bool


class Pages:
    """Renders one night's pages; each method returns the text of one file."""

    def __init__(self, report: DayReport, settings: ReportSettings, *, earlier: date | None = None) -> None:
        """Prepare for a report; `earlier` is the last night before it that has pages."""
        self._report = report
        self._earlier = earlier
        self.thresholds = Thresholds(settings.backbone_share, settings.rare_share)
        self._environment = environment()
        self._folded = fold(
            report.relays, servers=settings.row_servers, domains=settings.row_domains, thresholds=self.thresholds
        )
        busiest = report.relays.busiest[: settings.relay_pages]
        self._files = {name: f"relays/{file_name(name)}" for name in busiest}
        self._new = frozenset(report.new_relays) if report.new_since else frozenset()

    @property
    def relay_files(self) -> Mapping[str, str]:
        """The relays that get a page, with its path below the night's folder."""
        return self._files

    def map_svg(self, *, linked: bool = True) -> str:
        """The map alone, as an SVG element."""
        return svg.draw(
            self._report.relays,
            self._folded,
            title=f"Mail relays on {self._report.day.isoformat()}",
            link_to=self._files.get if linked else lambda _: None,
            new=self._new,
        )

    def index(self) -> str:
        """The night's report."""
        report, changes = self._report, self._report.changes
        countries, systems = report.geography.countries, report.geography.systems
        return self._environment.get_template(
            "index.html"
        ).render(
            report=report,
            earlier=self._earlier,
            notices=notices(report),
            cards=cards(report),
            map=Markup(self.map_svg()),  # noqa: S704 - escaped where it is made
            legend=[(colour, WORDS[colour], meaning(colour, self.thresholds)) for colour in Colour],
            gone=list(report.gone.items())[:ROWS_SHOWN],
            shares=changes.shares[:ROWS_SHOWN] if changes else (),
            delays=changes.delays[:ROWS_SHOWN] if changes else (),
            rows=list(self._rows()),
            anomalies=sorted(report.totals.anomalies, key=lambda item: -item[1])[:ROWS_SHOWN],
            score_chart=score_chart(report),
            refused_chart=refused_chart(report),
            week_shifts=(report.week_shifts or ())[:ROWS_SHOWN],
            world_map=world_map(countries, report.totals.messages) if countries else "",
            shades=SHADES,
            countries=ranked(countries[:ROWS_SHOWN], report.day_before, "countries"),
            systems=ranked(systems[:ROWS_SHOWN], report.day_before, "systems"),
            spammers=ranked(worst(systems)[:ROWS_SHOWN], report.day_before, "systems", "spam"),
            page_of=self._files.get,
            limit=ROWS_SHOWN,
        )

    def relay(
        self, name: str, history: Mapping[date, int], details: RelayDetails, past: Sequence[PastFinding] = ()
    ) -> str:
        """The page of one relay, with its messages by day, what else is known of it, and what was found about it."""
        report, relays = self._report, self._report.relays
        stats = relays.relays[name]
        return self._environment.get_template("relay.html").render(
            report=report,
            name=name,
            stats=stats,
            standing=svg.STANDING_WORDS[relays.standing[name]],
            is_new=name in self._new,
            row=relays.rows[name],
            ranks=sorted(stats.ranks.items()),
            owner=owner(name),
            details=details,
            addresses_shown=EACH_MOST,
            drafts=[draft for draft in report.drafts if draft.about in details.addresses],
            past=past[:ROWS_SHOWN],
            filters=relays.filters.get(name),
            reach_chart=delay_chart(stats.reach),
            history_chart=history_chart(report.day, history),
            into=relays.into.get(name, ()),
            out_of=relays.out_of.get(name, ()),
            words=WORDS,
            page_of=lambda other: self._files[other].removeprefix("relays/") if other in self._files else None,
            limit=LINKS_SHOWN,
        )

    def _rows(self) -> Iterator[RelayRow]:
        relays = self._report.relays
        for name in islice(self._files, RELAYS_LISTED):
            yield RelayRow(
                name,
                str(relays.standing[name]),
                relays.rows[name],
                relays.relays[name],
                len(relays.into.get(name, ())),
                len(relays.out_of.get(name, ())),
                name in self._new,
            )


@dataclass(frozen=True, slots=True)
class NightLine:
    """A night in the list of all: the figures its report left in the store, None where they are gone."""

    day: date
    figures: Mapping[str, Any] | None
    findings: int


def nights_page(host: str, nights: Sequence[NightLine]) -> str:
    """The list of all nights, newest first."""
    newest_first = sorted(nights, key=lambda night: night.day, reverse=True)
    return environment().get_template("nights.html").render(host=host, nights=newest_first)


def map_page(relays: RelayMap, drawing: Folded, *, title: str) -> str:
    """One map with its relays in a table, as a page of its own."""
    busiest = [(name, relays.relays[name]) for name in relays.busiest]
    drawn = Markup(svg.draw(relays, drawing, title=title))  # noqa: S704 - escaped where it is made
    return (
        environment()
        .get_template("map.html")
        .render(title=title, relays=relays, map=drawn, rows=busiest[:RELAYS_LISTED])
    )


def file_name(relay: str) -> str:
    """A relay's page: readable, and safe whatever a sender called itself."""
    readable = re.sub(r"[^a-z0-9.-]+", "_", relay.strip("[]")).strip("._-")[:60]
    digest = hashlib.sha256(relay.encode("utf-8", "surrogatepass")).hexdigest()[:10]
    return f"{readable or 'relay'}-{digest}.html"
