"""What a person decides about a draft: approve it, dismiss it, change what may be changed. Nothing here sends mail.

The evidence is never a person's to change: what a report shows is what came. Whoever decides on what a page showed says
which version that was: looking at the draft and changing it are one transaction, so that nobody decides unseen.
"""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final, Literal

from hoptrail_reports.abuse import contactbook, ledger
from hoptrail_reports.abuse.contactfiles import with_files
from hoptrail_reports.abuse.contacts import among, choose
from hoptrail_reports.abuse.evidence import prepare
from hoptrail_reports.abuse.forms import FORMS, suitable
from hoptrail_reports.abuse.ledger import Draft, DraftState
from hoptrail_reports.abuse.munge import munge_text
from hoptrail_reports.abuse.report import NOTE_MAX_CHARS, Report
from hoptrail_reports.abuse.settings import AbuseSettings
from hoptrail_reports.errors import ReportError
from hoptrail_reports.shown import shown
from hoptrail_store.rows import milliseconds
from hoptrail_store.store import Store
from hoptrail_tracer.lookups.mailaddr import parse_mail_address
from hoptrail_tracer.model import Contact, ContactAnswer
from hoptrail_tracer.settings import SiteSettings

Decision = Literal["approved", "dismissed"]
OPEN: Final[tuple[DraftState, ...]] = ("draft", "approved", "dismissed", "refused")
"""States that a person's word may still change; what the smarthost took, or may have, is history."""
_REASON_MAX: Final = 500
_BY_HAND: Final = "a person"


class ReviewError(ReportError):
    """A draft is beyond a person's word, or the change asked for is none that may be made."""


@dataclass(frozen=True, slots=True)
class Edit:
    """What a person changes of a draft; None leaves a thing as it is, an empty note takes the note away."""

    note: str | None = None
    contact: str | None = None
    form: str | None = None


def version(drafts: Iterable[Draft]) -> str:
    """A text that changes with whatever a person decides on, in whatever order the drafts come."""
    parts = [
        (one.id, one.state, one.form, one.decided_at, one.report.contact.address, one.report.note, one.reason)
        for one in sorted(drafts, key=lambda draft: draft.id)
    ]
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def approve(store: Store, draft_id: str, *, reason: str | None = None, seen: str | None = None, now: datetime) -> Draft:
    """The draft, now approved: the next `hoptrail abuse send` sends it. `draft_id` may be the beginning of an id.

    `seen` is the version that was looked at, where that matters. Raises UnknownDraftError, and ReviewError where it was
    sent, is another version, or its contact is no longer written to.
    """
    with _changing(store, draft_id, seen) as found:
        _decide(store, found, "approved", reason, now)
    return ledger.draft(store.db, found.id)


def dismiss(store: Store, draft_id: str, *, reason: str | None, seen: str | None = None, now: datetime) -> Draft:
    """The draft, now dismissed; raises UnknownDraftError, and ReviewError where it was sent or is another version."""
    with _changing(store, draft_id, seen) as found:
        _decide(store, found, "dismissed", reason, now)
    return ledger.draft(store.db, found.id)


def decide_campaign(
    store: Store, day: date, mark: str, state: Decision, *, reason: str | None, seen: str, now: datetime
) -> int:
    """How many drafts of a day's campaign that waited for a word have it now: all, or none where one cannot.

    `seen` is the version of those that wait. Raises ReviewError.
    """
    with store.transaction():
        waiting = [draft for draft in ledger.drafts(store.db, day=day, states=("draft",)) if draft.campaign == mark]
        if version(waiting) != seen:
            raise ReviewError("the campaign's drafts have changed since they were shown: look at them again")
        for draft in waiting:
            _decide(store, draft, state, reason, now)
    return len(waiting)


def edit(
    store: Store,
    draft_id: str,
    change: Edit,
    *,
    settings: AbuseSettings,
    site: SiteSettings,
    seen: str | None = None,
    now: datetime,
) -> Draft:
    """The draft with its note, contact or form changed; it waits for a person's word (again).

    A form is remembered for the contact. A contact is checked like one that was looked up, and does not see recipients
    that only the one before it may see. Raises UnknownDraftError, ReviewError and ContactFileError.
    """
    settings = with_files(settings)
    with _changing(store, draft_id, seen) as found:
        report, form = found.report, change.form or found.form
        if form not in FORMS:
            raise ReviewError(f"{shown(form)!r} is no form: there are {', '.join(FORMS)}")
        if change.contact is not None:
            report = _addressed(store, found, change.contact, settings, site)
        if change.note is not None:
            report = replace(report, note=_note(change.note) or None)
        ledger.put_report(store, found.id, report, suitable(report, form))
    if change.form:
        contactbook.remember_form(store, report.contact.address, form, now=now)
    return ledger.draft(store.db, found.id)


@contextmanager
def _changing(store: Store, draft_id: str, seen: str | None) -> Iterator[Draft]:
    """Hold the write lock with a draft that a person's word may still change, and that is as it was seen."""
    with store.transaction():
        found = ledger.draft(store.db, draft_id)
        if found.state not in OPEN:
            raise ReviewError(f"{found.id}: {found.state} already, so it can no longer be changed")
        if seen is not None and seen != version([found]):
            raise ReviewError(f"{found.id}: it has changed since it was shown (now {found.state}): look at it again")
        yield found


def _decide(store: Store, found: Draft, state: Decision, reason: str | None, now: datetime) -> None:
    if state == "approved":
        _check_contact(store, found)
    store.db.conn.execute(
        "UPDATE abuse_draft SET state = ?, reason = ?, decided_ms = ?, detail = NULL WHERE id = ?",
        (state, shown(reason, _REASON_MAX) if reason else None, milliseconds(now), found.id),
    )


def _check_contact(store: Store, found: Draft) -> None:
    address = found.report.contact.address
    for one in contactbook.about(contactbook.remembered(store.db), address):
        if one.stopped:
            raise ReviewError(
                f"{found.id}: nothing is written to {address} ({one.stopped}: {one.why}); `hoptrail abuse contact "
                f"{one.contact} --resume` changes that"
            )


def _note(text: str) -> str:
    text = text.strip()
    if len(text) > NOTE_MAX_CHARS:
        raise ReviewError(f"the note has {len(text):,} characters; {NOTE_MAX_CHARS:,} are the most a desk reads")
    return "\n".join(shown(line.rstrip(), NOTE_MAX_CHARS) for line in text.splitlines())


def _addressed(store: Store, draft: Draft, text: str, settings: AbuseSettings, site: SiteSettings) -> Report:
    address = parse_mail_address(text)
    if address is None:
        raise ReviewError(f"{shown(text)!r} is no plain mail address: write it as in abuse@isp.example.net")
    report = draft.report
    if address == report.contact.address:
        return report
    contact = Contact(address, _BY_HAND, 1.0, report.contact.network)
    answer = ContactAnswer(report.facts.ip, "found", (contact,))
    choice = choose(answer, settings, site.domains, contactbook.remembered(store.db))
    if choice.contact is None:
        raise ReviewError(f"{address}: may not be written to: {choice.detail}")
    taken = store.db.execute(
        "SELECT id FROM abuse_draft WHERE day = ? AND ip = ? AND contact = ? AND id != ?",
        (str(draft.day), report.facts.ip, choice.contact.address, draft.id),
    ).fetchone()
    if taken:
        raise ReviewError(f"{address}: has a draft about {report.facts.ip} and this day already: {taken[0]}")
    report = replace(report, contact=choice.contact)
    return report if report.evidence.munged or among(address, settings.whole_contacts) else _munged(report, settings)


def _munged(report: Report, settings: AbuseSettings) -> Report:
    """A report that showed its recipients, with them hidden."""

    def hidden(text: str | None) -> str | None:
        return shown(munge_text(text, report.recipients), 998) if text else text

    return replace(
        report,
        evidence=prepare(report.evidence.raw, report.recipients, limit_bytes=settings.evidence_max_bytes),
        reasons=tuple(hidden(reason) or "" for reason in report.reasons),
        written_by=hidden(report.written_by),
        helo=hidden(report.helo),
        envelope_from=hidden(report.envelope_from),
        subject=hidden(report.subject),
        recipients=(),
    )
