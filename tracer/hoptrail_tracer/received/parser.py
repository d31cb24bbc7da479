"""One Received line in, what it says out: the clauses, then who wrote them, then the role of each word."""

from hoptrail_tracer.model import Kind, Received
from hoptrail_tracer.received import clauses, kinds, names, notes, peer, protocols
from hoptrail_tracer.received.notes import About

# RFC 5322 allows 998 characters a line and sets no bound for a folded field; the longest genuine one seen has 1,100.
# Sendmail refuses fields over 32 KiB, Postfix cuts them at 100 KiB: 64 KiB hold all that is not an attack.
LONGEST_LINE = 65536


def parse(value: str) -> Received:
    """What the Received field `value` says, without the field's name, folded or not. Never raises."""
    if len(value) > LONGEST_LINE:
        return Received("unparseable", reason="too-long")
    text = " ".join(value.replace("\0", "").split()) if "\0" in value else " ".join(value.split())
    found = clauses.usual(text) or clauses.scan(text)
    if not found.has_from and not found.by:
        return _without_clauses(text, found)
    seen = peer.read(found.name, found.peer)
    protocol, product, tls = protocols.read(found.with_)
    software = by_ip = auth = sender = None
    for place, comments in (
        ("peer", seen.notes),
        ("by", found.by_notes),
        ("with", found.with_notes),
        ("", found.notes),
    ):
        for about, text_ in notes.read(comments) if comments else ():
            if about is About.TLS:
                tls = tls or text_
            elif about is About.AUTH:
                auth = auth or text_
            elif about is About.SENDER:
                sender = sender or text_
            elif about is About.ADDRESS and place == "by":
                by_ip = text_
            elif about is About.SOFTWARE and place in ("by", "with"):
                software = software or text_
    software = product or software
    by = names.host(found.by)
    kind, reason = kinds.classify(text, found, seen, protocol, software)
    rdns, helo = names.roles(found, seen, software, protocol, by_ip)
    auth = protocols.auth(protocol, kind) or auth
    return Received(
        status="skipped" if reason else "parsed",
        kind=kind,
        reason=reason,
        ip=seen.ip,
        port=seen.port,
        rdns=rdns,
        helo=helo,
        ident=seen.ident or None,
        by=by,
        by_ip=by_ip,
        software=software,
        protocol=protocol,
        id=found.id.strip("<>;,") or None,
        for_=found.for_.strip("<>;,") or None,
        envelope_from=(sender or found.sender).strip("<>") or None,
        auth=auth,
        tls=tls,
        date=found.date,
    )


def _without_clauses(text: str, found: clauses.Clauses) -> Received:
    """A line that has neither from nor by: qmail's and kin's remarks on themselves, or nothing that is known."""
    if text.startswith("(") or found.date is not None:
        kind = Kind.LOCAL if " by uid " in text or " by alias" in text else Kind.INTERNAL
        reason = "qmail-invoked" if text.startswith("(qmail ") else "no-clauses"
        return Received(
            "skipped",
            kind=kind,
            reason=reason,
            software="qmail" if reason == "qmail-invoked" else None,
            date=found.date,
        )
    return Received("unparseable", reason="no-clauses" if text else "empty")
