from datetime import date, timedelta

import pytest

from hoptrail_reports.topology import tables
from hoptrail_reports.topology.traffic import Traffic, traffic
from hoptrail_store.settings import StoreSettings
from hoptrail_store.store import Store
from reports.topology.relay_samples import ways

MONDAY = date(2026, 11, 16)
TUESDAY = MONDAY + timedelta(days=1)


@pytest.fixture
def store(tmp_path):
    with Store.open(StoreSettings(path=str(tmp_path / "store.sqlite"))) as store:
        yield store


@pytest.fixture
def mail():
    return [traffic(ways(80, 600, seed=seed)) for seed in (1, 2)]


def test_a_day_comes_back_as_it_was_put(store, mail):
    tables.put_day(store, MONDAY, mail[0], {"spam": 3})
    assert tables.stored_traffic(store.db.conn, MONDAY, MONDAY) == mail[0]
    assert tables.figures_of(store.db.conn, MONDAY) == {"spam": 3}


def test_days_are_added_up_by_the_store_as_they_are_in_memory(store, mail):
    tables.put_day(store, MONDAY, mail[0], {})
    tables.put_day(store, TUESDAY, mail[1], {})
    assert tables.stored_traffic(store.db.conn, MONDAY, TUESDAY) == mail[0] + mail[1]


def test_a_day_put_twice_is_the_last_one_put(store, mail):
    tables.put_day(store, MONDAY, mail[0], {})
    tables.put_day(store, MONDAY, mail[1], {})
    assert tables.stored_traffic(store.db.conn, MONDAY, MONDAY) == mail[1]


def test_a_day_that_was_begun_and_not_finished_counts_for_nothing(store, mail, monkeypatch):
    def breaks(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(tables.json, "dumps", breaks)
    with pytest.raises(KeyboardInterrupt):
        tables.put_day(store, MONDAY, mail[0], {})
    monkeypatch.undo()
    assert tables.stored_traffic(store.db.conn, MONDAY, MONDAY) == Traffic()
    tables.put_day(store, MONDAY, mail[0], {})
    assert tables.stored_traffic(store.db.conn, MONDAY, MONDAY) == mail[0]


def test_old_days_are_dropped_whole(store, mail):
    tables.put_day(store, MONDAY, mail[0], {})
    tables.put_day(store, TUESDAY, mail[1], {})
    assert tables.drop_days_before(store, TUESDAY) == 1
    assert tables.mapped_days(store.db.conn, MONDAY, TUESDAY) == [TUESDAY]
    assert tables.stored_traffic(store.db.conn, MONDAY, TUESDAY) == mail[1]


def test_the_history_of_a_relay_names_the_days_it_was_seen(store, mail):
    tables.put_day(store, MONDAY, mail[0], {})
    tables.put_day(store, TUESDAY, mail[1], {})
    connection = store.db.conn
    assert tables.relay_history(connection, "mx1.example.org", MONDAY, TUESDAY) == {
        MONDAY: mail[0].relays["mx1.example.org"].messages,
        TUESDAY: mail[1].relays["mx1.example.org"].messages,
    }
    assert tables.relays_seen(connection, MONDAY, MONDAY) == set(mail[0].relays)
