"""What happens to the messages of one SMTP connection. Knows neither socket nor libmilter: values in, an Outcome out.

State is per message, since several may arrive on one connection and each may be broken off at any point. Until the MTA
has accepted a recipient nothing is spent (late commitment).
"""

import re
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from itertools import takewhile
from typing import Final, Literal, NamedTuple

from hoptrail_milter import stamp
from hoptrail_milter.harvest import Verdict
from hoptrail_milter.message import OWN_FIELDS_MAX, Message
from hoptrail_milter.relay_line import envelope_lines
from hoptrail_milter.services import Services
from hoptrail_store.fields import subject_text, trace_fields
from hoptrail_store.records import MessageRecord, Score
from hoptrail_store.spamstatus import parse_spam_status
from hoptrail_store.trail import storable
from hoptrail_tracer import chain
from hoptrail_tracer.drafts import draft_of
from hoptrail_tracer.model import AddressFacts, Connection
from hoptrail_tracer.received.address import canonical

TEXT_MAX: Final = 998  # characters of a text kept from outside: RFC 5322's longest line

_RecordDraft, _ConnectionDraft = draft_of(MessageRecord), draft_of(Connection)
_SIZE = re.compile(r"SIZE=(\d{1,12})", re.IGNORECASE)


class Macros(NamedTuple):
    """What the MTA says about the connection and the message besides the callbacks' own values."""

    queue_id: str | None = None
    host: str | None = None
    auth_type: str | None = None
    auth_user: str | None = None
    tls_version: str | None = None
    tls_cipher: str | None = None
    client_resolve: str | None = None  # Sendmail's judgement of the client's name: OK, FAIL, FORGED, TEMP


class Outcome(NamedTuple):
    """What the MTA is to do with a message: edits in the order in which to make them, then the reply."""

    reply: Literal["accept", "tempfail", "reject", "flooded"]  # "flooded" rejects too, in words of its own
    removals: list[tuple[str, int]]
    additions: list[tuple[str, str]]


class Session:
    """One SMTP connection."""

    def __init__(self, services: Services) -> None:
        """Begin with what all sessions of one configuration share."""
        self._services = services
        self._own_names = services.own_names
        self._ip: str | None = None
        self._name: str | None = None
        self._port: int | None = None
        self._helo: str | None = None
        self._message: Message | None = None
        self._accepted = 0
        self._refused = 0
        self._has_user = False

    def connect(self, name: str, ip: str | None, port: int | None) -> None:
        """Note who connected; `name` is what the MTA calls the client, an address in brackets or `unknown` for none."""
        self._ip = canonical(ip) if ip else None
        self._port = port
        self._name = None if name == "unknown" or name.startswith("[") else clean(name)
        self._services.counters.add("connections")

    def judge_client(self, resolve: str | None, port: str | None) -> Verdict:
        """Return what becomes of the client; `resolve` is Sendmail's judgement of its name, `port` the MTA's own."""
        return self._services.judge_client(self._ip, self._name if _is_named(resolve) else None, port)

    def note_user(self) -> None:
        """Note that the client authenticated."""
        self._has_user = True

    def helo(self, name: str) -> None:
        """Note what the client calls itself."""
        self._helo = clean(name)

    def mail(self, sender: str, parameters: tuple[str, ...] = ()) -> None:
        """Begin a message."""
        self.abort()
        size = next(filter(None, map(_SIZE.fullmatch, parameters)), None)
        self._message = Message(_address(sender), self._own_names, declared_bytes=int(size[1]) if size else 0)

    def recipient(self, address: str, *, is_refused: bool) -> None:
        """Note a recipient and what the MTA thinks of it. The first accepted one starts the look-ups."""
        message = self._message
        if message is None:
            return
        if is_refused:
            message.refused += 1
            self._refused += 1
            return
        self._accepted += 1
        message.add_recipient(_address(address))
        if message.accepted == 1:
            budget_s = self._services.settings.lookups.budget_s
            message.deadline_s = time.monotonic() + budget_s
            message.facts = self._services.look_up(self._ip, budget_s)

    def header(self, name: str, value: bytes) -> None:
        """Note a header field; `value` is every byte after the colon."""
        if self._message is not None:
            self._message.add_field(name, value)

    def body(self, chunk: bytes) -> None:
        """Note a piece of the body."""
        if self._message is not None:
            self._message.add_body(chunk, self._services.settings.score.max_bytes)

    def end(self, macros: Macros) -> Outcome:
        """Trace, score and record the message; its record is committed when this returns, or its loss is logged."""
        message = self._message or Message("", self._own_names)
        if macros.auth_user:
            self._has_user = True
        record = self._record(message, macros)
        recorded = self._services.commit(record)
        brought = bool(message.believed_fields)
        self._services.account(record, brought=brought)
        milter = self._services.settings.milter
        if milter.observe_only:
            return Outcome("accept", [], [])
        if not recorded and milter.on_fault == "tempfail":
            return Outcome("tempfail", [], [])
        own_fields = message.own_fields
        is_flooded = _is_flood(own_fields)
        if is_flooded or self._is_refused(record, brought=brought):
            self._services.counters.add("refused")
            return Outcome("flooded" if is_flooded else "reject", [], [])
        removals = stamp.removals(own_fields, message.believed_fields)
        if removals:
            self._services.counters.add("fields_removed", len(removals))
        return Outcome("accept", removals, stamp.additions(record, brought=brought))

    def give_up(self, queue_id: str | None) -> Outcome:
        """Return what is left to do after a fault of our own: forged fields still go, and the mail flows."""
        self._services.note_loss(queue_id, "a fault of Hoptrail's own")
        message, milter = self._message, self._services.settings.milter
        if message is None or milter.observe_only:
            return Outcome(milter.on_fault, [], [])
        own_fields = message.own_fields
        if _is_flood(own_fields):
            return Outcome("flooded", [], [])
        return Outcome(milter.on_fault, stamp.removals(own_fields, {}), [])

    def abort(self) -> None:
        """Forget the message that was begun; what the connection told stays."""
        if self._message is not None and self._message.facts is not None:
            self._message.facts.cancel()
        self._message = None

    def close(self) -> None:
        """End: count the session's recipients."""
        self.abort()
        counters = self._services.counters
        if self._accepted:
            counters.add("recipients_accepted", self._accepted)
        if self._refused:
            counters.add("recipients_refused", self._refused)
        self._services.refusals.count(self._ip, datetime.now(UTC), accepted=self._accepted, refused=self._refused)
        if self._services.harvest and self._accepted + self._refused:
            self._services.harvest.count(
                self._ip, self._name, accepted=self._accepted, refused=self._refused, has_user=self._has_user
            )

    def _record(self, message: Message, macros: Macros) -> MessageRecord:
        services = self._services
        now = datetime.now(UTC)
        connection = self._connection(message, macros, now)
        fields = message.texts()
        names = [name.lower() for name, _ in fields]
        first = dict(zip(reversed(names), (value for _, value in reversed(fields)), strict=True))
        score = self._begin_score(message, connection, fields)
        trace = chain.trace(
            [value for name, (_, value) in zip(names, fields, strict=True) if name == "received"],
            connection=connection,
            site=services.settings.site,
            fields=fields,
            history=services.relays.current,
            now=now,
        )
        facts = self._await_facts(message, trace.origin.ip)
        final = services.await_score(score) if isinstance(score, Future) else score
        record = _RecordDraft(
            id=services.new_id(),
            host=services.host,
            source="milter",
            received_at=now,
            connection=connection,
            envelope_from=clean(message.envelope_from),
            recipients=tuple(message.recipients),
            refused_recipients=message.refused,
            message_id=clean(first.get("message-id")),
            size_bytes=message.size_bytes,
            trace=trace,
            fields=trace_fields(fields),
            subject=subject_text(first.get("subject")),
            score=final,
            facts=facts,
            evidence=services.evidence(message, final),
        )
        record.__class__ = MessageRecord
        return record

    def _connection(self, message: Message, macros: Macros, now: datetime) -> Connection:
        auth = f"{macros.auth_type or 'AUTH'} {macros.auth_user}" if macros.auth_user else None
        tls = " ".join(filter(None, (macros.tls_version, macros.tls_cipher))) or None
        connection = _ConnectionDraft(
            ip=self._ip,
            helo=self._helo,
            rdns=self._name if _is_named(macros.client_resolve) else None,
            port=self._port,
            by=clean(macros.host) or self._services.host,
            auth=clean(auth),
            tls=clean(tls),
            id=clean(macros.queue_id),
            envelope_from=clean(message.envelope_from),
            date=now,
        )
        connection.__class__ = Connection
        return connection

    def _begin_score(
        self, message: Message, connection: Connection, fields: Sequence[tuple[str, str]]
    ) -> Future[Score] | Score | None:
        scorer = self._services.scorer
        if self._services.scored_by.has(connection.ip, connection.rdns):
            brought, message.believed_fields = _brought_score(fields)
            if brought:
                return brought
        if scorer is None:
            return None
        reason = scorer.skip_reason(
            ip=connection.ip,
            name=connection.rdns,
            authenticated=connection.auth is not None,
            size_bytes=message.size_bytes,
        )
        if reason or not message.is_whole:
            return Score(unscored=reason or "size")
        return self._services.ask_score(envelope_lines(connection) + message.whole(), tuple(message.recipients))

    def _await_facts(self, message: Message, origin_ip: str | None) -> AddressFacts | None:
        """Return the facts about the origin; asked for anew where it is not the client."""
        left_s = max(message.deadline_s - time.monotonic(), 0.0)
        if origin_ip == self._ip:
            return self._services.await_facts(origin_ip, message.facts, left_s)
        if message.facts:
            message.facts.cancel()
        return self._services.await_facts(origin_ip, self._services.look_up(origin_ip, left_s), left_s)

    def _is_refused(self, record: MessageRecord, *, brought: bool) -> bool:
        """Whether the score refuses the message."""
        limit = self._services.settings.score.reject_score
        points = record.score.points if record.score else None
        if not limit or points is None or points < limit or brought or record.connection is None:
            return False
        return self._services.may_refuse(record.connection)


def clean(text: str | None) -> str | None:
    """Return a text from outside as one that can be stored: bytes that are no UTF-8 replaced, its length bounded."""
    if text is None:
        return None
    return storable(text[:TEXT_MAX])


def _brought_score(fields: Sequence[tuple[str, str]]) -> tuple[Score | None, dict[str, int]]:
    """Return the score that the client, one of our own hosts, put on top of its own Received line; None for none.

    With it, how many fields of each name that tells it are the client's: what stands below that line came to it from
    outside.
    """
    top = list(takewhile(lambda field: field[0].lower() != "received", fields))
    names = [name.lower() for name, _ in top]
    score = parse_spam_status(next((value for name, value in top if name.lower() == "x-spam-status"), ""))
    return score, {name: names.count(name.lower()) for name in stamp.SPAM_NAMES} if score else {}


def _is_flood(own_fields: Mapping[str, int]) -> bool:
    """Whether more fields of ours came from outside than the MTA can be asked to delete."""
    return sum(own_fields.values()) > OWN_FIELDS_MAX


def _is_named(resolve: str | None) -> bool:
    """Whether the client's name can be believed, by Sendmail's {client_resolve}; Postfix confirms it by itself."""
    return resolve in {None, "", "OK"}


def _address(text: str) -> str:
    """Return an envelope address without its brackets. Local submissions come without them."""
    return clean(text[1:-1] if text.startswith("<") and text.endswith(">") else text) or ""
