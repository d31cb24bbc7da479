"""Links and relays added up in columns are those of the definition, from the store, from the archive, and on a cluster."""

import tempfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hoptrail_reports.topology.engine import Selection, open_duckdb, selected_traffic, whole_days
from hoptrail_reports.topology.traffic import Traffic, Way, traffic
from hoptrail_store.archive.moving import move_days
from hoptrail_store.settings import StoreSettings
from hoptrail_store.store import Store
from hoptrail_tracer.model import Hop, Origin, Received, Trace, Trust
from hoptrail_tracer.path import relay_path
from reports.night_samples import DAY, NOON, message
from reports.topology.spark_cluster import spark_cluster

AFTER = DAY + timedelta(days=1)
NAMES = ["a.example", "b.example", "c.example", "mx.example", "localhost"]

hosts = st.sampled_from(NAMES)
dates = st.none() | st.integers(-900_000, 900_000).map(
    lambda s: datetime(2026, 11, 20, tzinfo=UTC) + timedelta(seconds=s)
)
received = st.builds(
    Received,
    st.sampled_from(["parsed", "parsed", "parsed", "skipped"]),
    ip=st.none() | st.sampled_from(["127.0.0.1", "192.0.2.1", "2001:db8::1"]),
    rdns=st.none() | hosts,
    by=st.none() | hosts,
    date=dates,
)
hops = st.builds(Hop, received, st.sampled_from(list(Trust)))
chains = st.lists(st.lists(hops, max_size=6).map(tuple), min_size=1, max_size=25)


def records(traces):
    return [
        replace(
            message(at=NOON + timedelta(seconds=number), points=float(number % 2) * 9),
            trace=Trace(trace, Origin(None, None, Trust.CLAIMED, 0.1, "none")),
            envelope_from=("a@One.example", "b@two.example", None, "")[number % 4],
            recipients=(("x@here.example",), ("y@there.example", "z@here.example"), ())[number % 3],
        )
        for number, trace in enumerate(traces)
    ]


def ways(stored):
    for record in stored:
        if steps := relay_path(record.trace.hops):
            yield Way(steps, int(record.received_at.timestamp()))


@pytest.fixture
def fresh(tmp_path_factory):
    """A function that puts records into a store of its own and gives its settings."""

    def fill(stored):
        folder = tmp_path_factory.mktemp("store")
        made = StoreSettings(path=str(folder / "store.sqlite"), archive=str(folder / "archive"))
        with Store.open(made) as store:
            store.put(stored)
        return made

    return fill


def archive(made):
    with Store.open(made) as store:
        move_days(store, "mx1", before=AFTER)


few = settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))


@few
@given(traces=chains)
def test_what_the_engine_adds_up_is_what_the_definition_does(fresh, traces):
    stored = records(traces)
    made, expected = fresh(stored), traffic(ways(stored))
    assert selected_traffic(made, whole_days(DAY, DAY)) == expected
    archive(made)
    assert selected_traffic(made, whole_days(DAY, DAY)) == expected


@few
@given(traces=chains, root=hosts, direction=st.sampled_from(["to", "from"]))
def test_from_a_chosen_root_too(fresh, traces, root, direction):
    stored = records(traces)
    expected = traffic(ways(stored), root=root, direction=direction)
    assert selected_traffic(fresh(stored), whole_days(DAY, DAY), root=root, direction=direction) == expected


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        ({"spam": True}, {1, 3, 5, 7, 9, 11}),
        ({"spam": False, "imported": False}, {0, 2, 4, 6, 8, 10}),
        ({"imported": True}, set()),
        ({"sender_domain": "ONE.example"}, {0, 4, 8}),
        ({"sender_domain": ""}, {2, 3, 6, 7, 10, 11}),
        ({"recipient_domain": "there.example", "spam": True}, {1, 7}),
        ({"since": NOON + timedelta(seconds=3), "until": NOON + timedelta(seconds=5)}, {3, 4}),
    ],
)
def test_a_selection_holds_what_it_asks_for(fresh, wanted, numbers):
    stored = records([message(f"gw{number}.example").trace.hops for number in range(12)])
    made = fresh(stored)
    selection = replace(Selection(NOON, NOON + timedelta(hours=1)), **wanted)
    expected = traffic(ways(stored[number] for number in sorted(numbers)))
    assert selected_traffic(made, selection) == expected
    archive(made)
    assert selected_traffic(made, selection) == expected


def test_duckdb_spills_into_the_temporary_folder_and_not_where_the_job_was_started():
    connection = open_duckdb()
    [[folder]] = connection.raw_sql("SELECT current_setting('temp_directory')").fetchall()
    connection.disconnect()
    assert folder == tempfile.gettempdir()


def test_days_without_mail_have_no_traffic(fresh):
    assert selected_traffic(fresh([]), whole_days(DAY, AFTER)) == Traffic()


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_spark_cluster_of_two_workers_adds_up_the_same_row_by_row(fresh, tmp_path):
    gateways = [f"gw{number % 40}.example" for number in range(600)]
    stored = records([message(name, at=NOON - timedelta(seconds=len(name))).trace.hops for name in gateways])
    late = [replace(message(at=NOON), trace=record.trace) for record in stored[:50]]
    made = fresh(stored)
    archive(made)
    with Store.open(made) as store:  # these are not archived: this host adds them up itself
        store.put(late)
    here = selected_traffic(made, whole_days(DAY, DAY))
    with spark_cluster(tmp_path, workers=2) as master:
        there = selected_traffic(made, whole_days(DAY, DAY), cluster=master)
        chosen = Selection(NOON, NOON + timedelta(hours=1), spam=True)
        spam = selected_traffic(made, chosen, cluster=master)
    assert there.links == here.links
    assert there.relays == here.relays
    assert there.messages == here.messages == 650
    assert spam == selected_traffic(made, chosen)
