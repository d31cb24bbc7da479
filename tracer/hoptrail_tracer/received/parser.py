"""One Received line in, what it says out: the clauses, then who wrote them, then the role of each word."""

from hoptrail_tracer.model import Kind, Received
from hoptrail_tracer.received import kinds, names, notes, peer, writer
from hoptrail_tracer.received.clauses import Clauses, usual
from hoptrail_tracer.received.notes import About
from hoptrail_tracer.received.peer import Layout
from hoptrail_tracer.received.scan import scan

# RFC 5322 allows 998 characters a line and sets no bound for a folded field; the longest genuine one seen has 1,100.
# Sendmail refuses fields over 32 KiB, Postfix cuts them at 100 KiB: 64 KiB hold all that is not an attack.
LONGEST_LINE = 65536


def parse(value: str) -> Received:
    """What the Received field `value` says, without the field's name, folded or not. Never raises."""
    if len(value) > LONGEST_LINE:
        return Received("unparseable", reason="too-long")
    text = " ".join((value.replace("\0", "") if "\0" in value else value).split())
    found = usual(text) or scan(text)
    if not found.by and not found.name and not found.peer:
        return _without_clauses(found)
    seen = peer.read(found.name, found.peer)
    wrote = writer.read(found.by_notes, found.with_, found.with_notes)
    rdns, helo = names.roles(found.name, seen, wrote)
    sender, auth, tls = found.sender or wrote.sender, wrote.auth or seen.auth, wrote.tls
    if aside := seen.notes + found.id_notes + found.for_notes + found.date_notes:
        for about, said in notes.read(aside):
            if about is About.SENDER:
                sender = sender or said
            elif about is About.AUTH:
                auth = auth or said
            elif about is About.TLS:
                tls = tls or said
    kind, reason = wrote.kind, None
    if kinds.is_aside(found, seen, kind):
        kind, reason = kinds.aside(found, wrote)
    elif kind is Kind.RELAY:
        auth = auth or writer.custom_auth(found.by, found.id, wrote.protocol, tls, behind=seen.layout is Layout.BEHIND)
        kind = Kind.SUBMISSION if auth else kind
    elif kinds.is_internal(found, seen, wrote):
        kind, auth, rdns, helo = Kind.INTERNAL, None, None, found.name
    return Received(
        status="skipped" if reason else "parsed",
        kind=kind,
        reason=reason,
        ip=seen.ip,
        port=seen.port,
        rdns=rdns,
        helo=helo,
        ident=seen.ident or None,
        by=names.host(found.by),
        by_ip=found.by_ip or wrote.by_ip,
        software=wrote.software,
        protocol=wrote.protocol,
        id=found.id.strip("<>,") or None,
        for_=found.for_.strip("<>,") or None,
        envelope_from=sender or None,
        auth=auth,
        tls=tls,
        date=found.date,
    )


def _without_clauses(found: Clauses) -> Received:
    """A line without from and by: what qmail and its kin say of themselves, or nothing that anybody knows."""
    remarks = found.id_notes + found.date_notes
    if not remarks and found.date is None:
        return Received("unparseable", reason="no-clauses")
    kind, reason = kinds.remark(remarks)
    software = "qmail" if reason == "qmail-invoked" else None
    return Received("skipped", kind, reason, software=software, date=found.date)
