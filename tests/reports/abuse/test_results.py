"""The numbers: sent, answered, bounced, gone quiet."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from hoptrail_reports.abuse import answers
from hoptrail_reports.abuse.answers import Received
from hoptrail_reports.abuse.results import Figures, desk_figures
from hoptrail_store.rows import milliseconds
from reports.abuse.abusedesk import AbuseDesk, recent_spam

NOW = datetime.now(UTC)


@pytest.fixture
def desk(tmp_path) -> AbuseDesk:
    return AbuseDesk(tmp_path)


def sent(desk, *sources, ago: timedelta) -> list[str]:
    """Drafts that were sent so long ago about spam of an hour before, in the tables as the night and `send` leave them."""
    ids = desk.drafts(*sources)
    for draft_id in ids:
        move(desk, draft_id, ago)
    return ids


def move(desk, draft_id, ago: timedelta) -> None:
    at_ms = milliseconds(NOW - ago)
    with desk.open() as store, store.transaction():
        store.db.conn.execute("UPDATE abuse_draft SET state = 'sent', sent_ms = ? WHERE id = ?", (at_ms, draft_id))
        store.db.conn.execute(
            "UPDATE abuse_case SET first_ms = ?, last_ms = ? WHERE id = (SELECT case_id FROM abuse_draft WHERE id = ?)",
            (at_ms - 3_600_000, at_ms - 1_800_000, draft_id),
        )


def figures(desk, days=30):
    with desk.open() as store:
        return desk_figures(store.db, days=days, now=NOW)


def came_back(desk, draft_id, kind):
    with desk.open() as store, store.transaction():
        store.db.conn.execute(
            "INSERT INTO abuse_answer VALUES (?, ?, ?, 1, 1, NULL, NULL, NULL)", (draft_id, kind.encode(), kind)
        )


def test_reports_are_counted_with_what_came_back(desk):
    ids = sent(desk, *(f"12.0.0.{n}" for n in range(1, 6)), ago=timedelta(days=1))
    for draft_id, kinds in zip(
        ids, (("reply", "automatic"), ("ticket",), ("automatic",), ("bounce",), ()), strict=True
    ):
        for kind in kinds:
            came_back(desk, draft_id, kind)
    total = figures(desk).total
    assert (total.sent, total.replied, total.automatic, total.bounced) == (5, 2, 1, 1)


def test_origin_is_quiet_back_or_too_early_to_say(desk):
    _, early, _ = sent(desk, "12.0.0.1", "12.0.0.2", "12.0.0.3", ago=timedelta(days=9))
    move(desk, early, timedelta(days=3))
    with desk.open() as store, store.transaction():
        store.db.conn.execute("UPDATE abuse_case SET last_ms = ? WHERE ip = '12.0.0.3'", (milliseconds(NOW),))
    total = figures(desk).total
    assert (total.origins, total.quiet, total.early, total.back) == (3, 1, 1, 1)


def test_spam_of_the_day_after_a_report_is_no_answer_to_it(desk):
    sent(desk, "12.0.0.1", ago=timedelta(days=9))
    with desk.open() as store, store.transaction():
        late_ms = milliseconds(NOW - timedelta(days=9) + timedelta(hours=23))
        store.db.conn.execute("UPDATE abuse_case SET last_ms = ?", (late_ms,))
    assert figures(desk).total.quiet == 1


def test_networks_are_told_apart_and_the_largest_stands_first(desk):
    sent(desk, "12.0.0.1", "12.0.0.2", ago=timedelta(days=1))
    with desk.open() as store, store.transaction():
        store.db.conn.execute(
            "UPDATE abuse_draft SET report = json_set(report, '$.contact.network', NULL) WHERE ip = '12.0.0.2'"
        )
    sent(desk, "12.0.0.3", ago=timedelta(days=1))
    assert [(one.network, one.figures.sent, one.organisation) for one in figures(desk).networks] == [
        ("12.0.0.0/8", 2, "ISP"),
        ("12.0.0.2/32", 1, "ISP"),
    ]


def test_time_from_spam_to_report_is_told_in_quartiles(desk):
    sent(desk, "12.0.0.1", ago=timedelta(days=1))
    assert figures(desk).spam_to_report_s == (3_600, 3_600, 3_600)


def test_reports_before_the_span_are_not_counted(desk):
    sent(desk, "12.0.0.1", ago=timedelta(days=40))
    assert figures(desk).total == Figures()
    assert figures(desk, days=60).total.sent == 1


def test_store_without_reports_has_figures_of_nothing(desk):
    desk.night(recent_spam("12.0.0.1"))
    found = figures(desk)
    assert (found.total, found.networks, found.spam_to_report_s) == (Figures(), (), None)
    assert dict(found.states) == {"draft": 1}


def test_stats_are_told_in_words_and_in_json(desk):
    [draft_id] = sent(desk, "12.0.0.1", ago=timedelta(days=9))
    with desk.open() as store:
        answers.bounced_at_once(store, desk.draft(draft_id), "550 no", now=NOW)
        kept = answers.answers(store.db, [draft_id])[draft_id]
    assert kept == [
        Received(draft_id, "bounce", proven=True, at=kept[0].at, sender=None, subject=None, detail="550 no")
    ]
    output = desk.run("stats").output
    assert "Bounced:        1 (100%)" in output
    assert "1: 1 went quiet, 0 sent spam again, 0 too early to say" in output
    assert "Spam to report: median 60 min" in output
    assert "12.0.0.0/8" in output
    document = json.loads(desk.run("stats", "--json", "--days", "60").output)
    assert document["total"]["sent"] == 1
    assert document["networks"][0]["figures"]["bounced"] == 1
