"""What is stored of one message, as plain frozen values: the seam between the milter, the import and the reports."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from pydantic import ConfigDict

from hoptrail_tracer.model import AddressFacts, Connection, Trace


@dataclass(frozen=True, slots=True)
class Score:
    """What SpamAssassin said. `unscored` is a reason code (docs/headers.md) and excludes the others."""

    points: float | None = None
    required: float | None = None
    rules: tuple[str, ...] = ()
    unscored: str | None = None

    @property
    def is_spam(self) -> bool:
        """Whether the score reached the threshold."""
        return self.points is not None and self.required is not None and self.points >= self.required


@dataclass(frozen=True, slots=True)
class MessageRecord:
    """One message: who handed it over, for whom, by which way, and what was found out about it.

    `fields` are the raw trace fields (Received and the evidence fields) as (name, value) bytes, newest first, so that
    a better parser can be run over old mail. `evidence` is the whole message as it came, kept only for spam and for a
    limited time.
    """

    id: str  # ULID: sorts by time
    host: str  # the MTA that took the message
    source: str  # "milter" or "import"
    received_at: datetime  # aware, UTC
    connection: Connection | None
    envelope_from: str | None
    recipients: tuple[str, ...]
    refused_recipients: int
    message_id: str | None
    size_bytes: int
    trace: Trace
    fields: tuple[tuple[bytes, bytes], ...]
    subject: str | None = None
    score: Score | None = None  # None: scoring is not configured
    facts: AddressFacts | None = None  # about the origin
    evidence: bytes | None = field(default=None, repr=False)

    # In the journal (hoptrail_store.journal) bytes are text, as JSON has none.
    __pydantic_config__: ClassVar = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")


@dataclass(frozen=True, slots=True)
class RefusalCount:
    """Recipients refused, counted per client network and hour: how directory harvesting shows."""

    host: str
    network: str  # the client's /24 or /64
    hour: datetime  # aware, UTC, on the hour
    sessions: int
    accepted: int
    refused: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What a look-up found, as text, until it expires."""

    kind: str
    key: str
    value: str
    expires_ms: int
