"""Chains with known truth: with trust declared the origin is right in every one, and never deeper than the evidence."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hoptrail_tracer.chain import trace
from hoptrail_tracer.model import Trust
from tracer.trust.chains import LIAR, WEB, compose

BELIEVED = {Trust.OBSERVED, Trust.TRUSTED}


def check(seed: int) -> None:
    made = compose(seed)
    traced = trace(made.received, connection=made.connection, site=made.site, fields=made.fields)
    assert traced.origin.ip == made.truth, (seed, traced.origin)
    assert traced.origin.hop == made.boundary, (seed, traced.origin)
    assert {hop.trust for hop in traced.hops[: made.boundary + 1]} <= BELIEVED, seed
    too_deep = [hop for hop in traced.hops[made.believed :] if hop.trust in BELIEVED]
    # A local user may copy the remark of his own pick-up; it names nobody.
    assert not too_deep or (made.truth == WEB.ip and {hop.received.status for hop in too_deep} == {"skipped"}), seed
    assert not traced.inferred


@pytest.mark.parametrize("block", range(5))
def test_inference_never_looks_past_the_stranger(block):
    """It may stop above him, not knowing the site's relays; only a host of the site's own domain that lies is not seen."""
    for seed in range(block * 100, block * 100 + 100):
        made = compose(seed)
        traced = trace(made.received, connection=made.connection, fields=made.fields)
        assert traced.inferred
        assert made.truth == LIAR.ip or traced.origin.hop is None or traced.origin.hop <= made.boundary, seed


@pytest.mark.parametrize("block", range(15))
def test_origin_is_the_stranger_who_delivered(block):
    for seed in range(block * 100, block * 100 + 100):
        check(seed)


@given(st.integers(min_value=10**6, max_value=10**9))
@settings(max_examples=200, deadline=None)
def test_origin_is_the_stranger_in_chains_never_seen(seed):
    check(seed)
