"""Answers of look-ups outlive the process that found them, and never stand in anybody's way."""

import time

import pytest

from hoptrail_store.cache import StoreCache
from hoptrail_store.settings import StoreSettings
from hoptrail_store.writer import Writer


@pytest.fixture
def writer(settings):
    with Writer(settings) as writer:
        yield writer


def settled(writer):
    writer.remember(()).result(30)


def test_an_answer_is_there_at_once(settings, writer):
    cache = StoreCache(settings, writer)
    cache.put("ptr", "192.0.2.1", "mail.example.net", 60)
    assert cache.get("ptr", "192.0.2.1") == "mail.example.net"
    assert cache.get("asn", "192.0.2.1") is None


def test_another_process_finds_it(settings, writer):
    with StoreCache(settings, writer) as cache:
        cache.put("ptr", "192.0.2.1", "mail.example.net", 60)
    settled(writer)
    assert StoreCache(settings, writer).get("ptr", "192.0.2.1") == "mail.example.net"


def test_an_answer_expires_in_memory_and_in_the_store(settings, writer):
    now = [time.time()]
    with StoreCache(settings, writer, clock=lambda: now[0]) as cache:
        cache.put("ptr", "192.0.2.1", "mail.example.net", 60)
        now[0] += 61
        assert cache.get("ptr", "192.0.2.1") is None
    settled(writer)
    assert StoreCache(settings, writer, clock=lambda: now[0]).get("ptr", "192.0.2.1") is None


def test_many_answers_are_written_without_waiting_for_the_end(settings, writer):
    cache = StoreCache(settings, writer)
    for number in range(250):
        cache.put("ptr", f"192.0.2.{number}", "x", 60)
    settled(writer)
    other = StoreCache(settings, writer)
    assert [other.get("ptr", f"192.0.2.{number}") for number in (0, 199, 249)] == ["x", "x", None]


def test_the_last_answer_counts(settings, writer):
    for value in ("one", "two"):
        with StoreCache(settings, writer) as cache:
            cache.put("ptr", "192.0.2.1", value, 60)
    settled(writer)
    assert StoreCache(settings, writer).get("ptr", "192.0.2.1") == "two"


def test_without_a_store_it_is_a_memory_cache(tmp_path):
    settings = StoreSettings(path=str(tmp_path / "absent" / "store.sqlite"))
    with Writer(settings) as writer, StoreCache(settings, writer) as cache:
        cache.put("ptr", "192.0.2.1", "mail.example.net", 60)
        assert cache.get("ptr", "192.0.2.1") == "mail.example.net"
        assert cache.get("ptr", "192.0.2.2") is None


def test_odd_text_is_no_fault(settings, writer):
    with StoreCache(settings, writer) as cache:
        cache.put("ptr", "a\udcff", "b\udcff", 60)
        assert cache.get("ptr", "c\udcff") is None
    settled(writer)
