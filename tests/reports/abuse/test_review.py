"""What a person may change of a draft, and what never; what is remembered of contacts; the site's two files."""

from datetime import UTC, date, datetime, timedelta

import pytest

from hoptrail_reports.abuse import contactbook, contactfiles, ledger, mutes, review
from hoptrail_reports.abuse.forms import FORMS, written
from hoptrail_reports.abuse.leaks import leaks
from hoptrail_reports.abuse.review import Edit, ReviewError
from hoptrail_reports.abuse.settings import AbuseSettings
from hoptrail_reports.drafting import draft
from hoptrail_tracer.lookups.settings import LookupSettings
from hoptrail_tracer.settings import SiteSettings
from reports.abuse.abusedesk import AbuseDesk, recent_spam
from reports.abuse.samples import SPAM, VICTIM
from reports.abuse.spam import SITE

IP = "12.0.0.1"
NOW = datetime.now(UTC)


@pytest.fixture
def desk(tmp_path) -> AbuseDesk:
    return AbuseDesk(tmp_path)


@pytest.fixture
def draft_id(desk) -> str:
    return desk.drafts(IP)[0]


def edited(desk, draft_id, settings=AbuseSettings(), **change):  # noqa: B008 - frozen
    with desk.open() as store:
        return review.edit(store, draft_id, Edit(**change), settings=settings, site=SITE, now=NOW)


@pytest.mark.parametrize("form", FORMS)
def test_note_stands_in_every_form_before_the_explanation(desk, draft_id, form):
    found = edited(desk, draft_id, note="Third time this week.\nPlease look.")
    text = written(found.report, form, sender="reports@example.org").decode()
    assert text.index("Third time this week.\r\nPlease look.") < text.index("itself took the message")


def test_edit_leaves_the_evidence_as_it_came(desk, draft_id):
    before = desk.draft(draft_id)
    after = edited(desk, draft_id, note="x", contact="noc@isp.example.com", form="arf")
    assert after.report.evidence == before.report.evidence
    assert (after.report.facts, after.report.reasons) == (before.report.facts, before.report.reasons)
    assert (after.report.contact.address, after.report.contact.source) == ("noc@isp.example.com", "a person")


def test_edit_of_an_approved_draft_waits_for_a_word_again(desk, draft_id):
    desk.run("approve", draft_id)
    assert edited(desk, draft_id, note="x").state == "draft"


def test_note_that_is_too_long_is_refused(desk, draft_id):
    with pytest.raises(ReviewError, match="2,000 are the most"):
        edited(desk, draft_id, note="word " * 500)


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("abuse@ripe.net", "a registry's own"),
        ("us@example.org", "our own domain"),
        ("never@isp.example.com", "do-not-mail"),
        ("a@b.example, c@d.example", "no plain mail address"),
        ("a@b.example\r\nBcc: c@d.example", "no plain mail address"),
        ("gone@isp.example.net", "came back"),
    ],
)
def test_contact_that_may_not_be_written_to_is_refused_of_a_person_too(desk, draft_id, address, why):
    with desk.open() as store:
        contactbook.stop(store, "gone@isp.example.net", because="bounced", why="5.1.1", now=NOW)
    with pytest.raises(ReviewError, match=why):
        edited(desk, draft_id, AbuseSettings(do_not_mail=("never@isp.example.com",)), contact=address)


def test_second_draft_for_the_same_contact_address_and_day_is_refused(desk, draft_id):
    other = edited(desk, draft_id, contact="noc@isp.example.com")
    desk.night(recent_spam(IP))
    ids = [one for one in desk.states() if one != other.id]
    for one in ids:
        with pytest.raises(ReviewError, match="has a draft about"):
            edited(desk, one, contact="noc@isp.example.com")


def test_recipients_that_only_the_first_contact_may_see_are_hidden_from_the_next(desk):
    settings = AbuseSettings(whole_contacts=("abuse@isp.example.com",))
    [draft_id] = desk.drafts(IP, settings=settings)
    assert desk.draft(draft_id).report.evidence.raw == SPAM
    found = edited(desk, draft_id, settings, contact="noc@other.example.com")
    assert found.report.recipients == ()
    assert not leaks(written(found.report, "arf", sender="a@b.example"), [VICTIM])


def test_form_that_a_person_chose_is_remembered_for_the_contact(desk, draft_id):
    edited(desk, draft_id, form="arf")
    [other] = desk.drafts("12.0.0.2")
    assert desk.draft(other).form == "arf"
    desk.run("contact", "abuse@isp.example.com", "--form", "usual")
    [third] = desk.drafts("12.0.0.3")
    assert desk.draft(third).form == "spamcop"


def test_form_of_an_address_goes_before_that_of_its_domain(desk):
    desk.run("contact", "isp.example.com", "--form", "xarf")
    desk.run("contact", "abuse@isp.example.com", "--form", "arf")
    assert desk.draft(desk.drafts(IP)[0]).form == "arf"
    assert desk.draft(desk.drafts("12.0.0.2", contact="noc@isp.example.com")[0]).form == "xarf"


def test_contact_that_is_stopped_cannot_be_approved(desk, draft_id):
    desk.run("contact", "isp.example.com", "--stop", "they asked for it")
    with desk.open() as store, pytest.raises(ReviewError, match="they asked for it"):
        review.approve(store, draft_id, now=NOW)


def test_bounce_does_not_weaken_what_a_person_said_of_a_contact(desk):
    with desk.open() as store:
        contactbook.stop(store, "a@b.example", because="asked", why="no more", now=NOW)
        contactbook.stop(store, "a@b.example", because="bounced", why="5.1.1", now=NOW)
        [found] = contactbook.remembered(store.db)
    assert (found.stopped, found.why) == ("asked", "no more")


@pytest.mark.parametrize("text", ["", "nonsense", "a b@c.example", "@"])
def test_contact_that_is_neither_address_nor_domain_is_refused(text):
    with pytest.raises(contactbook.ContactError):
        contactbook.contact_key(text)


@pytest.mark.parametrize("state", ["sent", "uncertain", "sending"])
def test_draft_that_was_handed_over_is_beyond_a_persons_word(desk, draft_id, state):
    with desk.open() as store:
        with store.transaction():
            store.db.conn.execute("UPDATE abuse_draft SET state = ?", (state,))
        for act in (
            lambda: review.approve(store, draft_id, now=NOW),
            lambda: review.dismiss(store, draft_id, reason=None, now=NOW),
            lambda: review.edit(store, draft_id, Edit(note="x"), settings=AbuseSettings(), site=SITE, now=NOW),
        ):
            with pytest.raises(ReviewError, match=f"{state} already"):
                act()


def test_editor_shows_nothing_of_the_spam_and_changes_what_it_may(desk, draft_id, monkeypatch):
    seen = desk.folder / "seen"
    editor = desk.folder / "editor"
    editor.write_text(
        f'#!/bin/sh\ncp "$1" {seen}\nsed -i "s/^contact: .*/contact: noc@isp.example.com/; s/^form: .*/form: arf/" "$1"\n'
        'echo "Please look." >> "$1"\n'
    )
    editor.chmod(0o755)
    monkeypatch.setenv("EDITOR", str(editor))
    desk.run("edit", draft_id)
    found = desk.draft(draft_id)
    assert (found.report.contact.address, found.form, found.report.note) == (
        "noc@isp.example.com",
        "arf",
        "Please look.",
    )
    assert "Your account" not in seen.read_text()
    assert "contact: abuse@isp.example.com" in seen.read_text()


@pytest.mark.parametrize("command", ["sed -i s/^note:$/noet:/", "sed -i s/^form:/from:/"])
def test_editor_that_leaves_a_line_nobody_knows_changes_nothing(desk, draft_id, monkeypatch, command):
    monkeypatch.setenv("EDITOR", command)
    before = desk.draft(draft_id)
    with pytest.raises(ReviewError, match="nothing was changed"):
        desk.run("edit", draft_id)
    assert desk.draft(draft_id) == before


def test_editor_that_changes_nothing_leaves_an_approved_draft_approved(desk, draft_id, monkeypatch):
    desk.run("approve", draft_id)
    monkeypatch.setenv("EDITOR", "true")
    assert "nothing was changed" in desk.run("edit", draft_id).output
    assert desk.draft(draft_id).state == "approved"


def test_edit_without_a_terminal_opens_no_editor_that_nobody_could_leave(desk, draft_id, monkeypatch):
    monkeypatch.delenv("EDITOR", raising=False)
    monkeypatch.delenv("VISUAL", raising=False)
    result = desk.run("edit", draft_id, code=2)
    assert "use --note, --contact or --form, or set EDITOR" in result.output


def test_decision_about_a_campaign_is_about_every_open_draft_of_it(desk):
    ids = desk.drafts(*(f"12.0.0.{n}" for n in range(1, 4)))
    campaign = desk.draft(ids[0]).campaign
    desk.run("approve", "--campaign", campaign)
    assert set(desk.states().values()) == {"approved"}
    desk.run("dismiss", "--campaign", campaign, "--reason", "all the same")
    assert set(desk.states().values()) == {"dismissed"}


def test_mute_says_until_when_and_hides_no_case(desk):
    desk.drafts(IP)
    output = desk.run("mute", "12.0.0.0/24", "--reason", "our customer", "--days", "3").output
    assert output.startswith("12.0.0.0/24: muted until ")
    assert "our customer" in desk.run("mute").output
    desk.night(recent_spam("12.0.0.9"))
    assert "muted by a person" in desk.run("list").output
    desk.run("unmute", "12.0.0.0/24")
    assert "Nothing is muted." in desk.run("mute").output


@pytest.mark.parametrize(
    ("origin", "why"), [("0.0.0.0/0", "too wide"), ("::/8", "too wide"), ("example.org", "neither")]
)
def test_mute_of_the_world_or_of_a_name_is_refused(desk, origin, why):
    with desk.open() as store, pytest.raises(mutes.MuteError, match=why):
        mutes.mute(store, origin, reason="x", until=None, now=NOW)


def test_unmute_of_what_is_not_muted_says_so(desk):
    with desk.open() as store, pytest.raises(mutes.MuteError, match="not muted"):
        mutes.unmute(store, "12.0.0.0/24")


def file(desk, text) -> str:
    path = desk.folder / "contacts"
    path.write_text(text)
    return str(path)


def test_contacts_file_goes_before_every_look_up_and_the_smallest_network_decides(desk):
    settings = AbuseSettings(
        contacts_file=file(desk, "# ours\n12.0.0.0/8 big@isp.example.com\n12.1.0.0/16 small@isp.example.com # theirs\n12.2.0.0/16 -\n")
    )  # fmt: skip
    with desk.open() as store:
        store.put([recent_spam(ip) for ip in ("12.0.0.1", "12.1.0.1", "12.2.0.1")])
        day = recent_spam("12.0.0.1").received_at.date()
        nobody = LookupSettings(nameservers=("127.0.0.1@9",), rdap=False, abusix=False, whois=False)
        summary = draft(
            day,
            store,
            site=SiteSettings(hostname="mx.example.org"),
            lookups=nobody,
            abuse=settings,
            store_settings=desk.settings,
            now=NOW,
        )
        found = {one.report.facts.ip: one.report.contact for one in ledger.drafts(store.db)}
    assert {ip: contact.address for ip, contact in found.items()} == {
        "12.0.0.1": "big@isp.example.com",
        "12.1.0.1": "small@isp.example.com",
    }
    assert found["12.0.0.1"].source == "the contacts file"
    assert dict(summary.states) == {"drafted": 2, "barred": 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("12.0.0.0/8\n", "contacts:1: write a network and one mail address"),
        ("\n\n12.0.0.0/99 a@b.example\n", "contacts:3: '12.0.0.0/99' is no network"),
        ("12.0.0.0/8 a@b.example c@d.example\n", "contacts:1: write a network and one"),
        ("12.0.0.0/8 nobody\n", "contacts:1: 'nobody' is no plain mail address"),
    ],
)
def test_line_of_the_contacts_file_that_says_nothing_known_is_named(desk, text, message):
    with pytest.raises(contactfiles.ContactFileError, match=message):
        contactfiles.overrides(AbuseSettings(contacts_file=file(desk, text)))


def test_do_not_mail_file_is_added_to_the_setting(desk):
    settings = AbuseSettings(
        do_not_mail=("a.example",), do_not_mail_file=file(desk, "B@c.example # why\n@d.example\n\n")
    )
    assert contactfiles.with_files(settings).do_not_mail == ("a.example", "b@c.example", "d.example")
    with pytest.raises(contactfiles.ContactFileError, match="contacts:2: "):
        contactfiles.with_files(AbuseSettings(do_not_mail_file=file(desk, "a.example\nnot an address\n")))


def test_file_that_is_missing_is_an_error_and_no_empty_list(desk):
    with pytest.raises(contactfiles.ContactFileError, match="No such file"):
        contactfiles.overrides(AbuseSettings(contacts_file=str(desk.folder / "absent")))


def test_day_that_has_its_drafts_asks_nobody_about_the_rest(desk):
    asked = []

    def contact(ip):
        asked.append(ip)
        return "abuse@isp.example.com"

    sources = [recent_spam(f"12.0.{n}.1") for n in range(40)]
    desk.night(*sources, contact=contact, settings=AbuseSettings(drafts_per_day=2))
    assert len(asked) <= 16
    with desk.open() as store:
        states = [case.state for case in ledger.cases(store.db)]
    assert (states.count("drafted"), states.count("capped")) == (2, 38)


def test_night_that_has_no_time_left_lets_the_rest_wait(desk):
    desk.night(recent_spam(IP), settings=AbuseSettings(contact_minutes=0))
    with desk.open() as store:
        [case] = ledger.cases(store.db)
    assert (case.state, case.detail) == ("waiting", "not looked up yet: the night's limit was reached")
    desk.night(now=NOW + timedelta(days=1))
    assert list(desk.states().values()) == ["draft"]
    assert desk.draft(next(iter(desk.states()))).day <= date.today() + timedelta(days=1)  # noqa: DTZ011 - a bound
