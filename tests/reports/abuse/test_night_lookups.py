"""The night's look-ups against real servers on loopback: what they tell is drafted, what is silent waits."""

import json
from datetime import timedelta

import pytest

from hoptrail_reports import drafting
from hoptrail_reports.abuse import ledger
from hoptrail_reports.abuse.forms import written
from hoptrail_reports.abuse.settings import AbuseSettings
from hoptrail_store.settings import StoreSettings
from hoptrail_store.store import Store
from hoptrail_tracer.lookups.settings import LookupSettings
from hoptrail_tracer.model import AddressFacts, ZoneResult
from reports.abuse.samples import NOON
from reports.abuse.spam import LATER, SITE, spam
from testbed.dnsservers import Rbldnsd, Unbound
from testbed.registry import RdapServer, Reply

pytestmark = pytest.mark.services

ZONES = ("zen.spamhaus.org", "list.dnswl.org")
LISTED, VOUCHED = "12.0.0.1", "12.0.1.1"
DAY = NOON.date()


def registration(ip: str) -> Reply:
    network = ip.rpartition(".")[0]
    card = ["vcard", [["version", {}, "text", "4.0"], ["email", {}, "text", "abuse@isp.example.net"]]]
    answer = {
        "objectClassName": "ip network",
        "startAddress": f"{network}.0",
        "endAddress": f"{network}.255",
        "entities": [{"objectClassName": "entity", "roles": ["abuse"], "vcardArray": card}],
    }
    return Reply(200, json.dumps(answer).encode(), {"Content-Type": "application/rdap+json"})


@pytest.fixture(scope="module")
def resolver():
    lists = {"zen.spamhaus.org": {LISTED: "127.0.0.4"}, "list.dnswl.org": {VOUCHED: "127.0.5.3"}}
    with Rbldnsd(lists) as lists, Unbound(stubs=dict.fromkeys(ZONES, lists.port)) as unbound:
        yield unbound


@pytest.fixture
def store(tmp_path):
    with Store.open(StoreSettings(path=str(tmp_path / "store.sqlite"))) as opened:
        yield opened


def unasked(ip: str):
    """A spam of which the milter knew nothing: its lists were late."""
    late = tuple(ZoneResult(zone, "late") for zone in ZONES)
    return spam(ip, rdns=None, facts=AddressFacts(ip, zones=late))


def night(store, resolver, rdap, *, later=timedelta(0), **settings):
    lookups = LookupSettings(
        nameservers=(resolver.address,),
        zones=ZONES,
        rdap_test_servers=(rdap.base,),
        abusix=False,
        whois=False,
        registry_per_minute=6_000,
        registry_timeout_s=2,
    )
    return drafting.draft(
        DAY,
        store,
        site=SITE,
        lookups=lookups,
        abuse=AbuseSettings(**settings),
        store_settings=store.settings,
        now=LATER + later,
    )


def test_lists_and_registry_are_asked_anew_and_the_vouched_for_is_let_go(store, resolver):
    store.put([unasked(LISTED), unasked(VOUCHED)])
    with RdapServer({f"/ip/{ip}": registration(ip) for ip in (LISTED, VOUCHED)}) as rdap:
        summary = night(store, resolver, rdap)
    assert dict(summary.states) == {"drafted": 1, "refused": 1}
    [draft] = ledger.drafts(store.db)
    assert (draft.report.contact.address, draft.report.contact.source) == ("abuse@isp.example.net", "rdap")
    text = written(draft.report, "spamcop", sender="reports@example.org").decode()
    assert f"{LISTED} listed in zen.spamhaus.org ( 127.0.0.4 )" in text
    assert dict(summary.objections) == {"allow-listed": 1}


def test_registry_that_is_down_leaves_the_case_waiting_and_the_next_night_drafts_it(store, resolver):
    store.put([unasked(LISTED)])
    with RdapServer({f"/ip/{LISTED}": Reply(503)}) as rdap:
        assert dict(night(store, resolver, rdap).states) == {"waiting": 1}
    with store.transaction():  # a failure is remembered for minutes, and the next night comes in a day
        store.db.conn.execute("DELETE FROM lookup")
    with RdapServer({f"/ip/{LISTED}": registration(LISTED)}) as rdap:
        assert night(store, resolver, rdap, later=timedelta(days=1)).drafted == 1


def test_night_goes_on_where_the_last_one_stopped_and_asks_nothing_twice(store, resolver):
    sources = [f"12.0.{n}.1" for n in range(2, 8)]
    store.put([unasked(ip) for ip in sources])
    with RdapServer({f"/ip/{ip}": registration(ip) for ip in sources}) as rdap:
        first = night(store, resolver, rdap, contact_lookups=4)
        second = night(store, resolver, rdap, contact_lookups=4, later=timedelta(days=1))
        asked = [path for path, _ in rdap.requests]
    assert dict(first.states) == {"drafted": 4, "waiting": 2}
    assert dict(second.states) == {"drafted": 6}
    assert sorted(asked) == sorted(f"/ip/{ip}" for ip in sources)
