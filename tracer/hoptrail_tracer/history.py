"""What the site has seen before, as the tracer asks for it. The store answers; without one nothing is known."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

NEW_RELAY = timedelta(hours=48)
"""SpamCop's probation: a relay first seen later than this before the message is not believed yet."""

WELL_KNOWN_LINES = 20
"""Lines after which a host's habits count: with 20 seen, one in 20 would have shown with a chance of 64%."""


@dataclass(frozen=True, slots=True)
class SeenShape:
    """How often a host wrote lines of one shape: `count` of `lines`, the first of them at `since`."""

    count: int = 0
    lines: int = 0
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class SeenLink:
    """How often a relay handed mail to another: `count`, beside all that each was seen in.

    `skew_s` is how far back the dates ran over this link at most, None where it was never measured.
    """

    count: int = 0
    from_sender: int = 0
    to_receiver: int = 0
    skew_s: float | None = None


class History(Protocol):
    """The site's own memory of relays. Names come in lower case; an answer must be cheap (a look-up by key)."""

    def seen_shape(self, by: str, shape: str) -> SeenShape:
        """How a host's lines looked so far (`fingerprint.shape` makes the text)."""

    def seen_link(self, sender: str, by: str) -> SeenLink:
        """Whether one relay handed mail to another before."""
