from hoptrail_tracer.lookups.cache import MemoryCache


class Clock:
    now = 1_000.0

    def __call__(self):
        return self.now


def test_cache_gives_back_what_was_put():
    cache = MemoryCache()
    cache.put("dns", "a", "1", 60)
    assert cache.get("dns", "a") == "1"
    assert cache.get("contact", "a") is None


def test_cache_forgets_what_has_expired():
    clock = Clock()
    cache = MemoryCache(clock=clock)
    cache.put("dns", "a", "1", 60)
    clock.now += 60
    assert cache.get("dns", "a") is None
    assert len(cache) == 0


def test_cache_drops_what_was_not_used_for_longest():
    cache = MemoryCache(size=2)
    cache.put("dns", "a", "1", 60)
    cache.put("dns", "b", "2", 60)
    cache.get("dns", "a")
    cache.put("dns", "c", "3", 60)
    assert [cache.get("dns", key) for key in "abc"] == ["1", None, "3"]
