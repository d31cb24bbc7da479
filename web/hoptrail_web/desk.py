"""What the page shows and does, out of the store: plain functions for threads, since SQLite waits for locks."""

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple, Protocol, TypeVar

from sqlite_utils import Database

from hoptrail_reports.abuse import answers, ledger, mutes, results, review
from hoptrail_reports.abuse.answers import Received
from hoptrail_reports.abuse.cases import Case
from hoptrail_reports.abuse.forms import suitable, written
from hoptrail_reports.abuse.ledger import Draft
from hoptrail_reports.abuse.mail import sender_of
from hoptrail_reports.abuse.mutes import Mute
from hoptrail_reports.abuse.results import DeskFigures
from hoptrail_reports.abuse.review import Edit, ReviewError
from hoptrail_reports.abuse.settings import AbuseSettings
from hoptrail_store.reader import open_readonly
from hoptrail_store.settings import StoreSettings
from hoptrail_store.store import Store
from hoptrail_tracer.model import Trace
from hoptrail_tracer.settings import SiteSettings

_ORDER = ("uncertain", "draft", "refused", "approved", "sending", "sent", "dismissed")


@dataclass(frozen=True, slots=True)
class Desk:
    """The settings that reviewing needs."""

    store: StoreSettings
    abuse: AbuseSettings
    site: SiteSettings


@dataclass(frozen=True, slots=True)
class Night:
    """One day's drafts by campaign, what waits first, and the cases that accuse nobody."""

    day: date | None
    days: tuple[date, ...]  # that have drafts or cases, newest first
    campaigns: tuple[tuple[Draft, ...], ...]
    cases: tuple[Case, ...]
    states: Counter[str]
    waiting: tuple[tuple[date, int], ...]  # of all days, newest first


@dataclass(frozen=True, slots=True)
class Page:
    """One draft with all that a person weighs."""

    draft: Draft
    case: Case | None
    trace: Trace | None  # None where the message has left the store
    answers: tuple[Received, ...]
    form: str
    message: bytes  # the report as it would be sent
    previous: str | None
    following: str | None  # the next draft that waits for a word
    others: int  # drafts of the same campaign that still wait
    seen: str  # changes with the draft


def night(desk: Desk, day: date | None) -> Night:
    """A day's work, the newest one's where none is named."""
    with open_readonly(desk.store.path) as reader:
        days = [date.fromisoformat(text) for (text,) in reader.db.execute("SELECT DISTINCT day FROM abuse_case")]
        days.sort(reverse=True)
        chosen = day or (days[0] if days else None)
        drafts = ledger.drafts(reader.db, day=chosen) if chosen else []
        cases = [case for case in ledger.cases(reader.db, day=chosen) if case.state != "drafted"] if chosen else []
        counted = reader.db.execute("SELECT day, count(*) FROM abuse_draft WHERE state = 'draft' GROUP BY day")
        waiting = sorted(((date.fromisoformat(text), count) for text, count in counted), reverse=True)
    states = Counter[str](draft.state for draft in drafts)
    return Night(chosen, tuple(days), _campaigns(drafts), tuple(cases), states, tuple(waiting))


class _Ranked(Protocol):
    """What the order of drafts depends on."""

    @property
    def id(self) -> str: ...
    @property
    def campaign(self) -> str: ...
    @property
    def state(self) -> str: ...


D = TypeVar("D", bound=_Ranked)


def _campaigns(drafts: Iterable[D]) -> tuple[tuple[D, ...], ...]:
    groups: dict[str, list[D]] = {}
    for draft in drafts:
        groups.setdefault(draft.campaign or draft.id, []).append(draft)
    for group in groups.values():
        group.sort(key=lambda draft: _ORDER.index(draft.state))  # within a state by messages, as the store gave them
    return tuple(sorted(map(tuple, groups.values()), key=lambda group: _ORDER.index(group[0].state)))


def page(desk: Desk, draft_id: str, form: str | None) -> Page:
    """One draft; raises UnknownDraftError."""
    with open_readonly(desk.store.path) as reader:
        draft = ledger.draft(reader.db, draft_id)
        case = next((case for case in ledger.cases(reader.db, day=draft.day) if case.id == draft.case_id), None)
        records = reader.find(case.sample) if case else []
        came = answers.answers(reader.db, [draft.id])[draft.id]
        places = _places(reader.db, draft.day)
    chosen = suitable(draft.report, form or draft.form)
    order = [one.id for one in places]
    place = order.index(draft.id)
    waiting = [one for one in places if one.state == "draft" and one.id != draft.id]
    return Page(
        draft=draft,
        case=case,
        trace=records[0].trace if records else None,
        answers=tuple(came),
        form=chosen,
        message=written(draft.report, chosen, sender=sender_of(desk.abuse, desk.site)),
        previous=order[place - 1] if place else None,
        following=_following(order, place, {one.id for one in waiting}),
        others=sum(one.campaign == draft.campaign for one in waiting),
        seen=fingerprint(draft),
    )


class _Place(NamedTuple):
    """Where a draft stands on its day's page."""

    id: str
    campaign: str
    state: str


def _places(db: Database, day: date) -> list[_Place]:
    rows = db.execute(
        "SELECT abuse_draft.id, campaign, abuse_draft.state FROM abuse_draft"
        " JOIN abuse_case ON abuse_case.id = case_id WHERE abuse_draft.day = ? ORDER BY messages DESC, abuse_draft.id",
        (str(day),),
    )
    return [place for group in _campaigns(map(_Place._make, rows)) for place in group]


def _following(order: list[str], place: int, waiting: set[str]) -> str | None:
    """The next draft below that waits, else the first one, else the next below whatever its state."""
    left = [one for one in (*order[place + 1 :], *order[:place]) if one in waiting]
    return left[0] if left else order[place + 1] if place + 1 < len(order) else None


def fingerprint(draft: Draft) -> str:
    """A text that changes with whatever a person decides on."""
    report = draft.report
    parts = (draft.state, draft.form, draft.decided_at, report.contact.address, report.note, draft.reason)
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def decide(desk: Desk, draft_id: str, act: str, *, seen: str, reason: str | None, now: datetime) -> Draft:
    """The draft after a person's word; `act` is approve, dismiss or reopen. Raises ReportError."""
    with Store.open(desk.store) as store:
        draft = _unchanged(store.db, draft_id, seen)
        if act == "approve":
            return review.approve(store, draft.id, reason=reason, now=now)
        if act == "dismiss":
            return review.dismiss(store, draft.id, reason=reason, now=now)
        if act == "reopen":  # an edit that changes nothing makes the draft wait again
            change = Edit(note=draft.report.note or "")
            return review.edit(store, draft.id, change, settings=desk.abuse, site=desk.site, now=now)
        raise ReviewError(f"{act}: a draft is approved, dismissed or reopened")


def decide_campaign(desk: Desk, mark: str, act: str, *, reason: str | None, now: datetime) -> int:
    """How many drafts of a campaign that waited for a word were approved or dismissed. Raises ReportError."""
    decided = 0
    with Store.open(desk.store) as store:
        for draft in ledger.drafts(store.db, states=("draft",)):
            if draft.campaign != mark:
                continue
            if act == "approve":
                review.approve(store, draft.id, reason=reason, now=now)
            else:
                review.dismiss(store, draft.id, reason=reason, now=now)
            decided += 1
    return decided


def edit(desk: Desk, draft_id: str, change: Edit, *, seen: str, now: datetime) -> Draft:
    """The draft with its note, contact or form changed. Raises ReportError."""
    with Store.open(desk.store) as store:
        draft = _unchanged(store.db, draft_id, seen)
        return review.edit(store, draft.id, change, settings=desk.abuse, site=desk.site, now=now)


def mute(desk: Desk, origin: str, *, reason: str, days: int | None, now: datetime) -> Mute:
    """An origin, muted for so many days or for good. Raises ReportError."""
    with Store.open(desk.store) as store:
        until = now + timedelta(days=days) if days else None
        return mutes.mute(store, origin, reason=reason, until=until, now=now)


def unmute(desk: Desk, origin: str) -> None:
    """Let drafts be made about an origin again. Raises ReportError."""
    with Store.open(desk.store) as store:
        mutes.unmute(store, origin)


def muted(desk: Desk) -> list[Mute]:
    """What is muted now."""
    with open_readonly(desk.store.path) as reader:
        return mutes.mutes(reader.db, datetime.now(UTC))


def figures(desk: Desk, days: int) -> DeskFigures:
    """What the reports of the last days came to."""
    with open_readonly(desk.store.path) as reader:
        return results.desk_figures(reader.db, days=days, now=datetime.now(UTC))


def sent_by_day(desk: Desk, days: int) -> list[tuple[date, int]]:
    """How many reports were sent on each of the last days, oldest first."""
    today = datetime.now(UTC).date()
    with open_readonly(desk.store.path) as reader:
        rows = reader.db.execute(
            "SELECT date(sent_ms / 1000, 'unixepoch') AS day, count(*) FROM abuse_draft WHERE sent_ms IS NOT NULL"
            " GROUP BY day"
        )
        found = {date.fromisoformat(day): count for day, count in rows}
    span = [today - timedelta(days=back) for back in reversed(range(days))]
    return [(day, found.get(day, 0)) for day in span]


def _unchanged(db: Database, draft_id: str, seen: str) -> Draft:
    draft = ledger.draft(db, draft_id)
    if fingerprint(draft) != seen:
        raise ReviewError(f"{draft.id}: somebody changed it in the meantime (now {draft.state}): look at it again")
    return draft
