"""What came back about reports, matched to them and kept; a bounce ends the writing to its contact."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, cast

from sqlite_utils import Database

from hoptrail_reports.abuse import contactbook, ledger, verp
from hoptrail_reports.abuse.answer import Answer, Kind
from hoptrail_reports.abuse.ledger import Draft, UnknownDraftError
from hoptrail_store.assembly import moment
from hoptrail_store.rows import milliseconds
from hoptrail_store.store import Store

ANSWERS_MAX: Final = 50
"""Kept of one report; who sends more has nothing more to say."""


@dataclass(frozen=True, slots=True)
class Received:
    """One answer as it is kept. `proven`: it came to the report's own return path."""

    draft_id: str
    kind: Kind
    proven: bool
    at: datetime
    sender: str | None
    subject: str | None
    detail: str | None


@dataclass(frozen=True, slots=True)
class Matched:
    """The report that an answer is about, and what followed from it."""

    draft: Draft
    answer: Received
    stopped: bool  # nothing more is written to the contact


def receive(store: Store, answer: Answer, *, now: datetime) -> Matched | None:
    """Keep an answer with the report it is about; None where it is about none that was sent.

    Only what came to a report's own return path, with its tag, can stop a contact: anybody can write a bounce. An
    answer about a report whose sending was in doubt settles that it was sent.
    """
    found = _matched(store.db, answer)
    if found is None:
        return None
    draft, proven = found
    kept = Received(draft.id, answer.kind, proven, now, answer.sender, answer.subject, answer.detail)
    _put(store, kept, answer.digest)
    if proven and draft.state == "uncertain":
        with store.transaction():
            store.db.conn.execute(
                "UPDATE abuse_draft SET state = 'sent', sent_ms = tried_ms, detail = 'an answer came: it was sent'"
                " WHERE id = ? AND state = 'uncertain'",
                (draft.id,),
            )
    stopped = proven and answer.kind == "bounce"
    if stopped:
        _stop(store, draft, answer.detail or answer.subject or "it came back", now)
    return Matched(ledger.draft(store.db, draft.id), kept, stopped)


def bounced_at_once(store: Store, draft: Draft, detail: str, *, now: datetime) -> None:
    """Keep that the smarthost itself refused a contact for good."""
    digest = hashlib.sha256(f"{draft.id} {detail}".encode()).digest()[:16]
    _put(store, Received(draft.id, "bounce", proven=True, at=now, sender=None, subject=None, detail=detail), digest)
    _stop(store, draft, detail, now)


def answers(db: Database, draft_ids: Sequence[str]) -> dict[str, list[Received]]:
    """What came back about some drafts, the oldest first, by draft."""
    found: dict[str, list[Received]] = {draft_id: [] for draft_id in draft_ids}
    for draft_id in found:
        rows = db.query("SELECT * FROM abuse_answer WHERE draft = ? ORDER BY at_ms, kind", (draft_id,))
        found[draft_id] = [
            Received(
                draft_id=draft_id,
                kind=cast("Kind", row["kind"]),
                proven=bool(row["proven"]),
                at=moment(row["at_ms"]),
                sender=row["sender"],
                subject=row["subject"],
                detail=row["detail"],
            )
            for row in rows
        ]
    return found


def _matched(db: Database, answer: Answer) -> tuple[Draft, bool] | None:
    key = verp.stored_key(db)
    proven = verp.tagged_ids(answer.paths, key) if key else []
    for draft_id in (*proven, *answer.about):
        try:
            draft = ledger.draft(db, draft_id)
        except UnknownDraftError:
            continue
        if draft.id == draft_id and draft.state in ("sent", "uncertain", "sending"):
            return draft, draft_id in proven
    return None


def _put(store: Store, kept: Received, digest: bytes) -> None:
    with store.transaction():
        [count] = store.db.conn.execute(
            "SELECT count(*) FROM abuse_answer WHERE draft = ?", (kept.draft_id,)
        ).fetchone()
        if count < ANSWERS_MAX:
            store.db.conn.execute(
                "INSERT OR IGNORE INTO abuse_answer VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(kept.draft_id, digest, kept.kind, kept.proven, milliseconds(kept.at)),
                    *(kept.sender, kept.subject, kept.detail),
                ),
            )


def _stop(store: Store, draft: Draft, why: str, now: datetime) -> None:
    contactbook.stop(store, draft.report.contact.address, because="bounced", why=why, now=now)
