"""Answers of look-ups outlive the process that found them, and never stand in anybody's way."""

import time
from contextlib import closing

import pytest

from hoptrail_store.cache import StoreCache
from hoptrail_store.journal import Journal
from hoptrail_store.recorder import drain
from hoptrail_store.settings import StoreSettings


@pytest.fixture
def journal(settings):
    with closing(Journal(settings)) as journal:
        yield journal


def test_an_answer_is_there_at_once(settings, journal):
    cache = StoreCache(settings, journal)
    cache.put("ptr", "192.0.2.1", "mail.example.net", 60)
    assert cache.get("ptr", "192.0.2.1") == "mail.example.net"
    assert cache.get("asn", "192.0.2.1") is None


def test_another_process_finds_it(settings, journal):
    with StoreCache(settings, journal) as cache:
        cache.put("ptr", "192.0.2.1", "mail.example.net", 60)
    drain(settings)
    assert StoreCache(settings, journal).get("ptr", "192.0.2.1") == "mail.example.net"


def test_an_answer_expires_in_memory_and_in_the_store(settings, journal):
    now = [time.time()]
    with StoreCache(settings, journal, clock=lambda: now[0]) as cache:
        cache.put("ptr", "192.0.2.1", "mail.example.net", 60)
        now[0] += 61
        assert cache.get("ptr", "192.0.2.1") is None
    drain(settings)
    assert StoreCache(settings, journal, clock=lambda: now[0]).get("ptr", "192.0.2.1") is None


def test_many_answers_are_written_without_waiting_for_the_end(settings, journal):
    cache = StoreCache(settings, journal)
    for number in range(250):
        cache.put("ptr", f"192.0.2.{number}", "x", 60)
    drain(settings)
    other = StoreCache(settings, journal)
    assert [other.get("ptr", f"192.0.2.{number}") for number in (0, 199, 249)] == ["x", "x", None]


def test_the_last_answer_counts(settings, journal):
    for value in ("one", "two"):
        with StoreCache(settings, journal) as cache:
            cache.put("ptr", "192.0.2.1", value, 60)
    drain(settings)
    assert StoreCache(settings, journal).get("ptr", "192.0.2.1") == "two"


def test_without_a_store_it_is_a_memory_cache(tmp_path):
    settings = StoreSettings(path=str(tmp_path / "absent" / "store.sqlite"))
    with closing(Journal(settings)) as journal, StoreCache(settings, journal) as cache:
        cache.put("ptr", "192.0.2.1", "mail.example.net", 60)
        assert cache.get("ptr", "192.0.2.1") == "mail.example.net"
        assert cache.get("ptr", "192.0.2.2") is None


def test_odd_text_is_no_fault(settings, journal):
    with StoreCache(settings, journal) as cache:
        cache.put("ptr", "a\udcff", "b\udcff", 60)
        assert cache.get("ptr", "c\udcff") is None
    drain(settings)
