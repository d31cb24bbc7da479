"""Which lines of a message tell how their writers' lines look: those that somebody believed speaks for.

They are the lines that our own hosts wrote, and the one that a named client of ours wrote itself. So nobody can teach
a habit to any host but to their own.
"""

from collections.abc import Sequence

from hoptrail_store.names import TEXT_MAX
from hoptrail_store.trail import storable
from hoptrail_tracer.fingerprint import shape
from hoptrail_tracer.model import Hop, Trust
from hoptrail_tracer.names import same_owner

BELIEVED = frozenset({Trust.OBSERVED, Trust.TRUSTED})


def taught_shapes(hops: Sequence[Hop]) -> dict[int, str]:
    """Return the shapes that a trace teaches, by the index of the hop."""
    found: dict[int, str] = {}
    client = None
    for index, hop in enumerate(hops):
        received = hop.received
        if received.status != "parsed":
            continue
        if hop.trust in BELIEVED:
            client = received.rdns
            if hop.line is not None and received.by:
                found[index] = kept_shape(shape(received))
            continue
        if received.by and same_owner(received.by, client):
            found[index] = kept_shape(shape(received))
        break
    return found


def kept_shape(text: str) -> str:
    """Return a shape as the store keeps it."""
    return storable(text[:TEXT_MAX])
