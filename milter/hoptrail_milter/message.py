"""One message on its way through the milter: its envelope, its fields and its body, as they came."""

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Final

from hoptrail_tracer.model import AddressFacts

RECIPIENTS_MAX: Final = 1_000  # kept by name, as Postfix's smtpd_recipient_limit; more are only counted
FIELDS_MAX: Final = 10_000
FIELD_BYTES_MAX: Final = 1_048_576  # a message with more header than this is traced by its first megabyte
OWN_FIELDS_MAX: Final = 1_000  # for each deletion Postfix reads the header anew: 20,000 take it 8 s, and then fail


@dataclass(slots=True)
class Message:
    """What came so far. Fields and body are kept within bounds; sizes count on."""

    envelope_from: str
    own_names: Mapping[str, str]  # of the fields that are ours, by how they look in lower case
    declared_bytes: int = 0  # what the client said with SIZE=
    recipients: list[str] = field(default_factory=list)
    accepted: int = 0
    refused: int = 0
    fields: list[tuple[str, bytes]] = field(default_factory=list)  # top to bottom, all bytes after the colon
    field_bytes: int = 0
    body: list[bytes] = field(default_factory=list)
    body_bytes: int = 0
    own_beyond: dict[str, int] = field(default_factory=dict)  # how many fields of ours came beyond what is kept
    believed_fields: dict[str, int] = field(default_factory=dict)  # how many of ours, the first, one of our hosts wrote
    facts: Future[AddressFacts] | None = None  # about the client, asked for when its first recipient was accepted
    deadline_s: float = 0.0  # when the look-ups' budget ends, on the monotonic clock

    @property
    def size_bytes(self) -> int:
        """The message's size; where its body was not asked for, at least what the client declared."""
        return max(self.field_bytes + len("\r\n") + self.body_bytes, self.declared_bytes)

    @property
    def is_whole(self) -> bool:
        """Whether nothing was dropped for its length."""
        return len(self.fields) < FIELDS_MAX and self.field_bytes < FIELD_BYTES_MAX

    @property
    def own_fields(self) -> dict[str, int]:
        """How often a field of each name of ours came from outside."""
        counts = dict(self.own_beyond)
        for name, _ in self.fields:
            if own := self.own_names.get(name.strip().lower()):
                counts[own] = counts.get(own, 0) + 1
        return counts

    def add_recipient(self, address: str) -> None:
        """Note a recipient that the MTA accepted."""
        self.accepted += 1
        if self.accepted <= RECIPIENTS_MAX:
            self.recipients.append(address)

    def add_field(self, name: str, value: bytes) -> None:
        """Note a header field; `value` is every byte after the colon."""
        if b"\n" in value:  # folded; libmilter has the MTA's own line ends there
            value = value.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        self.field_bytes += len(name) + len(value) + 3  # a colon and a line end
        if self.field_bytes < FIELD_BYTES_MAX and len(self.fields) < FIELDS_MAX:
            self.fields.append((name, value))
        elif own := self.own_names.get(name.strip().lower()):
            self.own_beyond[own] = self.own_beyond.get(own, 0) + 1

    def texts(self) -> list[tuple[str, str]]:
        """Return the fields as a trace takes them: values without leading space, bytes that are no UTF-8 escaped."""
        return [(name, value.lstrip(b" \t").decode("utf-8", "surrogateescape")) for name, value in self.fields]

    def add_body(self, chunk: bytes, max_bytes: int) -> None:
        """Note a piece of the body; beyond `max_bytes` it is only counted."""
        self.body_bytes += len(chunk)
        if self.body_bytes <= max_bytes:
            self.body.append(chunk)
        else:
            self.body.clear()

    def whole(self) -> bytes:
        """Return the message byte for byte as it came, with CRLF at the line ends."""
        return b"".join([*(b"%s:%s\r\n" % (name.encode(), value) for name, value in self.fields), b"\r\n", *self.body])
