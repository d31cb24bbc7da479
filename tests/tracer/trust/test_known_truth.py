"""Chains with known truth: with trust declared the origin is right in every one, and never deeper than the evidence."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hoptrail_tracer.chain import trace
from hoptrail_tracer.model import Trust
from tracer.trust.chains import compose

BELIEVED = {Trust.OBSERVED, Trust.TRUSTED}


def check(seed: int) -> None:
    made = compose(seed)
    traced = trace(made.received, connection=made.connection, site=made.site, fields=made.fields)
    assert traced.origin.ip == made.truth, (seed, traced.origin)
    assert traced.origin.hop == made.boundary, (seed, traced.origin)
    assert {hop.trust for hop in traced.hops[: made.boundary + 1]} <= BELIEVED, seed
    assert not {hop.trust for hop in traced.hops[made.boundary + 1 :]} & BELIEVED, seed
    assert not traced.inferred


@pytest.mark.parametrize("block", range(15))
def test_origin_is_the_stranger_who_delivered(block):
    for seed in range(block * 100, block * 100 + 100):
        check(seed)


@given(st.integers(min_value=10**6, max_value=10**9))
@settings(max_examples=200, deadline=None)
def test_origin_is_the_stranger_in_chains_never_seen(seed):
    check(seed)
