"""The night's drafts: a day's spam folded, contacts found, reports written down for a person. Nothing is sent.

Running it again for the same day changes counts and adds what is missing, never a second draft for the same contact,
address and day. What could not be looked up waits for the next night, until the spam is too old to be reported.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import chain
from typing import Final

from hoptrail_reports.abuse import cases, contactbook, ledger, marks, mutes, reportable
from hoptrail_reports.abuse.cases import Case
from hoptrail_reports.abuse.contactbook import Remembered
from hoptrail_reports.abuse.contacts import Choice, among, choose, form_for
from hoptrail_reports.abuse.evidence import Evidence, prepare
from hoptrail_reports.abuse.forms import suitable
from hoptrail_reports.abuse.munge import munge_text
from hoptrail_reports.abuse.report import Report
from hoptrail_reports.abuse.reportable import Judge
from hoptrail_reports.abuse.settings import AbuseSettings
from hoptrail_reports.shown import shown
from hoptrail_store.errors import StoreError
from hoptrail_store.reader import Reader, day_span
from hoptrail_store.records import MessageRecord
from hoptrail_store.store import Store
from hoptrail_tracer.model import AddressFacts, Contact, ContactAnswer, Trust
from hoptrail_tracer.settings import SiteSettings

_log = logging.getLogger("hoptrail.abuse")

ContactFinder = Callable[[str], Awaitable[ContactAnswer]]
FactFinder = Callable[[str], Awaitable[AddressFacts]]
_DAY_IS_FULL: Final = "the day has its drafts"
_NIGHT_IS_OVER: Final = "not looked up yet: the night's limit was reached"
AT_ONCE: Final = 16
"""Look-ups under way together; the look-ups themselves keep to the pace of each registry."""


@dataclass(frozen=True, slots=True)
class DraftSummary:
    """What a night's drafting came to. `states` counts the day's cases, `objections` those that accuse nobody."""

    day: date
    messages: int  # spam
    cases: int
    drafted: int  # new drafts, those for waiting cases of earlier days too
    states: tuple[tuple[str, int], ...]
    objections: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class _Night:
    """What every step of one run needs."""

    store: Store
    court: Judge
    site: SiteSettings
    contact: ContactFinder
    facts: FactFinder | None
    book: Sequence[Remembered]

    @property
    def settings(self) -> AbuseSettings:
        return self.court.settings


async def draft_day(
    day: date,
    store: Store,
    *,
    site: SiteSettings,
    settings: AbuseSettings,
    contact: ContactFinder,
    facts: FactFinder | None = None,
    now: datetime | None = None,
) -> DraftSummary:
    """Fold a closed UTC day's spam into cases and draft the reports that may be drafted; for `hoptrail nightly`.

    `contact` finds who answers for an address, `facts` what is known about one whose facts are missing. An answer that
    failed, raised or was not asked for leaves a case waiting. Raises StoreError and SiteError.
    """
    now = now or datetime.now(UTC)
    court = reportable.judge(site, settings, now, mutes.mutes(store.db, now))
    night = _Night(store, court, site, contact, facts, contactbook.remembered(store.db))
    for each in sorted({day, *_marked_days(night)}):
        _fold(night, each)
    _expire(night)
    drafted = await _draft(night, _candidates(night, day)) if settings.draft else 0
    if settings.keep_days:
        ledger.forget(store, now.date() - timedelta(days=settings.keep_days))
    found = ledger.cases(store.db, day=day)
    return DraftSummary(
        day=day,
        messages=sum(case.messages for case in found),
        cases=len(found),
        drafted=drafted,
        states=tuple(Counter(case.state for case in found).most_common()),
        objections=tuple(
            Counter(case.objection.code for case in found if case.objection and case.state == "refused").most_common()
        ),
    )


def _marked_days(night: _Night) -> list[date]:
    """The closed days of messages that a person marked since, as far back as anything is still reported."""
    oldest = night.court.now - timedelta(hours=night.settings.stop_hours)
    return [day for day in marks.days_to_fold(night.store.db) if oldest.date() <= day < night.court.now.date()]


def _fold(night: _Night, day: date) -> None:
    reader, marked = Reader(night.store.db), marks.marked(night.store.db, day)
    spam = reader.messages(*day_span(day), spam_only=True, evidence=True)
    scored_low = (record for key in sorted(marked) for record in reader.find(key) if not _scored_spam(record))
    ledger.forget_unseen(night.store, day)  # a copy may have been handed in since
    ledger.put_cases(night.store, cases.fold(day, chain(spam, scored_low), night.court, marked=marked))
    marks.set_folded(night.store, marked)


def _scored_spam(record: MessageRecord) -> bool:
    return record.score is not None and record.score.is_spam


def _expire(night: _Night) -> None:
    """Give up on waiting cases whose newest message is too old."""
    oldest = night.court.now - timedelta(hours=night.settings.stop_hours)
    waiting = ledger.cases(night.store.db, states=("waiting",))
    late = [replace(case, state="expired") for case in waiting if case.last_at < oldest]
    ledger.settle(night.store, late)


def _candidates(night: _Night, day: date) -> list[Case]:
    """What is to be drafted: the day's undecided cases and the waiting ones of other days, the largest first."""
    waiting = ledger.cases(night.store.db, states=("waiting",))
    again = ledger.cases(night.store.db, day=day, states=("unknown", "barred", "capped"))
    return sorted([*waiting, *again], key=lambda case: (-case.messages, case.id))


async def _draft(night: _Night, candidates: Sequence[Case]) -> int:
    limit = night.settings.contact_lookups
    due, left = list(candidates[:limit]), list(candidates[limit:])
    counts = {day: ledger.counts(night.store.db, day) for day in {case.day for case in due}}
    deadline = asyncio.get_running_loop().time() + night.settings.contact_minutes * 60
    drafted = 0
    while due and asyncio.get_running_loop().time() < deadline:
        batch, due = due[:AT_ONCE], due[AT_ONCE:]
        full = [case for case in batch if sum(counts[case.day].values()) >= night.settings.drafts_per_day]
        ledger.settle(night.store, [replace(case, state="capped", detail=_DAY_IS_FULL) for case in full])
        open_cases = [case for case in batch if case not in full]
        answers = await asyncio.gather(*(_ask(night, case) for case in open_cases))
        drafted += sum(
            _decided(night, replace(case, facts=facts), choice, counts[case.day])
            for case, (choice, facts) in zip(open_cases, answers, strict=True)
        )
    ledger.settle(night.store, [replace(case, state="waiting", detail=_NIGHT_IS_OVER) for case in (*due, *left)])
    return drafted


def _decided(night: _Night, case: Case, choice: Choice, counts: dict[str, int]) -> bool:
    """Store what becomes of a case; whether that is a new draft."""
    outcome = _guarded_outcome(night, case, choice, counts)
    if isinstance(outcome, Case):
        ledger.settle(night.store, [outcome])
        return False
    address = outcome.contact.address
    put = ledger.put_draft(night.store, case, outcome, suitable(outcome, form_for(address, night.settings, night.book)))
    if put:
        counts[address] = counts.get(address, 0) + 1
    return put


async def _ask(night: _Night, case: Case) -> tuple[Choice, AddressFacts | None]:
    """Who answers for a case's address, and what is known about it; both asked at once."""
    known = case.facts
    again = night.facts if night.facts and (known is None or case.objection) else None
    answer, newer = await asyncio.gather(
        night.contact(case.ip), again(case.ip) if again else asyncio.sleep(0, known), return_exceptions=True
    )
    facts = known if isinstance(newer, BaseException) else newer
    if isinstance(answer, BaseException):
        return Choice("failed", detail=f"the look-up failed: {shown(repr(answer))}"), facts
    return choose(answer, night.settings, night.site.domains, night.book), facts


def _guarded_outcome(night: _Night, case: Case, choice: Choice, counts: dict[str, int]) -> Case | Report:
    """As `_outcome`; a fault of ours about one mail, all of which is a stranger's, leaves that case waiting alone."""
    try:
        return _outcome(night, case, choice, counts)
    except StoreError:
        raise
    except Exception as error:  # noqa: BLE001 - one mail must not cost all the others their drafts
        _log.exception("case %s could not be drafted", case.id)
        return replace(case, state="waiting", detail=f"drafting failed: {shown(repr(error))}; see the log")


def _outcome(night: _Night, case: Case, choice: Choice, counts: dict[str, int]) -> Case | Report:
    """A report, or the case with what keeps it from being one."""
    if choice.contact is None:
        return replace(case, state="waiting" if choice.state == "failed" else choice.state, detail=choice.detail)
    if counts.get(choice.contact.address, 0) >= night.settings.drafts_per_contact:
        return replace(case, state="capped", detail=f"{choice.contact.address} has its drafts of the day")
    if sum(counts.values()) >= night.settings.drafts_per_day:
        return replace(case, state="capped", detail=_DAY_IS_FULL)
    found = Reader(night.store.db).find(case.sample)
    if not found:
        return replace(case, state="expired", detail="the message is no longer stored")
    objection = reportable.objection(found[0], night.court, case.facts)
    if objection is None:
        return _report(night, case, found[0], choice.contact)
    state = "waiting" if objection.code == cases.RETRIED else "refused"
    return replace(case, objection=objection, state=state, detail=objection.text)


def _report(night: _Night, case: Case, record: MessageRecord, contact: Contact) -> Report:
    munged = not among(contact.address, night.settings.whole_contacts)
    origin = record.trace.origin
    line = record.trace.hops[origin.hop or 0]

    def hidden(text: str | None, limit: int = 253) -> str | None:
        if text is None:
            return None
        return shown(munge_text(text, record.recipients) if munged else text, limit)

    return Report(
        id=cases.identifier(case.day, case.ip, contact.address),
        contact=contact,
        facts=_named(case.facts or AddressFacts(case.ip), hidden(line.received.rdns)),
        received_at=record.received_at,
        messages=case.messages,
        first_at=case.first_at,
        last_at=case.last_at,
        reporting_mta=shown(record.host),
        reasons=tuple(hidden(reason, 500) or "" for reason in origin.reasons),
        evidence=_evidence(night, record, munged=munged),
        created_at=night.court.now,
        written_by=hidden(line.received.by) if line.trust is Trust.TRUSTED else None,
        source_port=record.connection.port if record.connection and record.connection.ip == case.ip else None,
        helo=hidden(line.received.helo),
        envelope_from=hidden(record.envelope_from),
        subject=hidden(record.subject, 998),
        recipients=() if munged else record.recipients,
    )


def _named(facts: AddressFacts, name: str | None) -> AddressFacts:
    """The facts, with the name that stands beside the address in the believed line where we know none ourselves."""
    return facts if facts.name else replace(facts, name=name, name_confirmed=None)


def _evidence(night: _Night, record: MessageRecord, *, munged: bool) -> Evidence:
    """The message as it is kept, or its beginning."""
    raw = record.evidence or b""
    is_cut = len(raw) >= night.store.settings.evidence_max_bytes
    evidence = prepare(
        raw,
        record.recipients,
        limit_bytes=night.settings.evidence_max_bytes,
        cut_from_bytes=record.size_bytes if is_cut else None,
        munged=munged,
    )
    if marks.is_copy(night.store.db, record.id):
        return replace(evidence, notes=("The message is a copy that whoever got it handed in.", *evidence.notes))
    return evidence
