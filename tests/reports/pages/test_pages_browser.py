"""The nightly pages in a real Chromium, from file://: at 300 and at 5,000 relays, by mouse, keyboard, phone and printer."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from hoptrail_reports.pages.render import Pages, file_name
from hoptrail_reports.report import DraftLine
from hoptrail_reports.settings import ReportSettings
from reports.night_samples import DAY, NOON, fill, message, nightly, passed_on, settings
from reports.pages.made_up_site import HOSTILE, build
from testbed.browser import complaints

DESKTOP = {"width": 1400, "height": 900}
PHONE = {"width": 390, "height": 844}
GATEWAY = "gw.firm1.example"


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The last of three nights of a site with some 300 relays."""
    return build(tmp_path_factory.mktemp("small"), 380, 1_200, relay_pages=60)


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A night of a site with some 5,000 relays."""
    return build(tmp_path_factory.mktemp("large"), 16_000, 15_000, nights=(0,))


@pytest.fixture(scope="module", params=["small", pytest.param("large", marks=pytest.mark.long)])
def night(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def browse(chromium):
    """Opens a file of a night. At the end no page may have complained, or asked for anything but a file of the site."""
    contexts = []

    def opened(night, name="index.html", **options):
        context = chromium.new_context(**{"viewport": DESKTOP} | options)
        context.complaints = complaints(context)
        site = night.place.parent.as_uri()
        context.on("request", lambda sent: sent.url.startswith(site) or context.complaints.append(sent.url))
        contexts.append(context)
        page = context.new_page()
        page.goto(f"{night.place.as_uri()}/{name}")
        return page

    yield opened
    found = [complaint for context in contexts for complaint in context.complaints]
    for context in contexts:
        context.close()
    assert found == []


def pages_of(night):
    """A page of each sort, one of a relay with a hostile name among them."""
    busiest = max(night.report.relays.relays, key=lambda name: len(night.report.relays.into.get(name, ())))
    relays = (busiest, HOSTILE, GATEWAY)
    return ["../index.html", "index.html", *(f"relays/{file_name(relay)}" for relay in relays)]


def box(page, name):
    return page.locator("svg.map a.box").filter(has=page.locator("title", has_text=name))


def style(locator, what):
    return locator.evaluate("(element, what) => getComputedStyle(element)[what]", what)


def is_wider_than_screen(page):
    return page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")


def test_sizes_are_those_that_are_promised(small):
    assert 250 < len(small.report.relays.relays) < 350


@pytest.mark.long
def test_large_site_has_five_thousand_relays_on_its_map(large):
    assert 5_000 < len(large.report.relays.relays) < 6_000


def test_pages_open_without_network_and_with_nothing_to_complain_about(night, browse):
    for name in [*pages_of(night), "map.svg"]:
        page = browse(night, name)
        if name != "map.svg":
            expect(page.get_by_role("heading", level=1)).to_be_visible()


@pytest.mark.parametrize(("scheme", "screen"), [("light", PHONE), ("dark", DESKTOP)])
def test_pages_are_accessible_by_axe_in_both_schemes_and_sizes(night, browse, scheme, screen):
    """axe-core: contrast, names, headings, landmarks, tables, what the keyboard reaches."""
    for name in pages_of(night)[:3]:
        page = browse(night, name, viewport=screen, color_scheme=scheme)
        found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
        assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found] == []


def luminance(colour):
    """Of a colour as #rrggbb (WCAG 2.2, relative luminance)."""
    channels = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels]
    return sum(weight * each for weight, each in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one, other):
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_letters_and_lines_of_the_pictures_stand_out_from_their_ground(small, browse, scheme):
    """WCAG 2.2 AA: 4.5 for text, 3 for lines; axe-core does not look into pictures."""
    page = browse(small, color_scheme=scheme)
    look = "name => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim()"

    def colour(name):
        return page.evaluate(look, name)

    for ground in ("paper", "panel", "ours", "seen", "claimed"):
        assert contrast(colour("ink"), colour(ground)) >= 4.5
    for text in ("dim", "accent", "blue", "purple", "red", "green", "badge"):
        assert contrast(colour(text), colour("paper")) >= 4.5, text
    assert contrast(colour("dim"), colour("ours")) >= 4.5
    assert contrast(colour("badge-ink"), colour("badge")) >= 4.5
    assert contrast(colour("none"), colour("paper")) >= 3


def test_no_page_scrolls_sideways_on_a_phone(night, browse):
    for name in pages_of(night):
        assert not is_wider_than_screen(browse(night, name, viewport=PHONE))


def test_map_scrolls_on_a_phone_and_begins_with_our_hosts_in_view(night, browse):
    page = browse(night, viewport=PHONE)
    frame = page.get_by_role("figure", name="The map")
    ours, view = box(page, "store.example.org").bounding_box(), frame.bounding_box()
    assert view["x"] <= ours["x"]
    assert ours["x"] + ours["width"] <= view["x"] + view["width"]


def test_dark_and_light_follow_the_browser(small, browse):
    ground = {
        scheme: style(browse(small, color_scheme=scheme).locator("html"), "backgroundColor")
        for scheme in ("light", "dark")
    }
    assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(17, 21, 28)"}


def test_paper_is_white_and_without_what_only_a_screen_is_for(night, browse):
    page = browse(night, color_scheme="dark")
    page.emulate_media(media="print")
    assert style(page.locator("html"), "backgroundColor") == "rgb(255, 255, 255)"
    expect(page.get_by_role("navigation")).to_have_count(0)
    expect(page.get_by_role("searchbox")).to_have_count(0)
    sheets = len(re.findall(rb"/Type\s*/Page\b", page.pdf(format="A4")))
    assert 2 <= sheets <= 25


def test_nothing_is_cut_off_on_paper(night, browse):
    for name in pages_of(night):
        page = browse(night, name, viewport={"width": 718, "height": 1000})  # A4 less its margins
        page.emulate_media(media="print")
        assert not is_wider_than_screen(page)


def test_click_on_a_box_of_the_map_opens_its_relays_page(night, browse):
    page = browse(night)
    box(page, GATEWAY).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(GATEWAY)
    page.get_by_role("link", name="mx1.example.org").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("mx1.example.org")
    page.get_by_role("link", name="The night's report").click()
    expect(page.locator("svg.map[role=group]")).to_be_visible()


def test_keyboard_alone_skips_to_the_content_and_opens_a_relay_from_the_map(small, browse):
    page = browse(small)
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="To the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_in_viewport()
    page.get_by_role("figure", name="The map").focus()
    page.keyboard.press("Tab")
    first = page.locator("svg.map .box").first
    expect(first).to_be_focused()
    unfocused = page.locator("svg.map .box").nth(1)
    assert style(first.locator("> rect").last, "strokeWidth") != style(unfocused.locator("> rect").last, "strokeWidth")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("store.example.org")


def test_focus_is_to_be_seen_wherever_the_keyboard_goes(small, browse):
    page = browse(small)
    stops = []
    while not stops or stops[-1][0] != "FIGURE":
        page.keyboard.press("Tab")
        look = "getComputedStyle(document.activeElement).outlineStyle"
        stops.append(page.evaluate(f"[document.activeElement.tagName, {look}]"))
    assert {tag for tag, _ in stops} <= {"A", "SUMMARY", "FIGURE"}
    assert {outline for _, outline in stops} == {"solid"}


def test_box_under_the_pointer_lights_its_lines(small, browse):
    page = browse(small)
    box(page, "store.example.org").hover()
    lit = page.locator("figure .line.lit")
    expect(lit).to_have_count(2)
    unlit = page.locator("figure .line:not(.lit)").first
    assert style(lit.first.locator(".ink"), "opacity") > style(unlit, "opacity")
    page.get_by_role("heading", level=1).hover()
    expect(lit).to_have_count(0)


def test_lines_differ_by_their_dashes_as_well_as_by_their_colours(small, browse):
    page = browse(small)
    looks = {}
    for colour in ("blue", "purple", "red", "green", "none"):
        sample = page.locator(f".legend .line.{colour} .ink")
        looks[colour] = (style(sample, "stroke"), style(sample, "strokeDasharray"))
    strokes, dashes = zip(*looks.values(), strict=True)
    assert len(set(strokes)) == len(set(dashes)) == 5


def test_table_of_relays_shows_only_what_is_asked_for(small, browse):
    page = browse(small)
    rows = page.locator("#relay-table tbody tr")
    before = rows.count()
    page.get_by_role("searchbox").fill(GATEWAY.upper())
    expect(rows.filter(visible=True)).to_have_count(1)
    page.get_by_role("searchbox").fill("")
    expect(rows.filter(visible=True)).to_have_count(before)


def test_without_javascript_all_is_there_but_the_comforts(small, browse):
    page = browse(small, java_script_enabled=False)
    expect(page.get_by_role("searchbox")).to_have_count(0)
    box(page, GATEWAY).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(GATEWAY)


def test_world_map_shows_the_countries_that_sent_mail_with_their_figures(small, browse):
    page = browse(small)
    brazil = next(one for one in small.report.geography.countries if one.code == "BR")
    words = page.locator(".world-frame g title", has_text="Brazil")
    expect(words).to_contain_text(f"{brazil.messages:,} messages")
    disc = page.locator(".world-frame g", has=page.locator("title", has_text="Brazil")).first
    expect(disc.locator("circle.core")).to_have_count(1)
    table = page.get_by_role("table", name="Countries by mail")
    expect(table.get_by_role("row").nth(1)).to_contain_text("Italy")


def test_networks_are_ranked_by_spam_with_what_changed(small, browse):
    row = browse(small).get_by_role("table", name="Networks by spam").get_by_role("row").nth(1)
    expect(row).to_contain_text("AS64666")
    expect(row.get_by_role("cell").last).to_have_text(re.compile("[+\N{MINUS SIGN}][0-9]"))


def test_refused_recipients_are_drawn_by_day_with_the_newest_day_labelled(small, browse):
    page = browse(small)
    chart = page.get_by_role("img", name="Refused recipients as a share of all named")
    bars = chart.locator("g", has=page.locator("rect"))
    expect(bars).to_have_count(3)
    expect(bars.last.locator("title")).to_contain_text("2026-11-20")
    expect(bars.last.locator(".label")).to_have_text("20.11.")
    table = page.get_by_role("table", name="Clients that were refused most")
    expect(table.get_by_role("row").nth(1)).to_contain_text("203.0.113.0/24")


def test_relay_page_ends_its_timeline_with_the_day_itself(small, browse):
    page = browse(small, f"relays/{file_name(GATEWAY)}")
    newest = page.get_by_role("img", name="Messages a day").locator("text.label").last
    expect(newest).to_have_text("20.11.")


def test_relay_page_tells_what_was_found_about_it_on_earlier_days_too(tmp_path, browse):
    found = settings(tmp_path)
    fill(found, [passed_on(message(at=NOON - timedelta(days=back))) for back in (1,) * 20 + (0,) * 5])
    nightly(found, DAY - timedelta(days=1))
    page = browse(nightly(found), f"relays/{file_name('mx.example.org')}")
    table = page.get_by_role("table", name="What the detectors found")
    expect(table.get_by_role("row").nth(1)).to_contain_text("single point")


def test_relay_page_names_the_networks_of_its_addresses(small, browse):
    page = browse(small, f"relays/{file_name(GATEWAY)}")
    expect(page.locator("dl.facts")).to_contain_text(re.compile(r"AS645\d\d NET-\d+, [A-Z]{2}"))


def test_drafts_are_one_click_away_where_the_review_page_serves_the_report(small, chromium):
    draft = DraftLine("2026-11-20-a1", "192.0.2.9", "abuse@isp.example", 3)
    text = Pages(replace(small.report, drafts=(draft,)), ReportSettings(relay_pages=0)).index()
    context = chromium.new_context()
    context.route("http://desk.example/**", lambda route: route.fulfill(body=text, content_type="text/html"))
    page = context.new_page()
    page.goto("http://desk.example/elsewhere/2026-11-20/")
    expect(page.get_by_text(draft.id)).to_be_visible()
    expect(page.get_by_role("link", name=draft.id)).to_have_count(0)
    page.goto("http://desk.example/nights/2026-11-20/")
    expect(page.get_by_role("link", name=draft.id)).to_have_attribute("href", f"/draft/{draft.id}")
    context.close()
