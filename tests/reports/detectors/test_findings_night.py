"""The detectors in the nightly job: what it leaves in the store, the report, and for the command line."""

import json
from datetime import UTC, datetime, time, timedelta

import pytest
from click.testing import CliRunner

from hoptrail.commands.topology import command
from hoptrail_reports.detectors.records import findings_of
from hoptrail_store.reader import open_readonly
from reports.night_samples import DAY, NOON, fill, message, nightly, passed_on, settings

pytestmark = pytest.mark.long

ONE_DAY = timedelta(days=1)


def morning(day):
    return datetime.combine(day + ONE_DAY, time(6), UTC)


DAYS = 16


@pytest.fixture(scope="module")
def weeks(tmp_path_factory):
    """Some weeks in which a relay brings a message every half hour; it falls silent on the last day at six."""
    found = settings(tmp_path_factory.mktemp("weeks"), relay_pages=0)
    midnight = NOON - timedelta(hours=12)
    steady = [message("busy.example.net", at=midnight - timedelta(minutes=30 * n)) for n in range(DAYS * 48)]
    today = [message("busy.example.net", at=midnight + timedelta(minutes=30 * n)) for n in range(1, 12)]
    other = [message("other.example.com", at=midnight - timedelta(minutes=30 * n)) for n in range(-47, DAYS * 48)]
    fill(found, list(map(passed_on, steady + today + other)))
    for back in range(DAYS - 1, -1, -1):
        day = DAY - back * ONE_DAY
        done = nightly(found, day, now=morning(day))
        assert not done.report.failed_steps
    return found, done


def test_a_link_that_falls_silent_stands_in_store_page_summary_and_command(weeks, tmp_path):
    found, done = weeks
    silent = [one for one in done.report.findings if one.kind == "silence"]
    assert [(one.subject, one.evidence["hours"]) for one in silent] == [("busy.example.net -> mx.example.org", 18)]
    assert "stopped from 2026-11-20 06:00 and still at the day's end (UTC)" in " ".join(done.text.split())
    page = (done.place / "index.html").read_text()
    assert "What is wrong" in page
    assert "Nothing stands out" not in page + done.text
    summary = json.loads((done.place / "summary.json").read_text())
    assert [one["kind"] for one in summary["findings"]] == [one.kind for one in done.report.findings]
    with open_readonly(found.store.path) as reader:
        assert findings_of(reader.db.conn, DAY) == done.report.findings

    toml = tmp_path / "hoptrail.toml"
    toml.write_text(f'[store]\npath = "{found.store.path}"\n')
    runner = CliRunner()
    told = runner.invoke(command, ["anomalies", "--config", str(toml), "--day", str(DAY)])
    assert told.exit_code == 0, told.output
    assert "busy.example.net to mx.example.org stopped" in told.output
    told = runner.invoke(
        command, ["anomalies", "--config", str(toml), "--since", str(DAY - ONE_DAY), "--format", "json"]
    )
    assert [one["day"] for one in json.loads(told.output)] == [str(DAY), str(DAY - ONE_DAY)]


def test_what_was_wrong_the_day_before_is_said_with_its_first_day(weeks):
    _, done = weeks
    (single,) = [one for one in done.report.findings if one.kind == "single point"]
    assert single.subject == "mx.example.org"
    assert single.since == DAY - (DAYS - 1) * ONE_DAY
