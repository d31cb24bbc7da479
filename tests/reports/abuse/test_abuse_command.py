import asyncio
import json
import re
from datetime import date, timedelta
from email import message_from_string

import pytest
from click.testing import CliRunner, Result

from hoptrail.commands import abuse
from hoptrail_reports.abuse.drafts import draft_day
from hoptrail_reports.abuse.settings import AbuseSettings
from hoptrail_store.settings import StoreSettings
from hoptrail_store.store import Store
from hoptrail_tracer.model import ContactAnswer
from reports.abuse.samples import SPAMMER, VICTIM
from reports.abuse.spam import LATER, SITE, desk, spam

DAY = date(2026, 11, 20)
CONTROL = "\x1b]0;owned\x07\x1b[31m\u202e"


class Desk:
    """A store with drafts, and the command beside it."""

    def __init__(self, folder):
        self.settings = StoreSettings(path=str(folder / "store.sqlite"))
        self.config = folder / "hoptrail.toml"
        self.config.write_text(
            f'[store]\npath = "{self.settings.path}"\n[site]\nhostname = "mx.example.org"\n'
            '[abuse]\nreporter = "reports@example.org"\n'
        )

    def night(self, *records):
        with Store.open(self.settings) as store:
            store.put(records)
            asyncio.run(draft_day(DAY, store, site=SITE, settings=AbuseSettings(), contact=desk, now=LATER))

    def run(self, name, *arguments) -> Result:
        return CliRunner().invoke(
            abuse.command, [name, "--config", str(self.config), *arguments], catch_exceptions=False
        )

    def only_id(self) -> str:
        [draft] = json.loads(self.run("list", "--json").output)["drafts"]
        return draft["id"]


@pytest.fixture
def night(tmp_path) -> Desk:
    return Desk(tmp_path)


def test_list_shows_drafts_and_below_them_why_others_are_not_reported(night):
    night.night(spam(), spam("12.1.2.3", rdns="www.example.org"))
    output = night.run("list").output
    drafts, others = output.split("Not reported: 1")
    assert "Drafts of 2026-11-20 (UTC): 1" in drafts
    assert SPAMMER in drafts
    assert "abuse@isp.example.com" in drafts
    assert "12.1.2.3" in others
    assert "one of the site's own names" in others
    assert VICTIM not in output


def test_list_shows_a_campaign_over_several_sources_as_one(night):
    night.night(*(spam(f"12.0.0.{n}", rdns=None, subject=f"Cheap pills {n}0% off") for n in range(1, 4)))
    [line] = [line for line in night.run("list").output.splitlines() if line.startswith("campaign ")]
    assert re.search(r"draft +3 sources +3 +1 desk +Cheap pills", line)


def test_list_as_json_holds_drafts_and_cases(night):
    night.night(spam(), spam("12.1.2.3", rdns="www.example.org"))
    found = json.loads(night.run("list", "--json", "--day", "2026-11-20").output)
    assert found["day"] == "2026-11-20"
    assert [draft["contact"]["address"] for draft in found["drafts"]] == ["abuse@isp.example.com"]
    assert [(case["ip"], case["state"], case["objection"]) for case in found["cases"]] == [
        ("12.1.2.3", "refused", "own-name")
    ]


def test_list_of_an_empty_store_says_what_to_do(night):
    with Store.open(night.settings):
        pass
    assert "hoptrail nightly" in night.run("list").output


def test_show_prints_how_the_contact_was_found_and_the_message(night):
    night.night(spam())
    output = night.run("show", night.only_id()[:13]).output
    assert "Contact:   abuse@isp.example.com" in output
    assert "rdap, confidence 0.90, for 67.160.0.0/11 (ISP)" in output
    assert "From: Abuse reports <reports@example.org>" in output
    assert "[ Offending message ]" in output


def test_show_writes_the_form_that_is_asked_for(night):
    night.night(spam())
    document = json.loads(night.run("show", night.only_id(), "--form", "arf", "--json").output)
    assert document["form"] == "arf"
    message = message_from_string(document["message"])
    assert message.get_content_type() == "multipart/report"
    assert message["To"] == "abuse@isp.example.com"


def test_nothing_a_spammer_wrote_reaches_the_terminal_raw(night):
    hostile = f"Subject: {CONTROL}\r\nX-{CONTROL}: a\r\n\r\n{CONTROL} body\x00\x9b2J\r\n".encode()
    night.night(spam(raw=hostile, subject=CONTROL, envelope_from=f"{CONTROL}@b.example"))
    for output in (night.run("list").output, night.run("show", night.only_id()).output):
        assert not set(output) & {"\x1b", "\x07", "\x9b", "\x00", "\u202e"}


@pytest.mark.parametrize(("verb", "state"), [("approve", "approved"), ("dismiss", "dismissed")])
def test_decision_is_kept_with_its_reason(night, verb, state):
    night.night(spam())
    assert night.run(verb, night.only_id(), "--reason", "seen it").output.endswith(f"{state}\n")
    [draft] = json.loads(night.run("list", "--json").output)["drafts"]
    assert (draft["state"], draft["reason"]) == (state, "seen it")


def test_message_of_another_day_is_listed_by_its_day(night):
    night.night(spam(at=LATER - timedelta(hours=20)))
    assert json.loads(night.run("list", "--json", "--day", "2026-11-01").output)["drafts"] == []


def set_state(night, state, **columns):
    with Store.open(night.settings) as store, store.transaction():
        changes = ", ".join(f"{name} = {value}" for name, value in columns.items())
        store.db.conn.execute(f"UPDATE abuse_draft SET state = '{state}'{', ' + changes if changes else ''}")


@pytest.mark.parametrize(
    ("state", "columns", "step"),
    [
        ("draft", {}, "Next: hoptrail abuse show "),
        ("approved", {}, "Next: hoptrail abuse send"),
        ("sent", {}, "Nothing waits for your word on this day."),
        ("uncertain", {}, "Uncertain: look for "),
        ("sending", {"tried_ms": 1}, "Uncertain: look for "),
    ],
)
def test_list_ends_with_the_next_step(night, state, columns, step):
    night.night(spam())
    set_state(night, state, **columns)
    assert f"\n{step}" in night.run("list").output


def test_list_names_what_to_do_about_origins_without_a_contact(night):
    async def nobody(ip):
        return ContactAnswer(ip, "unknown")

    with Store.open(night.settings) as store:
        store.put([spam()])
        asyncio.run(draft_day(DAY, store, site=SITE, settings=AbuseSettings(), contact=nobody, now=LATER))
    assert "1 origin without a known contact: name one in [abuse] contacts_file" in night.run("list").output


def test_list_names_drafts_of_days_before_that_still_wait(night):
    night.night(spam())
    with Store.open(night.settings) as store:
        next_day = DAY + timedelta(days=1)
        store.put([spam("12.0.0.1", rdns=None, at=LATER)])
        asyncio.run(
            draft_day(next_day, store, site=SITE, settings=AbuseSettings(), contact=desk, now=LATER + timedelta(days=1))
        )
    assert f"1 draft of {DAY} still to be decided: hoptrail abuse list --day {DAY}" in night.run("list").output


def test_what_waits_for_a_person_stands_before_what_is_done(night):
    night.night(*(spam(f"12.0.0.{n}", rdns=None, subject=f"{'abc'[n]} thing") for n in range(3)))
    with Store.open(night.settings) as store, store.transaction():
        store.db.conn.execute("UPDATE abuse_draft SET state = 'sent' WHERE ip = '12.0.0.0'")
        store.db.conn.execute("UPDATE abuse_draft SET state = 'dismissed' WHERE ip = '12.0.0.1'")
    rows = [line.split()[1] for line in night.run("list").output.splitlines() if line.startswith("20261120-")]
    assert rows == ["draft", "sent", "dismissed"]
