"""The review page in a real Chromium: by keyboard alone, without JavaScript, and with nothing to complain about."""

import re
import subprocess
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from reports.abuse.abusedesk import HOPTRAIL, AbuseDesk, recent_spam
from web.reviewing import Web


@pytest.fixture(scope="module")
def web(tmp_path_factory):
    """One server for all, with drafts enough: tests of the list take the first ones, others theirs from the end."""
    desk = AbuseDesk(tmp_path_factory.mktemp("desk"))
    sources = [f"12.0.0.{number}" for number in range(1, 25)]
    drafts = desk.drafts(*sources, contact=lambda ip: f"abuse@as{ip.rpartition('.')[2]}.example.com")
    running = Web(desk)
    running.log_in()
    running.drafts = iter(sorted(drafts, reverse=True)[1:])  # the list shows them by id
    yield running
    running.end()


@pytest.fixture(scope="module")
def context(web, chromium):
    return web.context(chromium)


@pytest.fixture
def open_page(context):
    """Opens a path for somebody logged in; at the end nothing may have gone wrong in it."""
    page = context.new_page()

    def opened(path):
        page.goto(path)
        return page

    yield opened
    page.close()
    assert context.complaints == []


@pytest.fixture
def draft_id(web):
    return next(web.drafts)


def shown_draft(page):
    return page.url.partition("/draft/")[2].partition("?")[0]


def press(page, *keys):
    """Press keys of which the last leads to another page."""
    for key in keys[:-1]:
        page.keyboard.press(key)
    with page.expect_navigation():
        page.keyboard.press(keys[-1])


def state(web, draft_id):
    found = web.desk.draft(draft_id)
    return found.state, found.reason


def test_keyboard_alone_goes_from_the_list_through_the_drafts(web, open_page):
    page = open_page("/")
    press(page, "j", "j", "k", "Enter")
    first = shown_draft(page)
    press(page, "a")
    second = shown_draft(page)
    press(page, "1")
    third = shown_draft(page)
    page.keyboard.press("d")
    page.keyboard.type("asked them 2 times")
    press(page, "Enter")
    fourth = shown_draft(page)
    assert len({first, second, third, fourth}) == 4
    assert state(web, first) == ("approved", None)
    assert state(web, second) == ("dismissed", "false positive")
    assert state(web, third) == ("dismissed", "asked them 2 times")
    assert state(web, fourth) == ("draft", None)


def test_decision_is_taken_back_by_two_keys(web, draft_id, open_page):
    page = open_page(f"/draft/{draft_id}")
    press(page, "a")
    assert state(web, draft_id) == ("approved", None)
    press(page, "l")
    press(page, "u")
    assert shown_draft(page) == draft_id
    assert state(web, draft_id) == ("draft", None)


def test_k_leads_back_to_where_j_came_from(draft_id, open_page):
    page = open_page(f"/draft/{draft_id}")
    press(page, "j")
    assert shown_draft(page) != draft_id
    press(page, "k")
    assert shown_draft(page) == draft_id


def test_origin_is_muted_by_keyboard_with_a_reason(web, draft_id, open_page):
    page = open_page(f"/draft/{draft_id}")
    page.keyboard.press("m")
    page.keyboard.type("our customer")
    press(page, "Enter")
    assert state(web, draft_id) == ("dismissed", "muted: our customer")


def test_note_is_written_by_keyboard(web, draft_id, open_page):
    page = open_page(f"/draft/{draft_id}")
    page.keyboard.press("e")
    page.keyboard.type("Third night in a row, jkad1?")
    for _ in range(3):
        page.keyboard.press("Tab")
    press(page, "Enter")
    assert web.desk.draft(draft_id).report.note == "Third night in a row, jkad1?"
    expect(page.get_by_label("The report as text")).to_contain_text("Third night in a row")


def test_question_mark_shows_the_keys_and_escape_hides_them(open_page):
    page = open_page("/")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("approve")
    page.keyboard.press("a")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_no_without_a_reason_is_not_even_sent(web, draft_id, open_page):
    page = open_page(f"/draft/{draft_id}")
    page.keyboard.press("d")
    page.keyboard.press("Enter")
    expect(page.locator("#reason:invalid")).to_be_focused()
    assert state(web, draft_id) == ("draft", None)


def test_keys_typed_into_a_field_decide_nothing(web, draft_id, open_page):
    page = open_page(f"/draft/{draft_id}")
    page.keyboard.press("d")
    page.keyboard.type("aa11uu")
    page.keyboard.press("Escape")
    expect(page.locator("#reason")).not_to_be_focused()
    assert state(web, draft_id) == ("draft", None)


def test_shortcut_of_the_browser_decides_nothing(web, draft_id, open_page):
    page = open_page(f"/draft/{draft_id}")
    page.keyboard.press("Control+a")
    page.reload()
    assert state(web, draft_id) == ("draft", None)


def test_page_works_without_javascript(web, chromium):
    context = web.context(chromium, java_script_enabled=False)
    page = context.new_page()
    page.goto("/")
    page.get_by_role("row").filter(has_text="waits").first.get_by_role("link").click()
    first = shown_draft(page)
    page.get_by_role("button", name="Approve").click()
    second = shown_draft(page)
    page.get_by_role("button", name="Dismiss: known sender").click()
    third = shown_draft(page)
    page.get_by_label("Reason to dismiss").fill("ours")
    page.get_by_label("Reason to dismiss").press("Enter")
    fourth = shown_draft(page)
    page.get_by_text("Mute this origin").click()
    page.get_by_label("because").fill("a friend")
    page.get_by_role("button", name="Mute", exact=True).click()
    page.get_by_role("link", name="Muted origins").click()
    ip = web.desk.draft(fourth).report.facts.ip
    page.get_by_role("button", name=f"Unmute {ip}/32").click()
    expect(page.get_by_text(f"{ip}/32")).to_have_count(0)
    decided = [state(web, each) for each in (first, second, third, fourth)]
    assert decided == [
        ("approved", None),
        ("dismissed", "known sender"),
        ("dismissed", "ours"),
        ("dismissed", "muted: a friend"),
    ]
    assert context.complaints == []
    context.close()


def test_login_takes_the_token_and_logout_ends_the_session(web, chromium):
    context = chromium.new_context(base_url=web.url)
    page = context.new_page()
    page.goto("/")
    page.get_by_label(re.compile("Token")).fill(web.token_file.read_text().strip())
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Results").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("What the reports came to")
    page.get_by_role("button", name="Log out").click()
    page.goto("/stats")
    expect(page.get_by_role("heading", level=1)).to_have_text("Log in")
    context.close()


@pytest.mark.parametrize("path", ["/", "/stats", "/stats?days=365", "/muted", "/nights/"])
def test_page_shows_with_nothing_to_complain_about(open_page, path):
    page = open_page(path)
    expect(page.get_by_role("heading", level=1)).to_be_visible()


@pytest.mark.long
def test_nightly_report_is_shown_with_its_own_script(tmp_path, chromium):
    """`hoptrail nightly` writes it; the policy of our page and of its own let it draw and complain of nothing."""
    desk = AbuseDesk(tmp_path, abuse="draft = false")
    with desk.open() as store:
        store.put([recent_spam(f"12.0.0.{number}", hours=24) for number in range(1, 9)])
    web = Web(desk)
    night = datetime.now(UTC).date() - timedelta(days=1)
    command = [HOPTRAIL, "nightly", "--config", web.config("127.0.0.1:0"), "--day", str(night)]
    subprocess.run(command, check=True, capture_output=True)
    web.log_in()
    context = web.context(chromium)
    page = context.new_page()
    page.goto("/nights/")
    page.get_by_role("link", name=str(night.year)).click()
    expect(page.get_by_role("group", name=f"Mail relays on {night}")).to_be_visible()
    assert page.url == f"{web.url}/nights/{night}/"
    assert context.complaints == []
    context.close()
    web.end()
