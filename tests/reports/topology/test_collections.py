"""A collection keeps what it was made of, to the last figure, and outlives its mail."""

import sqlite3
from datetime import date
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoptrail_reports.errors import CollectionError, UnknownCollectionError
from hoptrail_reports.topology.collections import (
    Recipe,
    add_collection,
    anonymous_traffic,
    collection_traffic,
    collections,
    delete_collection,
    find_collection,
    pseudonym,
)
from hoptrail_reports.topology.graph import relay_map
from hoptrail_reports.topology.grouping import owner
from hoptrail_reports.topology.traffic import Traffic, traffic
from hoptrail_store.retention import prune
from hoptrail_store.settings import StoreSettings
from hoptrail_store.store import Store
from reports.topology.relay_samples import way, ways

RECIPE = Recipe(date(2026, 11, 1), date(2026, 11, 20), {"spam": False}, "mx1.example.org")
SEEN = traffic(ways(60, 400))


@pytest.fixture
def store(tmp_path):
    with Store.open(StoreSettings(path=str(tmp_path / "store.sqlite"))) as opened:
        yield opened


def test_a_collection_gives_back_every_figure(store):
    made = add_collection(store, "before the move", RECIPE, SEEN)
    assert collection_traffic(store.db.conn, "before the move") == SEEN
    assert (made.recipe, made.messages, made.relays) == (RECIPE, 400, len(SEEN.relays))


def test_a_collection_stays_when_its_mail_is_deleted(store):
    add_collection(store, "kept", RECIPE, SEEN)
    prune(store, now_ms=4_000_000_000_000)
    assert collection_traffic(store.db.conn, "kept").messages == 400


def test_collections_are_listed_in_the_order_of_making_until_they_are_deleted(store):
    for name in ("b", "a"):
        add_collection(store, name, RECIPE, SEEN)
    assert [one.name for one in collections(store.db.conn)] == ["b", "a"]
    delete_collection(store, "b")
    assert [one.name for one in collections(store.db.conn)] == ["a"]
    with pytest.raises(UnknownCollectionError, match="there is a"):
        find_collection(store.db.conn, "b")


def test_a_collection_never_changes(store):
    add_collection(store, "one", RECIPE, SEEN)
    with pytest.raises(CollectionError, match="delete it first"):
        add_collection(store, "one", RECIPE, SEEN)
    with pytest.raises(sqlite3.IntegrityError, match="never changes"):
        store.db.conn.execute("UPDATE collection SET messages = 1")


@pytest.mark.parametrize("name", ["", " x", "2026-11-01", "2026-11-01..2026-11-02", "a\nb", "x" * 101])
def test_a_collection_refuses_names_that_nobody_could_type_or_tell_from_days(store, name):
    with pytest.raises(CollectionError):
        add_collection(store, name, RECIPE, SEEN)


def test_a_collection_of_no_mail_is_refused(store):
    with pytest.raises(CollectionError, match="no mail fits"):
        add_collection(store, "empty", RECIPE, Traffic())


def test_a_recipe_refuses_a_filter_that_there_is_not():
    with pytest.raises(CollectionError, match="colour"):
        Recipe(date(2026, 11, 1), date(2026, 11, 1), {"colour": "blue"})


def test_an_anonymous_collection_has_the_figures_and_no_name(store):
    add_collection(store, "hidden", RECIPE, SEEN, anonymise=True, salt=b"0123456789abcdef")
    kept = collection_traffic(store.db.conn, "hidden")
    assert not kept.relays.keys() & SEEN.relays.keys()
    assert all(relay.endswith(".invalid") for relay in kept.relays)
    assert find_collection(store.db.conn, "hidden").recipe.root == pseudonym("mx1.example.org", b"0123456789abcdef")
    dump = "\n".join(store.db.conn.iterdump())
    assert "example.org" not in dump


def test_two_anonymous_collections_of_the_same_mail_have_nothing_in_common(store):
    for name in ("one", "two"):
        add_collection(store, name, RECIPE, SEEN, anonymise=True)
    one, two = (collection_traffic(store.db.conn, name) for name in ("one", "two"))
    assert not one.relays.keys() & two.relays.keys()


@given(
    st.lists(st.sampled_from(["a.x.example", "b.x.example", "c.y.example", "[192.0.2.1]", "[192.0.2.9]"]), min_size=2)
)
def test_pseudonyms_keep_the_shape_of_the_map_and_its_domains(relays):
    seen = traffic([way(*relays, observed=1)])
    hidden = anonymous_traffic(seen, b"salt")
    plain, veiled = relay_map(seen), relay_map(hidden)
    names = {relay: pseudonym(relay, b"salt") for relay in seen.relays}
    assert {names[relay]: row for relay, row in plain.rows.items()} == veiled.rows
    for (one, veiled_one), (other, veiled_other) in product(names.items(), repeat=2):
        assert (owner(one) == owner(other)) == (owner(veiled_one) == owner(veiled_other))
