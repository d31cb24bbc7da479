"""Approved reports handed to the smarthost, each once.

The order for each: MAIL and RCPT are answered, `sending` is committed, DATA goes out, the answer comes, what it said is
committed. So a refusal leaves nothing in doubt, and of a break after DATA the store knows (`outbox`).
"""

import smtplib
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

from hoptrail_reports.abuse import answers, mutes, outbox, smarthost, verp
from hoptrail_reports.abuse.contactfiles import with_files
from hoptrail_reports.abuse.forms import written
from hoptrail_reports.abuse.ledger import Draft, DraftState
from hoptrail_reports.abuse.mail import sender_of
from hoptrail_reports.abuse.reportable import judge
from hoptrail_reports.abuse.settings import AbuseSettings
from hoptrail_reports.abuse.smarthost import BrokenOffError, Reply, SendError
from hoptrail_store.store import Store
from hoptrail_tracer.settings import SiteSettings

Outcome = Literal["sent", "deferred", "refused", "uncertain", "later", "never"]
_STATES: Final[dict[Outcome, DraftState]] = {
    "sent": "sent",
    "deferred": "approved",
    "refused": "refused",
    "uncertain": "uncertain",
}
_POLICY: Final = "5.7."
"""RFC 3463: security or policy. Of a recipient it says that we may not relay, not that the address is bad."""
Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of one draft in a run: `detail` is the smarthost's word, or why it was not asked."""

    draft: Draft
    outcome: Outcome
    detail: str


def plan(store: Store, settings: AbuseSettings, site: SiteSettings, now: datetime) -> list[outbox.Decision]:
    """What a run would do with each approved draft; raises ContactFileError and SiteError."""
    settings = with_files(settings)
    return outbox.decisions(store, judge(site, settings, now, mutes.mutes(store.db, now)), settings)


def send(store: Store, settings: AbuseSettings, site: SiteSettings, *, clock: Clock | None = None) -> Iterator[Sent]:
    """Send the approved drafts that may be sent now, and yield what became of each once that is committed.

    Raises SendError, AlreadySendingError, ContactFileError, ReturnPathError and StoreError; what was yielded before is
    done.
    """
    clock = clock or _now
    with outbox.alone(store):
        store.tune("synchronous = FULL")  # a power cut must not undo what is committed before a text goes out
        outbox.set_broken_off(store)
        due = []
        for decision in plan(store, settings, site, clock()):
            if decision.verdict == "send":
                due.append(decision.draft)
                continue
            if decision.verdict == "never":
                outbox.drop(store, decision.draft.id, decision.why, clock())
            yield Sent(decision.draft, decision.verdict, decision.why)
        if due:
            with smarthost.connected(settings, site.hostname or socket.getfqdn()) as smtp:
                yield from _send_all(_Run(store, settings, site, smtp, verp.put_key(store), clock), due)


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class _Run:
    """What sending each of a run's reports needs."""

    store: Store
    settings: AbuseSettings
    site: SiteSettings
    smtp: smtplib.SMTP
    key: bytes
    clock: Clock

    def concluded(self, draft: Draft, outcome: Outcome, detail: str) -> Sent:
        """Commit what became of a draft; one that was deferred stays approved for the next run."""
        outbox.conclude(self.store, draft.id, _STATES[outcome], detail=detail, now=self.clock())
        return Sent(draft, outcome, detail)


def _send_all(run: _Run, due: list[Draft]) -> Iterator[Sent]:
    for draft in due:
        if why := outbox.why_stopped(run.store, draft):  # since this run began: an earlier report to it came back
            outbox.drop(run.store, draft.id, why, run.clock())
            yield Sent(draft, "never", why)
            continue
        try:
            outcome = _send_one(run, draft)
        except (OSError, smtplib.SMTPException) as error:
            said = smarthost.words(error)
            yield run.concluded(draft, "deferred", f"the smarthost went away: {said}")
            raise SendError(f"{run.settings.smarthost}: {said}; the next run sends the rest") from error
        except BrokenOffError as error:
            yield run.concluded(draft, "uncertain", str(error))
            raise SendError(f"{run.settings.smarthost}: {error}; the next run sends the rest") from error
        if outcome:
            yield outcome


def _send_one(run: _Run, draft: Draft) -> Sent | None:
    """What became of one draft, committed; None where a person took it back in the meantime."""
    sender = sender_of(run.settings, run.site)
    now = run.clock()
    text = written(draft.report, draft.form, sender=sender, sent_at=now)
    base, separator = run.settings.bounce_address or sender, run.settings.bounce_separator
    return_path = verp.return_path(base, draft.id, run.key, separator=separator)
    reply, of_recipient = smarthost.offer(run.smtp, return_path, draft.report.contact.address, text)
    if not reply.taken:
        about_recipient = of_recipient and reply.permanent and not reply.text.startswith(_POLICY)
        if not (reply.temporary or about_recipient):
            run.concluded(draft, "deferred", str(reply))
            raise SendError(f"{run.settings.smarthost} takes no mail from us: {reply}")
        return _refused(run, draft, reply, of_recipient=True)
    if not outbox.begin(run.store, draft, now):
        return None
    reply = smarthost.hand_over(run.smtp, text)
    if not reply.taken:
        return _refused(run, draft, reply, of_recipient=False)
    return run.concluded(draft, "sent", str(reply))


def _refused(run: _Run, draft: Draft, reply: Reply, *, of_recipient: bool) -> Sent:
    """A refusal for now is tried again by the next run; one for good counts as a bounce where it names the contact."""
    if reply.temporary:
        return run.concluded(draft, "deferred", str(reply))
    if of_recipient:
        answers.bounced_at_once(run.store, draft, str(reply), now=run.clock())
    return run.concluded(draft, "refused", str(reply))
