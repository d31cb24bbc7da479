import asyncio
import json
import multiprocessing
import os
import re
import signal
from dataclasses import replace
from datetime import date, timedelta
from html import unescape
from pathlib import Path

import pytest

from hoptrail_reports.abuse.drafts import draft_day
from hoptrail_reports.errors import AlreadyRunningError, OpenDayError
from hoptrail_reports.nightly import due_days
from hoptrail_reports.pages.folder import NightsFolder
from hoptrail_reports.settings import AbuseSettings
from hoptrail_reports.topology import tables
from hoptrail_store.errors import StoreError
from hoptrail_store.reader import open_readonly
from hoptrail_store.store import Store
from reports.abuse.spam import SITE, desk, spam
from reports.night_samples import DAY, MORNING_AFTER, NOON, Silent, fill, message, nightly, refused, settings


@pytest.fixture
def night(tmp_path):
    found = settings(tmp_path)
    mail = [message(f"gw{n % 4}.example.net", at=NOON + timedelta(seconds=n), points=n % 9) for n in range(40)]
    fill(found, mail, [refused()])
    return found


@pytest.fixture
def archived(night, tmp_path):
    """The same site with an archive."""
    return replace(night, store=replace(night.store, archive=str(tmp_path / "archive")))


def folder(night):
    return Path(night.reports.directory)


def tree(place):
    return {path.relative_to(place): path.read_bytes() for path in sorted(place.rglob("*")) if path.is_file()}


def test_a_closed_day_gets_its_pages_and_latest_leads_to_them(night):
    done = nightly(night)
    assert not done.report.failed_steps
    assert done.place == folder(night) / "2026-11-20"
    assert (folder(night) / "latest").resolve() == done.place
    assert {path.name for path in done.place.iterdir()} == {
        "index.html",
        "map.svg",
        "relays",
        "summary.json",
        "summary.txt",
    }
    assert "2026-11-20/index.html" in (folder(night) / "index.html").read_text()


def test_the_figures_are_those_of_the_store(night):
    done = nightly(night)
    found = json.loads((done.place / "summary.json").read_text())
    assert (found["messages"], found["spam"], found["refusals"], found["recipients"]) == (40, 16, 40, 40)
    assert found["map"]["relays"] == 6
    assert (found["map"]["observed"], found["map"]["claimed"]) == (40, 40)


def test_the_map_is_kept_in_the_store(night):
    nightly(night)
    with open_readonly(night.store.path) as reader:
        kept = tables.stored_traffic(reader.db.conn, DAY, DAY)
    assert kept.messages == 40
    assert kept.relays["gw0.example.net"].messages == 10


def test_a_relays_page_tells_its_addresses_networks_and_software(night):
    place = nightly(night).place
    [page] = place.glob("relays/gw0.example.net-*.html")
    assert "<dt>Addresses</dt><dd>192.0.2.9</dd>" in page.read_text()
    assert "<dt>Networks</dt><dd>AS64500 EXAMPLE-NET, NL</dd>" in page.read_text()
    [page] = place.glob("relays/mx.example.org-*.html")
    assert "<dt>Says it runs</dt><dd>Postfix</dd>" in page.read_text()


def test_a_second_run_gives_the_same(night):
    first = tree(nightly(night).place)
    assert tree(nightly(night, now=MORNING_AFTER + timedelta(hours=1)).place) == first


def test_a_night_that_archives_the_day_draws_the_same_map_and_relays(night, archived):
    def pictures():
        return {
            path: text for path, text in tree(folder(night)).items() if path.suffix == ".svg" or "relays" in path.parts
        }

    nightly(night)
    before = pictures()
    done = nightly(archived)
    assert ("archive", "80 hops of 1 day moved") in [(step.name, step.detail) for step in done.report.steps]
    assert pictures() == before
    with open_readonly(night.store.path) as reader:
        assert not list(reader.db.query("SELECT 1 FROM hop"))


def test_an_archive_that_cannot_be_written_is_a_failed_step_and_the_day_is_drawn_from_the_store(archived):
    Path(archived.store.archive).write_text("a file stands where the folder should")
    done = nightly(archived)
    assert [step.name for step in done.report.failed_steps] == ["archive"]
    assert len(done.report.relays.relays) == 6


def test_a_day_that_could_not_be_learnt_from_is_not_archived_yet(archived, monkeypatch):
    def breaks(*_):
        raise StoreError("the disk went away")

    monkeypatch.setattr("hoptrail_reports.nightly.learn", breaks)
    nightly(archived)
    assert not Path(archived.store.archive).exists()
    monkeypatch.undo()
    nightly(archived)
    assert list(Path(archived.store.archive).glob("date=*/host=mx.example.org/part=1/hops.parquet"))


def test_yesterday_is_due_where_no_night_was_missed(night):
    assert due_days(night, MORNING_AFTER) == [DAY]
    nightly(night, DAY - timedelta(days=1))
    assert due_days(night, MORNING_AFTER) == [DAY]
    nightly(night)
    assert due_days(night, MORNING_AFTER) == [DAY]


def test_days_after_the_last_map_are_due_as_well(night):
    nightly(night)
    assert due_days(night, MORNING_AFTER + timedelta(days=3)) == [DAY + timedelta(days=n) for n in (1, 2, 3)]
    assert due_days(night, MORNING_AFTER + timedelta(days=30)) == [DAY + timedelta(days=30)]


def test_a_day_that_is_not_over_is_refused(night):
    with pytest.raises(OpenDayError, match="not over"):
        nightly(night, date(2026, 11, 21))


def test_without_a_store_nothing_is_made(tmp_path):
    with pytest.raises(StoreError):
        nightly(settings(tmp_path))
    assert not (tmp_path / "store.sqlite").exists()


def test_a_day_without_mail_has_a_report_that_says_so(night):
    done = nightly(night, DAY - timedelta(days=3))
    assert "No message was recorded" in done.text
    assert "No message was recorded" in (done.place / "index.html").read_text()


def test_two_jobs_at_once_and_the_second_says_so_and_leaves(night):
    with NightsFolder(folder(night)).locked(), pytest.raises(AlreadyRunningError, match="at work"):
        nightly(night)
    assert not nightly(night).report.failed_steps


def test_a_step_that_fails_is_named_and_the_others_are_done(night):
    fill(night, [spam(at=NOON)])
    unreachable = replace(night.lookups, abusix=True, dns_timeout_s=0.2)
    done = nightly(replace(night, abuse=replace(night.abuse, draft=True), lookups=unreachable))
    [failed] = done.report.failed_steps
    assert failed.name == "abuse drafts"
    assert "no contact could be looked up" in " ".join(done.text.split())
    assert "no contact could be looked up" in (done.place / "index.html").read_text()
    assert (folder(night) / "latest").exists()


def test_what_a_job_left_that_was_killed_between_two_names_is_put_right(night):
    first = tree(nightly(night).place)
    (folder(night) / "2026-11-20").rename(folder(night) / ".old-2026-11-20")
    with NightsFolder(folder(night)).locked():
        assert tree(folder(night) / "latest") == first
    assert not (folder(night) / ".old-2026-11-20").exists()


class Killed(Silent):
    """Kills its own process, as the kernel would, when a step begins, or when a part of it is done."""

    def __init__(self, at):
        self.at = at
        self.step = None

    def begin(self, step):
        self.step = step
        if step == self.at:
            os.kill(os.getpid(), signal.SIGKILL)

    def advance(self):
        if self.at == f"within {self.step}":
            os.kill(os.getpid(), signal.SIGKILL)


PHASES = [
    "what relays usually do",
    "archive",
    "within archive",
    "map of relays",
    "abuse drafts",
    "map into the store",
    "old records",
    "pages",
    "within pages",
]


@pytest.mark.parametrize("phase", PHASES)
def test_a_job_that_is_killed_leaves_the_last_report_and_the_next_run_is_whole(archived, phase):
    night = archived
    fill(night, [message(at=NOON - timedelta(days=1))])
    before = tree(nightly(night, DAY - timedelta(days=1)).place)
    child = multiprocessing.get_context("fork").Process(
        target=nightly, args=(night,), kwargs={"progress": Killed(phase)}
    )
    child.start()
    child.join(60)
    assert child.exitcode == -signal.SIGKILL
    assert tree((folder(night) / "latest").resolve()) == before
    done = nightly(night)
    assert not done.report.failed_steps
    assert done.report.totals.messages == 40
    with open_readonly(night.store.path) as reader:
        assert tables.stored_traffic(reader.db.conn, DAY, DAY).messages == 40
    assert not list(folder(night).glob(".new-*"))


def test_the_day_before_and_new_relays_are_compared(night):
    nightly(night)
    fill(night, [message(name, at=NOON + timedelta(days=1)) for name in ("gw0.example.net", *["fresh.example"] * 10)])
    done = nightly(night, DAY + timedelta(days=1), now=MORNING_AFTER + timedelta(days=1))
    assert done.report.new_relays == ("fresh.example",)
    assert set(done.report.gone) == {"gw1.example.net", "gw2.example.net", "gw3.example.net"}
    assert done.report.day_before["messages"] == 40
    page = (done.place / "index.html").read_text()
    assert "../2026-11-20/index.html" in page
    assert page.count("fresh.example is new") == 1
    assert "gw1.example.net carried 25% of the mail the day before" in page


def test_after_days_without_mail_nothing_is_called_new(night):
    nightly(night, DAY - timedelta(days=1))
    done = nightly(night)
    assert done.report.new_since is None
    assert "is new" not in done.text


def test_old_pages_and_maps_are_deleted(night):
    nightly(night)
    short = replace(night, reports=replace(night.reports, keep_days=5), store=replace(night.store, keep_days=5))
    nightly(short, DAY + timedelta(days=9), now=MORNING_AFTER + timedelta(days=9))
    assert NightsFolder(folder(night)).nights() == [DAY + timedelta(days=9)]
    with Store.open(night.store) as store:
        assert tables.mapped_days(store.db.conn, DAY, DAY + timedelta(days=9)) == [DAY + timedelta(days=9)]


def test_drafts_that_wait_are_listed_on_the_page_and_in_the_text(night):
    fill(night, [spam(at=NOON)])
    with Store.open(night.store) as store:
        asyncio.run(draft_day(DAY, store, site=SITE, settings=AbuseSettings(), contact=desk, now=MORNING_AFTER))
    done = nightly(night)
    [draft] = done.report.drafts
    assert draft.contact == "abuse@isp.example.com"
    for text in (done.text, (done.place / "index.html").read_text()):
        assert draft.id in text
        assert "1 abuse draft waits for your word" in text


HOSTILE = "<script>alert(1)</script>\"'&\u202eevil\x00.example"


def test_names_from_mail_are_escaped_on_every_page(night):
    fill(night, [message(HOSTILE, at=NOON), message("../../etc/passwd", at=NOON)])
    done = nightly(night)
    for path in done.place.rglob("*"):
        assert path.resolve().is_relative_to(done.place)
        if path.suffix in {".html", ".svg"}:
            text = path.read_text()
            assert "<script>alert" not in text
            assert "\u202e" not in text
            assert "\x00" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in (done.place / "index.html").read_text()


def test_pages_load_nothing_and_allow_no_script_but_their_own(night):
    done = nightly(night)
    for path in done.place.rglob("*.html"):
        text = path.read_text()
        assert "default-src 'none'" in unescape(text)
        assert "unsafe" not in text
        references = re.findall(r'(?:href|src|url)\s*[=(]\s*"?([^"\s)>]+)', text)
        assert not [reference for reference in references if "//" in reference]
        for reference in references:
            target = reference.partition("#")[0]
            if target.endswith((".html", ".json", ".txt", ".svg")):
                assert (path.parent / target).exists(), reference


def test_the_summary_is_plain_text_for_cron(night):
    text = nightly(night).text
    assert text.startswith("Mail on Friday, 2026-11-20 (UTC), as mx.example.org saw it\n")
    assert "203.0.113.0/24 seems to harvest" in text
    assert len(text.splitlines()) < 60
