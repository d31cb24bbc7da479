"""Spam that attacks whoever reviews it, in a real Chromium: all of it is text, and none of it breaks the page."""

from dataclasses import replace

import pytest
from playwright.sync_api import expect

from hoptrail_reports.abuse import ledger, mutes
from hoptrail_tracer.model import AddressFacts, Contact, ZoneResult
from reports.abuse.abusedesk import AbuseDesk, recent_spam
from web.reviewing import Web

SCRIPT = "<script>document.title='taken'</script>"
HANDLER = "\"><img src=/nights/x onerror=\"document.title='taken'\"><svg onload=document.title='taken'>"
EVIL = f"{SCRIPT}{HANDLER}</pre></textarea></title>{{{{7*7}}}}"
TURNED = "user\u202egpj.exe\u2066\x00\x1b[31m\u2028'"
LONG = "a" * 255
MAILS = {
    "script": f"From: {EVIL} <x@e.example>\r\nSubject: {EVIL}\r\nTo: {EVIL}\r\n\r\n{EVIL}\r\n",
    "html": f'Subject: hi\r\nContent-Type: text/html\r\n\r\n<b onclick=x>{EVIL}</b><a href="javascript:{HANDLER}">go</a>',
    "turned": f"From: {TURNED}\r\nSubject: {TURNED}\r\n\r\n{TURNED}\r\n",
    "long": f"From: {LONG}@{LONG}.example\r\nSubject: {LONG * 4}\r\n{LONG}: {LONG}\r\n\r\n{'b' * 100_000}\r\n",
    "large": "Subject: large\r\n\r\n" + "<script>x</script> buy now\r\n" * 380_000,
    "empty": "\r\n",
}
SIZES = ({"width": 390, "height": 844}, {"width": 1440, "height": 900})


def hostile(report, text):
    """The report with a stranger's words wherever a stranger may have written them."""
    zone = ZoneResult(text, "listed", (text,), text)
    facts = AddressFacts(
        report.facts.ip, name=text, name_confirmed=False, asn=1, as_name=text, country=text, zones=(zone,)
    )
    contact = Contact(report.contact.address, text, 0.9, "12.0.0.0/8", text)
    return replace(report, facts=facts, contact=contact, reasons=(text,), subject=text, helo=text, note=text)


@pytest.fixture(scope="module")
def web(tmp_path_factory):
    desk = AbuseDesk(tmp_path_factory.mktemp("desk"))
    texts = {"turned": TURNED, "long": LONG}
    relays = "from {0} ({0} [203.0.113.9]) by {0} ({0}) with SMTP id 1; Fri, 20 Nov 2026 11:59:00 +0000"
    spam = [
        recent_spam(
            f"12.0.0.{number}",
            raw=raw.encode(),
            subject=texts.get(name, EVIL),
            helo=texts.get(name, EVIL),
            received=(relays.format(texts.get(name, EVIL)),),
        )
        for number, (name, raw) in enumerate(MAILS.items())
    ]
    desk.night(*spam, contact=lambda ip: f"abuse@as{ip.rpartition('.')[2]}.example.com")
    with desk.open() as store:
        by_ip = {draft.report.facts.ip: draft for draft in ledger.drafts(store.db)}
        mutes.mute(store, "192.0.2.0/24", reason=EVIL, until=None, now=spam[0].received_at)
        found = {name: by_ip[f"12.0.0.{number}"] for number, name in enumerate(MAILS)}
        with store.transaction():
            for name, draft in found.items():
                ledger.put_report(store, draft.id, hostile(draft.report, texts.get(name, EVIL)), draft.form)
                store.db.conn.execute(
                    "UPDATE abuse_draft SET reason = ?, detail = ?, sent_ms = created_ms WHERE id = ?",
                    (EVIL, LONG, draft.id),
                )
    running = Web(desk)
    running.log_in()
    running.drafts = {name: draft.id for name, draft in found.items()}
    yield running
    running.end()


@pytest.fixture(scope="module")
def page(web, chromium):
    return web.context(chromium).new_page()


def check_harmless(page):
    """Nothing ran, was fetched or complained; no element is the mail's; the page is as wide as its window."""
    assert page.context.complaints == []
    assert page.title().endswith("- Hoptrail")
    assert (
        page.locator("img, iframe, object, embed, main script, main style, [onerror], [onload], [onclick]").count() == 0
    )
    assert page.locator("a[href^='javascript'], a[href^='http']").count() == 0
    for size in SIZES:
        page.set_viewport_size(size)
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    text = page.locator("body").inner_text()
    assert not any(letter in text for letter in "\0\x1b\u202e\u2066\u2028")


@pytest.mark.parametrize("name", MAILS)
def test_draft_about_hostile_mail_is_text(web, page, name):
    page.goto(f"/draft/{web.drafts[name]}")
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    check_harmless(page)


def test_words_of_the_attack_stand_there_to_be_read(web, page):
    page.goto(f"/draft/{web.drafts['script']}")
    expect(page.get_by_label("The mail's text")).to_contain_text(SCRIPT)
    expect(page.get_by_label("The report as text")).to_contain_text(SCRIPT)
    expect(page.get_by_label("The way it came")).to_contain_text("script")
    expect(page.get_by_label("Whom it goes to")).to_contain_text(HANDLER)


def test_turned_and_control_characters_are_spelled_out(web, page):
    page.goto(f"/draft/{web.drafts['turned']}")
    expect(page.get_by_label("The mail's text")).to_contain_text(r"user\u202egpj.exe\u2066\x00\x1b[31m\u2028'")


def test_html_is_read_as_its_words_and_where_links_lead(web, page):
    page.goto(f"/draft/{web.drafts['html']}")
    expect(page.get_by_label("The mail's text")).to_contain_text("[javascript:")
    expect(page.get_by_label("The mail's text")).to_contain_text("go")


def test_mail_of_ten_megabytes_says_what_is_left_out(web, page):
    page.goto(f"/draft/{web.drafts['large']}")
    expect(page.locator("main")).to_contain_text("more lines are left out")


@pytest.mark.parametrize(
    "path", ["/", "/stats", "/muted", "/nights/", "/?said=x:approved", "/?said=%3Cscript%3E:muted"]
)
def test_list_of_hostile_things_is_text(page, path):
    page.goto(path)
    check_harmless(page)
