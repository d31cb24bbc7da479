"""What the review page does: campaigns are decided on as they were seen, and the next draft is the next that waits."""

from datetime import UTC, datetime

import pytest

from hoptrail_reports.abuse import contactbook
from hoptrail_reports.abuse.review import ReviewError
from hoptrail_reports.abuse.settings import AbuseSettings
from hoptrail_web import desk
from hoptrail_web.desk import Desk
from reports.abuse.abusedesk import AbuseDesk, recent_spam
from reports.abuse.samples import SPAM
from reports.abuse.spam import SITE

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)


@pytest.fixture
def abuse(tmp_path):
    return AbuseDesk(tmp_path)


@pytest.fixture
def drafts(abuse):
    """Three of one campaign, in the page's order."""
    return sorted(abuse.drafts("12.0.0.1", "12.0.0.2", "12.0.0.3"))


@pytest.fixture
def shown(abuse, drafts):
    del drafts
    return Desk(abuse.settings, AbuseSettings(), SITE)


def decide(shown, draft_id, act, reason=None):
    seen = desk.page(shown, draft_id, None).seen
    return desk.decide(shown, draft_id, act, seen=seen, reason=reason, now=NOW)


def decide_campaign(shown, found, state, reason=None):
    [campaign] = found.campaigns
    mark = campaign.drafts[0].campaign
    return desk.decide_campaign(shown, found.day, mark, state, seen=campaign.seen, reason=reason, now=NOW)


def test_campaign_is_approved_whole(abuse, shown):
    assert decide_campaign(shown, desk.night(shown, None), "approved") == 3
    assert set(abuse.states().values()) == {"approved"}


def test_campaign_whose_origins_sent_more_and_less_is_decided_on_whole(abuse):
    busy = [recent_spam(ip) for ip in ("12.0.0.1", "12.0.0.2", "12.0.0.2", "12.0.0.3", "12.0.0.3", "12.0.0.3")]
    abuse.night(*busy)
    shown = Desk(abuse.settings, AbuseSettings(), SITE)
    assert decide_campaign(shown, desk.night(shown, None), "dismissed", "ours") == 3


def test_campaign_leaves_alone_what_was_decided_on_before(abuse, shown, drafts):
    decide(shown, drafts[0], "dismiss", "ours")
    assert decide_campaign(shown, desk.night(shown, None), "approved") == 2
    assert abuse.states()[drafts[0]] == "dismissed"


def test_campaign_that_somebody_decided_on_meanwhile_is_left_alone(abuse, shown, drafts):
    found = desk.night(shown, None)
    decide(shown, drafts[1], "dismiss", "ours")
    with pytest.raises(ReviewError, match="look at them again"):
        decide_campaign(shown, found, "approved")
    assert sorted(abuse.states().values()) == ["dismissed", "draft", "draft"]


def test_campaign_with_one_that_cannot_be_approved_is_left_alone(abuse, shown):
    with abuse.open() as store:
        contactbook.stop(store, "abuse@isp.example.com", because="asked", why="they asked", now=NOW)
    with pytest.raises(ReviewError, match="they asked"):
        decide_campaign(shown, desk.night(shown, None), "approved")
    assert set(abuse.states().values()) == {"draft"}


def test_campaign_is_not_dismissed_without_a_reason(abuse, shown):
    with pytest.raises(ReviewError, match="give a reason"):
        decide_campaign(shown, desk.night(shown, None), "dismissed")
    assert set(abuse.states().values()) == {"draft"}


def test_decision_on_another_version_is_refused(shown, drafts):
    seen = desk.page(shown, drafts[0], None).seen
    decide(shown, drafts[0], "approve")
    with pytest.raises(ReviewError, match=r"now approved.*look at it again"):
        desk.decide(shown, drafts[0], "reopen", seen=seen, reason=None, now=NOW)


def test_next_draft_is_the_next_below_that_waits_then_the_first(shown, drafts):
    assert desk.following(shown, drafts[0]) == drafts[1]
    decide(shown, drafts[1], "approve")
    assert desk.following(shown, drafts[0]) == drafts[2]
    assert desk.following(shown, drafts[2]) == drafts[0]


def test_page_shows_the_mail_itself_while_it_is_kept(shown, drafts):
    found = desk.page(shown, drafts[0], None)
    assert (found.sample, found.is_whole) == (SPAM, True)


def test_page_shows_what_the_report_does_once_the_mail_is_gone(abuse, shown, drafts):
    with abuse.open() as store, store.transaction():
        store.db.conn.execute("DELETE FROM message")
    found = desk.page(shown, drafts[0], None)
    assert not found.is_whole
    assert b"john.smith@example.org" not in found.sample
    assert found.sample == found.draft.report.evidence.raw
