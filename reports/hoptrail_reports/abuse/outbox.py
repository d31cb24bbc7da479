"""What may be sent, and what became of it, as the store knows it: `sending` speaks SMTP, this counts and commits.

A report is committed as `sending` before its text goes out and as `sent` after the smarthost took it. Whoever is killed
in between leaves `sending` behind, and nobody can know on which side of the smarthost's answer that was. Such a report
becomes `uncertain` and is not sent again until a person has looked: one report too few beats one too many.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import Final, Literal

from hoptrail_reports.abuse import contactbook, ledger
from hoptrail_reports.abuse.contacts import among
from hoptrail_reports.abuse.ledger import Draft, DraftState
from hoptrail_reports.abuse.reportable import Judge
from hoptrail_reports.abuse.settings import AbuseSettings
from hoptrail_reports.errors import ReportError
from hoptrail_reports.shown import shown
from hoptrail_store.ownership import open_owned
from hoptrail_store.rows import milliseconds
from hoptrail_store.store import Store

_BROKE_OFF: Final = "sending broke off after the text had gone out"
Verdict = Literal["send", "later", "never"]


class AlreadySendingError(ReportError):
    """Another process is sending."""


class ResolveError(ReportError):
    """A draft is not in doubt, so there is nothing to resolve."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether an approved draft is sent now, and why not."""

    draft: Draft
    verdict: Verdict
    why: str = ""


@contextmanager
def alone(store: Store) -> Iterator[None]:
    """Hold the right to send for a block; raises AlreadySendingError. It vanishes with the process."""
    descriptor = open_owned(store.path.with_name(f"{store.path.name}.send"))
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadySendingError(f"{store.path}: another `hoptrail abuse send` is at work") from None
        yield
    finally:
        os.close(descriptor)


def set_broken_off(store: Store) -> None:
    """Make the drafts whose sending broke off `uncertain`. Only for whoever is `alone`."""
    with store.transaction():
        store.db.conn.execute(
            "UPDATE abuse_draft SET state = 'uncertain', detail = ? WHERE state = 'sending'", (_BROKE_OFF,)
        )


def decisions(store: Store, court: Judge, settings: AbuseSettings) -> list[Decision]:
    """What is to be done with each approved draft now, in the order they are sent: most messages first."""
    day_ms = milliseconds(datetime.combine(court.now.astimezone(UTC).date(), time(), UTC))
    rows = store.db.execute(
        "SELECT contact, ip FROM abuse_draft WHERE coalesce(sent_ms, tried_ms) >= ? AND state IN ('sent', 'uncertain')",
        (day_ms,),
    ).fetchall()
    book = contactbook.remembered(store.db)
    approved = ledger.drafts(store.db, states=("approved",))
    sent = [(contact.lower(), ip) for contact, ip in rows]
    found = []
    for draft in sorted(approved, key=lambda draft: (-draft.report.messages, draft.id)):
        address, ip = draft.report.contact.address.lower(), draft.report.facts.ip
        decision = _never(draft, court, settings, book) or _later(draft, sent, settings)
        if decision is None:
            sent.append((address, ip))
            decision = Decision(draft, "send")
        found.append(decision)
    return found


def _never(draft: Draft, court: Judge, settings: AbuseSettings, book: list[contactbook.Remembered]) -> Decision | None:
    """What was learnt since a person approved it: the site, the lists and the contacts are asked once more."""
    report = draft.report
    address, ip = report.contact.address, report.facts.ip
    hours = (court.now - report.received_at).total_seconds() / 3_600
    if hours > settings.stop_hours:
        return Decision(draft, "never", f"the spam is {hours:.0f} hours old, {settings.stop_hours} are the most")
    if why := _stopped(address, book):
        return Decision(draft, "never", why)
    if among(address, settings.do_not_mail):
        return Decision(draft, "never", f"{address} is on the do-not-mail list")
    site = court.site
    lists = (court.never, court.muted, site.trusted, site.internal, site.msas, site.forwarders, site.lists)
    declared = any(hosts.has(ip, name) for hosts in lists for name in {None, report.facts.name})
    if declared or site.is_own_name(report.facts.name):
        return Decision(draft, "never", f"{ip} was muted or declared as one's own in the meantime")
    return None


def why_stopped(store: Store, draft: Draft) -> str | None:
    """Why nothing is written to a draft's contact by now; None where it is."""
    return _stopped(draft.report.contact.address, contactbook.remembered(store.db))


def _stopped(address: str, book: list[contactbook.Remembered]) -> str | None:
    stopped = next((one for one in contactbook.about(book, address) if one.stopped), None)
    return f"nothing is written to {stopped.contact}: {stopped.why}" if stopped else None


def _later(draft: Draft, sent: list[tuple[str, str]], settings: AbuseSettings) -> Decision | None:
    address, ip = draft.report.contact.address.lower(), draft.report.facts.ip
    if (address, ip) in sent:
        return Decision(draft, "later", f"{address} had a report about {ip} today")
    if sum(contact == address for contact, _ in sent) >= settings.sends_per_contact:
        return Decision(draft, "later", f"{address} had its {settings.sends_per_contact} reports of the day")
    if len(sent) >= settings.sends_per_day:
        return Decision(draft, "later", f"the day has had its {settings.sends_per_day} reports")
    return None


def begin(store: Store, draft: Draft, now: datetime) -> bool:
    """Commit that the text goes out now; False where a person took the draft back, or approved another text of it."""
    with store.transaction():
        begun = store.db.conn.execute(
            "UPDATE abuse_draft SET state = 'sending', tried_ms = ?, detail = NULL"
            " WHERE id = ? AND state = 'approved' AND decided_ms IS ?",
            (milliseconds(now), draft.id, milliseconds(draft.decided_at) if draft.decided_at else None),
        )
    return begun.rowcount == 1


def conclude(store: Store, draft_id: str, state: DraftState, *, detail: str | None, now: datetime) -> None:
    """Commit what became of a draft that was approved or being sent."""
    sent_ms = milliseconds(now) if state == "sent" else None
    with store.transaction():
        store.db.conn.execute(
            "UPDATE abuse_draft SET state = ?, sent_ms = ?, tried_ms = coalesce(tried_ms, ?), detail = ?"
            " WHERE id = ? AND state IN ('approved', 'sending')",
            (state, sent_ms, milliseconds(now), shown(detail, 500) if detail else None, draft_id),
        )


def drop(store: Store, draft_id: str, why: str, now: datetime) -> None:
    """Commit that an approved draft is not to be sent after all."""
    with store.transaction():
        store.db.conn.execute(
            "UPDATE abuse_draft SET state = 'dismissed', reason = ?, decided_ms = ?"
            " WHERE id = ? AND state = 'approved'",
            (shown(why, 500), milliseconds(now), draft_id),
        )


def resolve(store: Store, draft_id: str, *, was_sent: bool) -> Draft:
    """Settle a draft in doubt by a person's word: it was sent when it was tried, or is approved again.

    Raises UnknownDraftError, ResolveError, and AlreadySendingError: what is being sent is in no doubt yet.
    """
    with alone(store):
        set_broken_off(store)
    draft = ledger.draft(store.db, draft_id)
    if draft.state != "uncertain":
        raise ResolveError(f"{draft.id}: {draft.state}, not uncertain: there is nothing to resolve")
    change = (
        "state = 'sent', sent_ms = tried_ms, detail = 'found to be sent'"
        if was_sent
        else "state = 'approved', detail = 'found not to be sent'"
    )
    with store.transaction():
        store.db.conn.execute(f"UPDATE abuse_draft SET {change} WHERE id = ? AND state = 'uncertain'", (draft.id,))  # noqa: S608 - ours
    return ledger.draft(store.db, draft.id)
