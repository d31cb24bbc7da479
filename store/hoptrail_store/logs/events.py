"""What one line of an MTA's log says, whichever MTA wrote it."""

from dataclasses import dataclass
from typing import Literal

Outcome = Literal["sent", "deferred", "bounced", "expired", "held"]


@dataclass(frozen=True, slots=True)
class Client:
    """Who handed a message in. All None: it was picked up on the host itself."""

    ip: str | None = None
    name: str | None = None  # that the MTA looked up; None where it could not confirm it
    helo: str | None = None
    auth: str | None = None
    original: str | None = None  # the queue id that the message had before it went through a filter


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to hand a message on for one recipient. No relay: it was delivered on the host, or not at all."""

    recipient: str
    outcome: Outcome
    relay_name: str | None = None
    relay_ip: str | None = None
    delay_s: float | None = None  # since the host took the message
    dsn: str | None = None
    reply: str = ""
    next_id: str | None = None  # the queue id that the relay gave it, as far as its reply says


@dataclass(frozen=True, slots=True)
class About:
    """What a line says of one message; what it is silent on is None."""

    queue_id: str
    client: Client | None = None
    sender: str | None = None
    size_bytes: int | None = None
    recipients: int | None = None
    message_id: str | None = None
    subject: str | None = None
    attempts: tuple[Attempt, ...] = ()
    refused: int = 0  # recipients
    removed: bool = False


@dataclass(frozen=True, slots=True)
class Session:
    """What a line says of a client's session: that it begins, that it ends, or that recipients were refused.

    `key` tells the sessions of one program apart, as long as they last.
    """

    key: str
    ip: str | None
    refused: int = 0
    ends: bool = False


@dataclass(frozen=True, slots=True)
class Broken:
    """A line that begins like one that counts and does not go on like it: most often cut off."""

    reason: str


Event = About | Session | Broken
