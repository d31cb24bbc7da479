"""What a person decides about a draft: approve it, dismiss it, change what may be changed. Nothing here sends mail.

The evidence is never a person's to change: what a report shows is what came.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

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


def approve(store: Store, draft_id: str, *, reason: str | None = None, now: datetime) -> Draft:
    """The draft, now approved: the next `hoptrail abuse send` sends it. `draft_id` may be the beginning of an id.

    Raises UnknownDraftError, and ReviewError where it was sent or its contact is no longer written to.
    """
    found = _open(store, draft_id)
    address = found.report.contact.address
    for one in contactbook.about(contactbook.remembered(store.db), address):
        if one.stopped:
            raise ReviewError(
                f"{found.id}: nothing is written to {address} ({one.stopped}: {one.why}); `hoptrail abuse contact "
                f"{one.contact} --resume` changes that"
            )
    return _decide(store, found.id, "approved", reason, now)


def dismiss(store: Store, draft_id: str, *, reason: str | None, now: datetime) -> Draft:
    """The draft, now dismissed; raises UnknownDraftError, and ReviewError where it was sent."""
    return _decide(store, _open(store, draft_id).id, "dismissed", reason, now)


def edit(
    store: Store, draft_id: str, change: Edit, *, settings: AbuseSettings, site: SiteSettings, now: datetime
) -> Draft:
    """The draft with its note, contact or form changed; it waits for a person's word (again).

    A form is remembered for the contact. A contact is checked like one that was looked up, and does not see recipients
    that only the one before it may see. Raises UnknownDraftError, ReviewError and ContactFileError.
    """
    settings = with_files(settings)
    found = _open(store, draft_id)
    report, form = found.report, change.form or found.form
    if form not in FORMS:
        raise ReviewError(f"{shown(form)!r} is no form: there are {', '.join(FORMS)}")
    if change.contact is not None:
        report = _addressed(store, found, change.contact, settings, site)
    if change.note is not None:
        report = replace(report, note=_note(change.note) or None)
    if change.form:
        contactbook.remember_form(store, report.contact.address, form, now=now)
    with store.transaction():
        ledger.put_report(store, found.id, report, suitable(report, form))
    return ledger.draft(store.db, found.id)


def _open(store: Store, draft_id: str) -> Draft:
    found = ledger.draft(store.db, draft_id)
    if found.state not in OPEN:
        raise ReviewError(f"{found.id}: {found.state} already, so it can no longer be changed")
    return found


def _decide(store: Store, draft_id: str, state: DraftState, reason: str | None, now: datetime) -> Draft:
    with store.transaction():
        changed = store.db.conn.execute(
            "UPDATE abuse_draft SET state = ?, reason = ?, decided_ms = ?, detail = NULL"
            " WHERE id = ? AND state IN ('draft', 'approved', 'dismissed', 'refused')",
            (state, shown(reason, _REASON_MAX) if reason else None, milliseconds(now), draft_id),
        )
    found = ledger.draft(store.db, draft_id)
    if not changed.rowcount:  # `send` took it in the meantime
        raise ReviewError(f"{draft_id}: {found.state} already, so it can no longer be changed")
    return found


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
