"""What the figures of a report say: where mail came from, what moved, and the plain text for cron."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoptrail_reports.detectors.finding import Finding
from hoptrail_reports.detectors.records import findings_about, put_findings
from hoptrail_reports.errors import ReportError
from hoptrail_reports.geography import Geography, Region, geography, nowhere, places_in
from hoptrail_reports.pages.charts import Bar, bars
from hoptrail_reports.pages.figures import cards
from hoptrail_reports.pages.ranking import change, ranked, share_change
from hoptrail_reports.pages.render import Pages, map_page
from hoptrail_reports.pages.world import country_name, outlines, shade, world_map
from hoptrail_reports.report import DraftLine, figures
from hoptrail_reports.text import WIDTH, text
from hoptrail_reports.topology import tables
from hoptrail_reports.topology.details import RelayDetails
from hoptrail_reports.topology.fold import fold
from hoptrail_reports.topology.graph import relay_map
from hoptrail_reports.topology.traffic import traffic
from hoptrail_reports.weekly import shifts, week_shifts
from hoptrail_store.reader import open_readonly
from hoptrail_store.store import Store
from hoptrail_tracer.lookups.place import Place
from hoptrail_tracer.lookups.settings import LookupSettings
from hoptrail_tracer.model import Trust
from reports.night_samples import DAY, MORNING_AFTER, NOON, fill, message, nightly, refused, settings
from reports.topology.relay_samples import way
from testbed.mmdb import write_mmdb

ONE_DAY = timedelta(days=1)


def two_days(folder):
    """A day with 40 messages, 16 of them spam, and the day before it with 20, 5 of them spam, already reported."""
    found = settings(folder)
    fill(found, [message(at=NOON + timedelta(seconds=n), points=n % 9) for n in range(40)], [refused(refused=40)])
    fill(
        found,
        [message(at=NOON - ONE_DAY + timedelta(seconds=n), points=8 if n < 5 else 0) for n in range(20)],
        [refused(refused=5, at=NOON - ONE_DAY)],
    )
    nightly(found, DAY - ONE_DAY, now=MORNING_AFTER - ONE_DAY)
    return found


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return two_days(tmp_path_factory.mktemp("two_days"))


@pytest.fixture(scope="module")
def done(site):
    return nightly(site)


@pytest.fixture(scope="module")
def page(done):
    """The text of the night's first page."""
    return index(done)


def placed(folder, records, place_of=nowhere):
    """Where some mail of the day came from."""
    fill(settings(folder), records)
    with open_readonly(settings(folder).store.path) as reader:
        return geography(reader.db.conn, DAY, place_of)


def index(done):
    return (done.place / "index.html").read_text()


def test_places_come_from_the_sites_own_databases_before_what_was_looked_up(tmp_path):
    write_mmdb(tmp_path / "country.mmdb", {"192.0.2.0/24": {"country": {"iso_code": "FR"}}})
    found = placed(tmp_path, [message(points=9), message()], places_in([str(tmp_path / "country.mmdb")]))
    assert found.countries == (Region("FR", None, 1, 2, 1),)
    assert found.systems == (Region("AS64500", "EXAMPLE-NET", 1, 2, 1),)
    assert found.unplaced == 0


def test_origins_that_only_strangers_name_are_not_placed(tmp_path):
    lone = message()
    origin = replace(lone.trace.origin, ip="198.51.100.7", trust=Trust.CLAIMED)
    found = placed(tmp_path, [replace(lone, trace=replace(lone.trace, origin=origin)), message()])
    assert [one.messages for one in found.countries] == [1]


def test_mail_from_nowhere_known_is_counted_apart(tmp_path):
    found = placed(tmp_path, [replace(message(), facts=None), message()])
    assert (found.unplaced, found.countries[0].messages) == (1, 1)


def test_database_that_cannot_be_read_is_a_failed_step_and_the_night_goes_on(site, tmp_path):
    (tmp_path / "broken.mmdb").write_text("not a database")
    done = nightly(replace(site, lookups=LookupSettings(mmdb=(str(tmp_path / "broken.mmdb"),))))
    failed = {step.name: step.detail for step in done.report.failed_steps}
    assert "broken.mmdb" in failed["address databases"]
    assert "[lookups] mmdb" in failed["address databases"]
    assert done.report.geography.countries


def test_databases_complete_each_other(tmp_path):
    write_mmdb(tmp_path / "a.mmdb", {"192.0.2.0/24": {"country": {"iso_code": "NL"}}})
    write_mmdb(tmp_path / "b.mmdb", {"192.0.2.0/24": {"asn": 64500, "country": {"iso_code": "DE"}}})
    place_of = places_in([str(tmp_path / "a.mmdb"), str(tmp_path / "b.mmdb")])
    assert place_of("192.0.2.9") == Place(64500, None, "NL")
    assert place_of("no address") == Place()


def test_database_that_is_absent_is_named_with_its_option(tmp_path):
    with pytest.raises(ReportError, match=r"absent.mmdb.*\[lookups\] mmdb"):
        places_in([str(tmp_path / "absent.mmdb")])


def test_page_without_any_place_names_the_option_instead_of_a_map(site, done):
    page = Pages(replace(done.report, geography=Geography()), site.reports).index()
    assert "world-text" not in page
    assert "as <code>mmdb</code> under <code>[lookups]</code>" in page


def test_regions_tell_how_their_mail_changed_since_the_day_before(done):
    report = done.report
    [row] = ranked(report.geography.countries, report.day_before, "countries")
    assert (row.place, row.region.code, row.change) == (1, "NL", "+100%")
    [row] = ranked(report.geography.systems, report.day_before, "systems", "spam")
    assert row.change == "+220%"


def test_region_of_a_day_that_was_not_compared_says_nothing(done):
    assert [row.change for row in ranked(done.report.geography.countries, None, "countries")] == [""]


@pytest.mark.parametrize(
    ("now", "then", "words"),
    [
        (7, 7, "same"),
        (7, 0, "was 0"),
        (70, 7, "was 7"),
        (112, 100, "+12%"),
        (0, 100, "\N{MINUS SIGN}100%"),
        (9_999, 10_000, "same"),
    ],
)
def test_change_of_a_count_in_few_letters(now, then, words):
    assert change(now, then) == words


def test_change_of_a_share_is_in_percentage_points():
    assert share_change(0.40, 0.25) == "+15.0 pts"
    assert share_change(0.25, 0.2501) == "same"
    assert share_change(None, 0.25) == share_change(0.25, None) == ""


def test_cards_of_shares_compare_shares(done):
    found = {card.name: card for card in cards(done.report)}
    assert found["Spam"].value == "40%"
    assert found["Spam"].deltas == ("day before: +15.0 pts",)
    assert found["Refused recipients"].deltas == ("day before: +30.0 pts",)
    assert found["Messages"].deltas == ("day before: +100%",)


def test_refused_share_is_known_for_each_day_that_was_reported(done, page):
    assert done.report.refused_history == {DAY - ONE_DAY: (5, 25)}
    assert f"{DAY - ONE_DAY}: 20%, 5 of 25 recipients" in page
    assert f"{DAY}: 50%, 40 of 80 recipients" in page


def test_relays_that_moved_since_a_week_before_are_named_and_chance_is_not():
    before = {"usual.example": 5_000, "gone.example": 300, "noise.example": 100, "rare.example": 1}
    after = {"usual.example": 5_010, "new.example": 400, "noise.example": 103, "other.example": 2}
    found = shifts(before, 10_000, after, 10_000)
    assert [(one.relay, one.before, one.after) for one in found] == [
        ("new.example", 0.0, 0.04),
        ("gone.example", 0.03, 0.0),
    ]


def test_week_before_without_a_map_is_said(done, page):
    assert done.report.week_shifts is None
    assert "no map of that day" in page


def test_week_before_is_compared_where_it_was_reported(tmp_path):
    relays = relay_map(traffic([way("new.example.com", "mx.example.org")] * 40))
    with Store.open(settings(tmp_path).store) as store:
        assert week_shifts(store.db.conn, DAY, relays) is None
        tables.put_day(store, DAY - timedelta(days=7), traffic([way("old.example.com", "mx.example.org")] * 60), {})
        moved = week_shifts(store.db.conn, DAY, relays)
    assert [(one.relay, one.before, one.after) for one in moved] == [
        ("new.example.com", 0.0, 1.0),
        ("old.example.com", 1.0, 0.0),
    ]


def test_country_of_every_code_has_a_place_and_odd_codes_break_nothing():
    countries = outlines()["countries"]
    assert len(countries) > 240
    wide, high = outlines()["width"], outlines()["height"]
    assert all(0 <= one["at"][0] <= wide and 0 <= one["at"][1] <= high for one in countries.values())
    assert country_name("NL") == "Netherlands"
    assert country_name("ZZ") == "ZZ"
    assert "ZZ" not in world_map([Region("ZZ", None, 1, 5, 0)], 5)


def test_shade_grows_with_addresses_by_powers_of_ten():
    assert [shade(Region("NL", None, n, n, 0)) for n in (1, 9, 10, 999, 1_000, 10**6)] == [0, 0, 1, 2, 3, 3]


def test_core_of_a_disc_covers_the_share_that_was_spam():
    drawn = world_map([Region("NL", None, 1, 100, 25)], 100)
    assert re.findall(r'class="(disc|core)"[^>]* r="([0-9.]+)"', drawn) == [("disc", "26.0"), ("core", "13.0")]


def test_last_bar_is_labelled_however_many_there_are():
    for count in (1, 7, 28, 31, 100):
        chart = bars([Bar(f"d{n}", n, "one") for n in range(count)], title="days")
        assert f">d{count - 1}</text>" in chart


def test_chart_says_its_values_to_those_who_do_not_see_it():
    assert 'aria-label="days: 3 on Monday"' in bars([Bar("Mo", 3, "3 on Monday"), Bar("Tu", 0, "none")], title="days")


def test_findings_of_earlier_days_are_known_by_each_relay_that_they_name(tmp_path):
    night = settings(tmp_path)
    old, new = DAY - ONE_DAY, DAY
    link = Finding("delay", "a.example -> b.example", 0.9, "It is slow.")
    with Store.open(night.store) as store:
        put_findings(store, old, [link, Finding("loop", "b.example c.example", 0.5, "It goes round.")])
        put_findings(store, new, [replace(link, sentence="It is slower.")])
    with open_readonly(night.store.path) as reader:
        found = findings_about(reader.db.conn, old, new)
    assert found["a.example"] == [(new, "delay", "It is slower.")]
    assert found["b.example"] == [(new, "delay", "It is slower."), (old, "loop", "It goes round.")]


def test_relay_page_leads_to_the_drafts_about_its_addresses(site, done):
    drafts = tuple(DraftLine(f"d{n}", f"192.0.2.{n}", "abuse@isp.example", 3) for n in (9, 10))
    pages = Pages(replace(done.report, drafts=drafts), site.reports)
    page = pages.relay("gw.example.net", {}, RelayDetails(addresses=("192.0.2.8", "192.0.2.9")))
    assert '<a href="../index.html#draft-d9">d9</a>' in page
    assert "d10" not in page
    assert 'id="draft-d9"' in pages.index()


def test_relay_page_names_eight_addresses_and_counts_the_others(site, done):
    pages = Pages(done.report, site.reports)
    page = pages.relay("gw.example.net", {}, RelayDetails(addresses=tuple(f"192.0.2.{n}" for n in range(20))))
    assert "192.0.2.7 and 12 more" in page


def test_summary_for_programs_has_countries_systems_and_what_moved(done):
    found = figures(done.report)
    assert found["countries"] == [{"code": "NL", "name": None, "addresses": 1, "messages": 40, "spam": 16}]
    assert found["systems"][0]["code"] == "AS64500"
    assert (found["unplaced"], found["week_shifts"]) == (0, [])


WORDS = st.text(st.characters(categories=["L", "N", "P", "Zs", "Cc"]), max_size=300)


@given(sentence=WORDS, about=WORDS)
def test_no_line_for_cron_is_longer_than_mail_has_columns(done, sentence, about):
    hostile = replace(
        done.report,
        findings=(Finding("silence", "a", 0.5, sentence),),
        drafts=(DraftLine("id", about, "abuse@isp.example", 1),),
    )
    for line in text(hostile, place="/var/lib/hoptrail/reports/2026-11-20/index.html").splitlines():
        assert len(line) <= WIDTH or len(line.split()) == 1


def test_list_of_nights_has_the_newest_first_with_its_figures(done):
    page = (done.place.parent / "index.html").read_text()
    assert re.findall(r'<a href="([0-9-]+)/index.html">', page) == [str(DAY), str(DAY - ONE_DAY)]
    [row] = re.findall(rf'<a href="{DAY}/index.html">.*?</tr>', page)
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", row)
    assert cells == [str(len(done.report.findings)), "40", "40%", "50%", "3"]


def test_text_compares_shares_with_the_day_before(done):
    lines = done.text.splitlines()
    assert "  spam                        16   40% of those scored; day before: +15.0 pts" in lines
    assert "  messages                    40   day before: +100%" in lines


def test_page_of_a_map_lists_a_thousand_relays_and_says_where_the_others_are():
    many = relay_map(traffic(way(f"r{n}.example", "mx.example.org") for n in range(1_200)))
    page = map_page(many, fold(many), title="many")
    assert page.count("<tr>") == 1 + 1_000
    assert "These are the 1,000 with most mail of 1,201" in page
