"""The class of every hop: believed ones as the walk left them, those below by what speaks for and against them."""

from collections.abc import Sequence
from datetime import datetime

from hoptrail_tracer.history import History
from hoptrail_tracer.model import Anomaly, Received, Trust
from hoptrail_tracer.rules import Rule
from hoptrail_tracer.sitematch import Site
from hoptrail_tracer.trust import Walk


def judge(
    hops: Sequence[Received],
    walked: Walk,
    site: Site,
    *,
    values: Sequence[str],
    first_line: int,
    history: History | None,
    now: datetime | None,
) -> tuple[list[Trust], list[Anomaly], list[tuple[str, ...]]]:
    """The class of each hop, what is wrong with the chain, and each hop's reasons."""
    top = Trust.OBSERVED if walked.observed else Trust.TRUSTED
    trusts = [top, *[Trust.TRUSTED] * (walked.believed - 1)][: walked.believed]
    reasons = list(walked.reasons)
    for _ in hops[walked.believed :]:
        trusts.append(Trust.CLAIMED)
        reasons.append((Rule.BOUNDARY_ADDRESS.says("written by a host that nobody here vouches for"),))
    return trusts, [], reasons
