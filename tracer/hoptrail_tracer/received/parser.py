"""One Received line in, what it says out: the clauses, then who wrote them, then the role of each word."""

from dataclasses import fields, replace
from datetime import datetime

from hoptrail_tracer.drafts import draft_of
from hoptrail_tracer.model import Kind, Received
from hoptrail_tracer.received import address, kinds, names, notes, peer, writer
from hoptrail_tracer.received.clauses import usual
from hoptrail_tracer.received.peer import Layout
from hoptrail_tracer.received.scan import scan

# RFC 5322 allows 998 characters a line and sets no bound for a folded field; the longest genuine one seen has 1,100.
# Sendmail refuses fields over 32 KiB, Postfix cuts them at 100 KiB: 64 KiB hold all that is not an attack.
LONGEST_LINE = 65536

_ORDINARY_LENGTH = 1100  # the longest genuine line seen
_Draft = draft_of(Received)

# Before Python 3.12 a member costs thirty nanoseconds wherever it is read from its class.
_RELAY, _INTERNAL = Kind.RELAY, Kind.INTERNAL
_NAMED, _BARE, _BEHIND = Layout.NAMED, Layout.BARE, Layout.BEHIND
_BRACKETED, _ALONE = Layout.BRACKETED, Layout.ALONE


def parse(value: str) -> Received:
    """What the Received field `value` says, without the field's name, folded or not. Never raises."""
    if len(value) > LONGEST_LINE:
        return Received("unparseable", reason="too-long")
    text = " ".join((value.replace("\0", "") if "\0" in value else value).split())
    return _read(text) if len(text) <= _ORDINARY_LENGTH else _bounded(_read(text))


def _read(text: str) -> Received:
    """What a line says, its white space collapsed."""
    parts, ip, by_ip, date = usual(text) or scan(text)
    (
        pickup, name, marked, ident, beside, _, port, helo_inside, bare, behind, aside, peer_text, by, _, wrote,
        sender, id_, id_notes, for_, for_notes, _, _, _, sender_behind, date_notes, id_behind,
    ) = parts  # fmt: skip
    if not (by or name or peer_text or ip):
        return _without_clauses(id_notes + date_notes, date)
    software, protocol, tls, auth, envelope, by_note_ip, kind, custom = (
        writer.read_cached(wrote) if len(wrote) <= writer.CACHED_LENGTH else writer.read(wrote)
    )
    if ip is not None:
        layout = _NAMED if beside else _BARE if bare else _BEHIND if behind else _BRACKETED
        client_port = address.port_number(port) if port else None
        rdns, helo = names.roles(name, layout, beside, helo_inside or marked or None, custom)
    else:
        layout, ip, client_port, beside, said_helo, said_ident, verified, mechanism, aside = peer.read(name, peer_text)
        rdns, helo = names.roles(name, layout, beside, said_helo, custom, verified=verified)
        if layout is _ALONE and name[:1] == "[" and not (wrote or id_ or for_):
            helo = name  # RFC 5321 section 4.4: where nothing is said of TCP, the literal is what the client gave
        ident = said_ident or ""
        auth = auth or mechanism
    envelope_from: str | None = sender or envelope or sender_behind
    if aside or id_notes or for_notes or date_notes:
        said = notes.read(aside + id_notes + for_notes + date_notes)
        tls, auth, envelope_from = tls or said.tls, auth or said.auth, envelope_from or said.sender
        for_ = for_ or said.recipient or ""
    reason = None
    if ip is None or kind is not _RELAY or not by:
        kind, reason = kinds.classify(
            kind, ip=ip, layout=layout, local=bool(pickup), name=name, peer=peer_text, by=by, wrote=wrote
        )
        if kind is _INTERNAL and ip:
            auth, rdns, helo = None, None, name
    if by in writer.SILENT_HOSTS and kind is _RELAY and not auth:
        auth = writer.custom_auth(by, id_, protocol=protocol, tls=tls, layout=layout)
    if auth and (kind is _RELAY or (kind is _INTERNAL and reason)):  # a provider may hide its users' addresses
        kind = Kind.SUBMISSION
    draft = _Draft(
        "skipped" if reason else "parsed", kind, reason, ip, client_port, rdns, helo, ident or None,
        by.rstrip(".") or None, by_ip or by_note_ip, software, protocol, id_ or id_behind or None, for_ or None,
        envelope_from or None, auth, tls, date,
    )  # fmt: skip
    draft.__class__ = Received
    return draft


def _bounded(received: Received) -> Received:
    """The same with every text in it cut to a length that somebody may remember."""
    texts = {field.name: value for field in fields(Received) if isinstance(value := getattr(received, field.name), str)}
    cut = {name: text[: names.LONGEST_VALUE] for name, text in texts.items() if len(text) > names.LONGEST_VALUE}
    return replace(received, **cut)  # type: ignore[arg-type]


def _without_clauses(remarks: str, date: datetime | None) -> Received:
    """A line without from and by: what qmail and its kin say of themselves, or nothing that anybody knows."""
    if not remarks and date is None:
        return Received("unparseable", reason="no-clauses")
    kind, reason = kinds.remark(remarks)
    software = "qmail" if reason == "qmail-invoked" else None
    draft = _Draft(
        "skipped", kind, reason, None, None, None, None, None, None, None, software, None, None, None, None, None, None,
        date,
    )  # fmt: skip
    draft.__class__ = Received
    return draft
