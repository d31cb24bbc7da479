"""The nightly job: the map of a closed day, its pages, its abuse drafts, and the deletion of what is old.

Each step stands alone: one that fails is named in the report and the others are done. A run that is repeated gives the
same; a run that is killed leaves the last report as it was.
"""

import json
import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final, Protocol

from hoptrail_reports import drafting
from hoptrail_reports.detectors.finding import Finding
from hoptrail_reports.detectors.hours import NO_HOURS, Hours, day_hours, put_hours, usual_pairs
from hoptrail_reports.detectors.records import findings_about, findings_by_day, findings_of, observations, put_findings
from hoptrail_reports.detectors.run import installed, run_all
from hoptrail_reports.errors import DetectorsError, LookupsDownError, OpenDayError, ReportError
from hoptrail_reports.gather import gather
from hoptrail_reports.geography import PlaceOf, nowhere, places_in
from hoptrail_reports.pages.folder import NightsFolder
from hoptrail_reports.pages.render import NightLine, Pages, nights_page
from hoptrail_reports.report import HISTORY, DayReport, DraftLine, Step, figures
from hoptrail_reports.settings import AbuseSettings, ReportSettings
from hoptrail_reports.shown import counted
from hoptrail_reports.text import text
from hoptrail_reports.topology import svg, tables
from hoptrail_reports.topology.details import relay_details
from hoptrail_reports.topology.engine import open_parts, parts_traffic, whole_days
from hoptrail_reports.topology.traffic import Traffic
from hoptrail_store.archive.moving import expire_days, move_days
from hoptrail_store.errors import StoreError
from hoptrail_store.learning import is_learnt, learn
from hoptrail_store.reader import Reader, open_readonly
from hoptrail_store.recorder import drain
from hoptrail_store.retention import prune
from hoptrail_store.rows import milliseconds
from hoptrail_store.settings import StoreSettings
from hoptrail_store.store import Store
from hoptrail_tracer.lookups.settings import LookupSettings
from hoptrail_tracer.settings import SiteSettings

ONE_DAY: Final = timedelta(days=1)
MISSED_MOST: Final = 8
"""A week that was missed is made up for; a host that was off for longer begins anew with yesterday."""
MAP_STEP: Final = "map of relays"

_log = logging.getLogger("hoptrail.nightly")


@dataclass(frozen=True, slots=True)
class NightlySettings:
    """The sections of the configuration that the nightly job reads."""

    site: SiteSettings = field(default_factory=SiteSettings)
    lookups: LookupSettings = field(default_factory=LookupSettings)
    store: StoreSettings = field(default_factory=StoreSettings)
    reports: ReportSettings = field(default_factory=ReportSettings)
    abuse: AbuseSettings = field(default_factory=AbuseSettings)


class Progress(Protocol):
    """Who is told how far the job is."""

    def begin(self, step: str) -> None:
        """A step begins."""

    def expect(self, total: int) -> None:
        """The step has so many parts."""

    def advance(self) -> None:
        """One more part of the step is done."""


@dataclass(frozen=True, slots=True)
class Night:
    """What a night came to: the report, and where its pages are, None where they could not be written."""

    report: DayReport
    place: Path | None

    @property
    def text(self) -> str:
        """The plain summary."""
        return text(self.report, place=str(self.place / "index.html") if self.place else None)


def due_days(settings: NightlySettings, now: datetime) -> list[date]:
    """The days that a night's job has to do, oldest first: yesterday, and before it those that the last nights missed.

    What was missed lies after the last day that has a map, at most MISSED_MOST days back: a host that was off for long,
    or into which old mail was imported, begins with yesterday. Raises StoreError.
    """
    yesterday = now.astimezone(UTC).date() - ONE_DAY
    with open_readonly(settings.store.path) as reader:
        done = tables.mapped_days(reader.db.conn, yesterday - timedelta(days=MISSED_MOST), yesterday - ONE_DAY)
    missed = (yesterday - max(done)).days if done else 1
    return [yesterday - timedelta(days=back) for back in range(missed - 1, -1, -1)]


def run(settings: NightlySettings, day: date, *, progress: Progress, now: datetime) -> Night:
    """Do the nightly work for a closed UTC day.

    Raises OpenDayError, AlreadyRunningError, and StoreError where there is no store to read; what fails later is a
    failed step of the night.
    """
    today = now.astimezone(UTC).date()
    if day >= today:
        raise OpenDayError(f"{day} is not over yet (days are UTC days); the last closed day is {today - ONE_DAY}")
    folder = NightsFolder(Path(settings.reports.directory))
    drain(settings.store)  # what a milter that runs no more has left
    with (
        folder.locked(),
        open_readonly(settings.store.path) as reader,
        Store.open(settings.store) as store,
    ):
        return _Job(settings, day, now, reader, store, folder, progress).run()


@dataclass(slots=True)
class _Job:
    """One run: each method that ends in `_step` does one step and returns what the report says of it."""

    settings: NightlySettings
    day: date
    now: datetime
    reader: Reader
    store: Store
    folder: NightsFolder
    progress: Progress
    traffic: Traffic = field(default_factory=Traffic)
    hours: Hours = NO_HOURS
    place_of: PlaceOf = nowhere
    drafts: tuple[DraftLine, ...] = ()
    findings: tuple[Finding, ...] = ()
    steps: list[Step] = field(default_factory=list)

    def run(self) -> Night:
        self._attempt("what relays usually do", self._learn_step)
        self._attempt("archive", self._archive_step)
        self._attempt(MAP_STEP, self._map_step)
        self._attempt("abuse drafts", self._drafts_step)
        self._attempt("address databases", self._places_step)
        self.progress.begin("figures of the day")
        report = replace(
            gather(
                self.reader,
                self.host,
                self.day,
                self.traffic,
                settings=self.settings.reports,
                place_of=self.place_of,
            ),
            drafts=self.drafts,
        )
        self._attempt("map into the store", lambda: self._keep_step(report))
        self._attempt("anomalies", self._anomalies_step)
        self._attempt("old records", self._retention_step)
        report = replace(report, findings=self.findings, steps=tuple(self.steps))
        place = self._attempt("pages", lambda: self._pages_step(report))
        return Night(replace(report, steps=tuple(self.steps)), self.folder.path / str(self.day) if place else None)

    @property
    def host(self) -> str:
        """The name of this host, in the report and in the archive."""
        return self.settings.site.hostname or socket.getfqdn()

    def _attempt(self, name: str, step: Callable[[], str]) -> bool:
        self.progress.begin(name)
        try:
            detail = step()
        except Exception as error:  # noqa: BLE001 - a step of any kind must not keep the others from being done
            expected = isinstance(error, ReportError | StoreError | OSError)
            _log.error("the step %r failed: %s", name, error, exc_info=not expected)
            self.steps.append(Step(name, failed=True, detail=str(error) or type(error).__name__))
            return False
        self.steps.append(Step(name, detail=detail))
        return True

    def _map_step(self) -> str:
        settings, day = self.settings.store, whole_days(self.day, self.day)
        with open_parts(settings, day) as parts:
            self.traffic = parts_traffic(settings, parts, day, cluster=self.settings.reports.spark)
            self.hours = day_hours(parts, usual_pairs(self.reader.db.conn, self.day))
        return f"{counted(self.traffic.messages, 'message')}, {counted(self.traffic.hops, 'hop')}"

    def _anomalies_step(self) -> str:
        if any(step.failed for step in self.steps if step.name == MAP_STEP):
            return "not looked for, since there is no new map"
        put_hours(self.store, self.day, self.hours, self.traffic)
        connection, before = self.reader.db.conn, self.day - ONE_DAY
        seen = observations(connection, self.day, self.traffic, new_after_days=self.settings.reports.new_after_days)
        outcome = run_all(seen, installed(), before=findings_of(connection, before), before_day=before)
        self.findings = outcome.findings
        put_findings(self.store, self.day, self.findings)
        if outcome.failures:
            raise DetectorsError("; ".join(f"{name}: {why}" for name, why in outcome.failures.items()))
        return counted(len(self.findings), "finding")

    def _drafts_step(self) -> str:
        settings = self.settings
        summary = drafting.draft(
            self.day,
            self.store,
            site=settings.site,
            lookups=settings.lookups,
            abuse=settings.abuse,
            store_settings=settings.store,
            now=self.now,
        )
        self.drafts = drafting.open_drafts(self.store, self.day)
        if settings.abuse.draft and drafting.nothing_was_found(summary):
            raise LookupsDownError(
                f"no contact could be looked up ({drafting.outcome(summary)}); the next night tries again"
            )
        return drafting.outcome(summary)

    def _places_step(self) -> str:
        paths = self.settings.lookups.mmdb
        self.place_of = places_in(paths)
        return ", ".join(paths) or "none is set ([lookups] mmdb)"

    def _learn_step(self) -> str:
        learn(self.store, self.day)
        return "the day's believed lines and links are counted, once"

    def _archive_step(self) -> str:
        settings = self.settings.store
        if not settings.archive:
            return "none is set ([store] archive)"
        today = self.now.astimezone(UTC).date()
        learnt = self.day + ONE_DAY if is_learnt(self.store, self.day) else self.day  # nothing is, from the archive
        before = min(learnt, today - (settings.archive_after_days - 1) * ONE_DAY)
        moved = move_days(self.store, self.host, before=before, progress=self.progress.advance)
        return f"{counted(moved.hops, 'hop')} of {counted(moved.days, 'day')} moved"

    def _retention_step(self) -> str:
        today = self.now.astimezone(UTC).date()
        pruned = prune(self.store, now_ms=milliseconds(self.now))
        archived = expire_days(self.store, today)
        maps = nights = 0
        if keep_days := self.settings.store.keep_days:
            maps = tables.drop_days_before(self.store, today - timedelta(days=keep_days))
        if keep_days := self.settings.reports.keep_days:
            nights = self.folder.drop_before(today - timedelta(days=keep_days))
        what = (
            counted(pruned.messages, "message"),
            f"the evidence of {counted(pruned.evidence, 'message')}",
            counted(archived, "archived day"),
            counted(maps, "map"),
            f"the pages of {counted(nights, 'night')}",
        )
        hidden = f"; hid the people in {counted(pruned.anonymised, 'message')}" if pruned.anonymised else ""
        return f"deleted {', '.join(what)}{hidden}"

    def _keep_step(self, report: DayReport) -> str:
        if any(step.failed for step in self.steps if step.name == MAP_STEP):
            return "left as it was, since there is no new one"
        tables.put_day(self.store, self.day, self.traffic, figures(report))
        return f"{counted(len(self.traffic.links), 'link')}, {counted(len(self.traffic.relays), 'relay')}"

    def _pages_step(self, report: DayReport) -> str:
        earlier = [night for night in self.folder.nights() if night < self.day]
        pages = Pages(report, self.settings.reports, earlier=max(earlier, default=None))
        self.progress.expect(len(pages.relay_files))

        def write(place: Path) -> None:
            files = {
                "index.html": pages.index(),
                "map.svg": svg.standalone(pages.map_svg(linked=False), pages.thresholds),
                "summary.json": json.dumps(figures(report), indent=2) + "\n",
                "summary.txt": text(report),
            }
            for name, content in files.items():
                (place / name).write_text(content, encoding="utf-8")
            (place / "relays").mkdir()
            archive, connection, since = self.settings.store.archive, self.reader.db.conn, self.day - HISTORY
            details = relay_details(self.reader, archive, self.day, pages.relay_files, self.place_of)
            past = findings_about(connection, since, self.day)
            for relay, name in pages.relay_files.items():
                history = tables.relay_history(connection, relay, since, self.day)
                page = pages.relay(relay, history, details[relay], past.get(relay, ()))
                (place / name).write_text(page, encoding="utf-8")
                self.progress.advance()

        self.folder.publish(self.day, write)
        found = findings_by_day(self.reader.db.conn)
        nights = [
            NightLine(day, tables.figures_of(self.reader.db.conn, day), found.get(day, 0))
            for day in self.folder.nights()
        ]
        self.folder.write("index.html", nights_page(report.host, nights))
        return counted(len(pages.relay_files) + 1, "page")
