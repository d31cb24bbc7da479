import asyncio
import email.utils
import itertools
import time

import pytest

from hoptrail_tracer.lookups.errors import TemporaryError
from hoptrail_tracer.lookups.gate import Gate, read_retry_after


@pytest.mark.parametrize(
    ("text", "wait_s"),
    [("120", 120), ("0", 1), ("999999", 86_400), ("9" * 50, 60), ("-5", 60), ("soon", 60), ("", 60), (None, 60)],
)
def test_retry_after_is_read_within_bounds(text, wait_s):
    assert read_retry_after(text) == wait_s


def test_retry_after_may_be_a_date():
    assert 80 < read_retry_after(email.utils.formatdate(time.time() + 100, usegmt=True)) <= 100
    assert read_retry_after("Mon, 01 Jan 2001 00:00:00 GMT") == 1


def test_closed_host_is_left_alone_until_its_time_is_over():
    now = [1_000.0]
    gate = Gate(6_000, lambda: now[0])

    async def passes(host):
        async with gate.turn(host):
            return True

    gate.close("a.example", "30")
    with pytest.raises(TemporaryError, match=r"a\.example asks to be left alone"):
        asyncio.run(passes("a.example"))
    assert asyncio.run(passes("b.example"))
    now[0] += 31
    assert asyncio.run(passes("a.example"))


def test_questions_to_one_host_keep_their_distance():
    gate = Gate(60 / 0.05, time.monotonic)
    times = []

    async def ask(host):
        async with gate.turn(host):
            times.append((host, time.monotonic()))

    async def ask_all():
        await asyncio.gather(*(ask(host) for host in ("a", "a", "a", "b")))

    asyncio.run(ask_all())
    of_a = [at for host, at in times if host == "a"]
    assert all(later - earlier > 0.045 for earlier, later in itertools.pairwise(of_a))
    assert [host for host, _ in times].index("b") < 3
