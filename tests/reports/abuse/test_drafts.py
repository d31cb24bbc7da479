import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta

import pytest

from hoptrail_reports.abuse import drafts, ledger, review
from hoptrail_reports.abuse.drafts import DraftSummary, draft_day
from hoptrail_reports.abuse.evidence import prepare
from hoptrail_reports.abuse.forms import written
from hoptrail_reports.abuse.leaks import leaks
from hoptrail_reports.abuse.settings import AbuseSettings
from hoptrail_store.records import MessageRecord, Score
from hoptrail_store.settings import StoreSettings
from hoptrail_store.store import Store
from hoptrail_tracer.model import AddressFacts, Contact, ContactAnswer, ZoneResult
from reports.abuse.samples import NOON, SPAM, SPAMMER, VICTIM
from reports.abuse.spam import LATER, SITE, desk, spam

DAY = date(2026, 11, 20)


@pytest.fixture
def store(tmp_path) -> Iterator[Store]:
    with Store.open(StoreSettings(path=str(tmp_path / "store.sqlite"))) as opened:
        yield opened


def night(store: Store, *records: MessageRecord, settings=AbuseSettings(), contact=desk, **more) -> DraftSummary:  # noqa: B008 - frozen
    store.put(records)
    more = {"now": LATER, "site": SITE, **more}
    return asyncio.run(draft_day(more.pop("day", DAY), store, settings=settings, contact=contact, **more))


def answering(*contacts: Contact, state="found"):
    async def finder(ip: str) -> ContactAnswer:
        return ContactAnswer(ip, state, contacts)

    return finder


def test_spam_of_one_source_becomes_one_draft(store):
    earlier = NOON - timedelta(hours=3)
    summary = night(store, spam(), spam(at=earlier), spam(at=earlier))
    assert (summary.messages, summary.cases, summary.drafted) == (3, 1, 1)
    [draft] = ledger.drafts(store.db)
    assert (draft.state, draft.form, draft.report.facts.ip) == ("draft", "spamcop", SPAMMER)
    assert draft.report.contact == Contact("abuse@isp.example.com", "rdap", 0.9, "67.160.0.0/11", "ISP")
    assert (draft.report.messages, draft.report.first_at, draft.report.last_at) == (3, earlier, NOON)
    assert draft.report.received_at == NOON
    assert draft.report.source_port


@pytest.mark.parametrize("form", ["spamcop", "arf"])
def test_draft_can_be_written_in_each_form_and_hides_the_recipient(store, form):
    night(store, spam(envelope_from=f"bounce-{VICTIM.replace('@', '=')}@bank.example"))
    [draft] = ledger.drafts(store.db)
    text = written(draft.report, form, sender="abuse-reports@example.org")
    assert b"Gr\xc3\xbc\xc3\x9fe! http://bank.example/?u=x\r\n" in text
    assert not leaks(text, [VICTIM])
    assert text == written(ledger.draft(store.db, draft.id[:12]).report, form, sender="abuse-reports@example.org")


def test_name_that_only_the_believed_line_has_is_the_one_the_report_gives(store):
    night(store, spam(rdns="host9.isp.example.com", facts=AddressFacts(SPAMMER)))
    text = written(ledger.drafts(store.db)[0].report, "spamcop", sender="a@b.example").decode()
    assert f"The reverse name of {SPAMMER} is host9.isp.example.com, not checked." in " ".join(text.split())
    assert "No reverse name" not in text


def test_second_run_for_the_same_day_makes_no_second_draft(store):
    night(store, spam())
    again = night(store, spam(at=NOON - timedelta(minutes=1)))
    assert again.drafted == 0
    [draft] = ledger.drafts(store.db)
    [case] = ledger.cases(store.db)
    assert draft.report.messages == 1
    assert (case.messages, case.state) == (2, "drafted")


def test_decision_of_a_person_outlives_the_next_run(store):
    night(store, spam())
    [draft] = ledger.drafts(store.db)
    review.dismiss(store, draft.id, reason="our customer", now=LATER)
    night(store)
    [draft] = ledger.drafts(store.db)
    assert (draft.state, draft.reason, draft.decided_at) == ("dismissed", "our customer", LATER)


def test_innocent_is_kept_as_a_case_with_the_reason(store):
    summary = night(store, spam("11.0.2.9", rdns=None), spam("12.1.2.3", rdns=None, envelope_from=""))
    assert summary.drafted == 0
    assert set(dict(summary.objections)) <= {"forwarder", "not-believed", "own-network", "bounce", "special"}
    assert {case.state for case in ledger.cases(store.db)} == {"refused"}
    assert all(case.detail for case in ledger.cases(store.db))


def test_innocent_is_never_even_looked_up(store):
    async def forbidden(ip: str) -> ContactAnswer:
        raise AssertionError(ip)

    summary = night(store, spam("12.1.2.3", rdns="www.example.org"), contact=forbidden)
    assert dict(summary.states) == {"refused": 1}


def test_ham_and_unscored_mail_accuse_nobody(store):
    summary = night(store, spam(score=Score(1.0, 5.0)), spam(score=Score(unscored="size")), spam(score=None))
    assert summary.cases == 0


def test_points_below_the_floor_of_the_settings_are_no_draft(store):
    assert night(store, spam(), settings=AbuseSettings(min_points=20)).cases == 0


def test_mail_that_defeats_the_drafting_leaves_the_others_their_drafts(store, monkeypatch, caplog):
    def defeated(raw, *args, **kwargs):
        if b"defeat" in raw:
            raise ValueError("what nobody thought of")
        return prepare(raw, *args, **kwargs)

    monkeypatch.setattr(drafts, "prepare", defeated)
    summary = night(store, spam(evidence=b"Subject: defeat\r\n\r\n"), spam("12.1.2.3", rdns=None))
    assert dict(summary.states) == {"drafted": 1, "waiting": 1}
    assert "could not be drafted" in caplog.text


def test_failed_contact_look_up_waits_and_is_drafted_the_next_night(store):
    summary = night(store, spam(), contact=answering(state="failed"))
    assert dict(summary.states) == {"waiting": 1}
    tomorrow = night(store, day=DAY + timedelta(days=1), now=LATER + timedelta(days=1))
    assert (tomorrow.cases, tomorrow.drafted) == (0, 1)
    [draft] = ledger.drafts(store.db)
    assert draft.day == DAY


def test_contact_look_up_that_raises_counts_as_failed(store):
    async def broken(ip: str) -> ContactAnswer:
        raise OSError(f"no route for {ip}")

    assert dict(night(store, spam(), contact=broken).states) == {"waiting": 1}
    [case] = ledger.cases(store.db)
    assert "no route" in case.detail


def test_waiting_case_expires_instead_of_being_drafted_late(store):
    night(store, spam(), contact=answering(state="failed"))
    summary = night(store, day=DAY + timedelta(days=4), now=LATER + timedelta(days=4))
    assert summary.drafted == 0
    assert [case.state for case in ledger.cases(store.db)] == ["expired"]


def test_unknown_contact_is_a_state_and_not_a_guess(store):
    assert dict(night(store, spam(), contact=answering(state="unknown")).states) == {"unknown": 1}
    assert ledger.drafts(store.db) == []


@pytest.mark.parametrize(
    "address",
    [
        "abuse@ripe.net",
        "abuse@isp.example.com\r\nBcc: victim@example.com",
        "two@isp.example.com, three@isp.example.com",
        '"quoted"@isp.example.com',
        "abuse@[192.0.2.1]",
        "abuse",
        "abuse@example.org",
        "never@isp.example.com",
    ],
)
def test_contact_that_may_not_be_written_to_bars_the_case(store, address):
    settings = AbuseSettings(do_not_mail=("never@isp.example.com",))
    summary = night(store, spam(), settings=settings, contact=answering(Contact(address, "rdap", 0.9)))
    assert dict(summary.states) == {"barred": 1}
    assert ledger.drafts(store.db) == []


def test_best_contact_that_may_be_written_to_gets_the_draft(store):
    contacts = (
        Contact("low@isp.example.com", "whois", 0.3),
        Contact("best@isp.example.com", "rdap", 0.9),
        Contact("abuse@apnic.net", "rdap", 1.0),
    )
    night(store, spam(), contact=answering(*contacts))
    assert [draft.report.contact.address for draft in ledger.drafts(store.db)] == ["best@isp.example.com"]


def test_caps_of_a_contact_and_of_a_day_hold(store):
    sources = [spam(f"12.0.0.{n}", rdns=None) for n in range(1, 8)]
    summary = night(store, *sources, settings=AbuseSettings(drafts_per_contact=3))
    assert dict(summary.states) == {"capped": 4, "drafted": 3}
    assert night(store, settings=AbuseSettings(drafts_per_contact=9, drafts_per_day=5)).drafted == 2


def test_look_ups_beyond_the_limit_wait_for_the_next_night(store):
    summary = night(store, spam("12.0.0.1"), spam("12.0.0.2"), settings=AbuseSettings(contact_lookups=1))
    assert dict(summary.states) == {"drafted": 1, "waiting": 1}


def test_allow_list_that_did_not_answer_is_asked_again(store):
    unsure = AddressFacts(SPAMMER, zones=(ZoneResult("list.dnswl.org", "late"),))

    async def still_silent(ip: str) -> AddressFacts:
        return replace(unsure, ip=ip)

    async def answered(ip: str) -> AddressFacts:
        return AddressFacts(
            ip, zones=(ZoneResult("list.dnswl.org", "clear"), ZoneResult("bl.example", "listed", ("127.0.0.2",)))
        )

    assert dict(night(store, spam(facts=unsure), facts=still_silent).states) == {"waiting": 1}
    assert night(store, facts=answered).drafted == 1
    [draft] = ledger.drafts(store.db)
    assert (
        f"{SPAMMER} listed in bl.example ( 127.0.0.2 )"
        in written(draft.report, "spamcop", sender="a@b.example").decode()
    )


def test_contact_that_wants_recipients_whole_gets_them(store):
    night(store, spam(), settings=AbuseSettings(whole_contacts=("isp.example.com",)))
    [draft] = ledger.drafts(store.db)
    assert draft.report.evidence.raw == SPAM
    assert draft.report.recipients == (VICTIM,)


def test_form_of_a_contact_is_the_one_it_takes(store):
    night(store, spam(), settings=AbuseSettings(arf_contacts=("isp.example.com",)))
    assert [draft.form for draft in ledger.drafts(store.db)] == ["arf"]


def test_message_that_was_not_kept_accuses_nobody_since_a_list_may_have_sent_it(store):
    night(store, spam(raw=None, size_bytes=9_000))
    [case] = ledger.cases(store.db)
    assert (case.state, case.objection.code) == ("refused", "unseen")


def test_drafting_can_be_turned_off_and_cases_are_still_kept(store):
    assert dict(night(store, spam(), settings=AbuseSettings(draft=False)).states) == {"waiting": 1}


def test_old_cases_and_their_evidence_are_deleted(store):
    night(store, spam())
    night(store, day=DAY + timedelta(days=99), now=LATER + timedelta(days=99))
    assert ledger.cases(store.db) == []
    assert ledger.drafts(store.db) == []


def test_unknown_or_ambiguous_id_is_refused(store):
    night(store, spam("12.0.0.1"), spam("12.0.0.2"))
    for beginning in ("nonsense", "2026"):
        with pytest.raises(ledger.UnknownDraftError):
            ledger.draft(store.db, beginning)


def test_origins_of_one_campaign_share_its_mark(store):
    subjects = ("Cheap pills 50% off", "cheap PILLS 20% off!", "Your invoice")
    night(store, *(spam(f"12.0.0.{n}", subject=subject) for n, subject in enumerate(subjects, 1)))
    marks = {case.subject: case.campaign for case in ledger.cases(store.db)}
    assert marks[subjects[0]] == marks[subjects[1]] != marks[subjects[2]]
