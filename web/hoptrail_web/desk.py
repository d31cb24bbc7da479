"""What the page shows and does, out of the store: plain functions for threads, since SQLite waits for locks."""

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
from hoptrail_reports.abuse.review import Decision, Edit, ReviewError
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
class Campaign:
    """The drafts of a day about much the same mail, what waits first."""

    drafts: tuple[Draft, ...]
    waiting: int
    seen: str  # changes with the drafts that wait


@dataclass(frozen=True, slots=True)
class Night:
    """One day's drafts by campaign, what waits first, and the cases that accuse nobody."""

    day: date | None
    days: tuple[date, ...]  # that have drafts or cases, newest first
    campaigns: tuple[Campaign, ...]
    cases: tuple[Case, ...]
    states: Counter[str]
    waiting: tuple[tuple[date, int], ...]  # of all days, newest first


@dataclass(frozen=True, slots=True)
class Page:
    """One draft with all that a person weighs."""

    draft: Draft
    case: Case | None
    trace: Trace | None  # None where the message has left the store
    sample: bytes  # the message, or what the report shows of it where it was not kept
    is_whole: bool  # the message itself: recipients show
    answers: tuple[Received, ...]
    form: str
    message: bytes  # the report as it would be sent
    previous: str | None
    following: str | None  # the next draft that waits for a word
    others: int  # drafts of the same campaign that still wait
    number: int  # its place among the day's drafts, from 1
    total: int
    left: int  # drafts of the day that wait for a word, with this one
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
    campaigns = tuple(_campaign(group) for group in _groups(drafts))
    return Night(chosen, tuple(days), campaigns, tuple(cases), states, tuple(waiting))


def _campaign(drafts: tuple[Draft, ...]) -> Campaign:
    waiting = [draft for draft in drafts if draft.state == "draft"]
    return Campaign(drafts, len(waiting), review.version(waiting))


class _Ranked(Protocol):
    """What the order of drafts depends on."""

    @property
    def id(self) -> str: ...
    @property
    def campaign(self) -> str: ...
    @property
    def state(self) -> str: ...


D = TypeVar("D", bound=_Ranked)


def _groups(drafts: Iterable[D]) -> tuple[tuple[D, ...], ...]:
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
        case = ledger.case(reader.db, draft.case_id)
        records = reader.find(case.sample) if case else []
        came = answers.answers(reader.db, [draft.id])[draft.id]
        places = _places(reader.db, draft.day)
    chosen = suitable(draft.report, form or draft.form)
    kept = records[0].evidence if records else None
    order = [one.id for one in places]
    place = order.index(draft.id)
    waiting = [one for one in places if one.state == "draft" and one.id != draft.id]
    return Page(
        draft=draft,
        case=case,
        trace=records[0].trace if records else None,
        sample=kept or draft.report.evidence.raw,
        is_whole=bool(kept),
        answers=tuple(came),
        form=chosen,
        message=written(draft.report, chosen, sender=sender_of(desk.abuse, desk.site), sent_at=draft.tried_at),
        previous=order[place - 1] if place else None,
        following=_following(places, draft.id),
        others=sum(one.campaign == draft.campaign for one in waiting),
        number=place + 1,
        total=len(order),
        left=len(waiting) + (draft.state == "draft"),
        seen=review.version([draft]),
    )


def following(desk: Desk, draft_id: str) -> str | None:
    """The draft to look at after this one; raises UnknownDraftError."""
    with open_readonly(desk.store.path) as reader:
        draft = ledger.draft(reader.db, draft_id)
        return _following(_places(reader.db, draft.day), draft.id)


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
    return [place for group in _groups(map(_Place._make, rows)) for place in group]


def _following(places: list[_Place], draft_id: str) -> str | None:
    """The next draft below that waits, else the first one, else the next below whatever its state."""
    at = next(at for at, place in enumerate(places) if place.id == draft_id)
    below, above = places[at + 1 :], places[:at]
    left = [place for place in (*below, *above) if place.state == "draft"] or below
    return left[0].id if left else None


def decide(desk: Desk, draft_id: str, act: str, *, seen: str, reason: str | None, now: datetime) -> Draft:
    """The draft after a person's word; `act` is approve, dismiss or reopen. Raises ReportError."""
    with Store.open(desk.store) as store:
        if act == "approve":
            return review.approve(store, draft_id, reason=reason, seen=seen, now=now)
        if act == "dismiss":
            return review.dismiss(store, draft_id, reason=_needed(reason), seen=seen, now=now)
        if act == "reopen":  # an edit that changes nothing makes the draft wait again
            return review.edit(store, draft_id, Edit(), settings=desk.abuse, site=desk.site, seen=seen, now=now)
        raise ReviewError(f"{act}: a draft is approved, dismissed or reopened")


def decide_campaign(
    desk: Desk, day: date, mark: str, state: Decision, *, seen: str, reason: str | None, now: datetime
) -> int:
    """How many drafts of a campaign that waited for a word were approved or dismissed. Raises ReportError."""
    reason = _needed(reason) if state == "dismissed" else reason
    with Store.open(desk.store) as store:
        return review.decide_campaign(store, day, mark, state, reason=reason, seen=seen, now=now)


def _needed(reason: str | None) -> str:
    if not reason:
        raise ReviewError("give a reason: whoever looks later wants to know why nothing was reported")
    return reason


def edit(desk: Desk, draft_id: str, change: Edit, *, seen: str, now: datetime) -> Draft:
    """The draft with its note, contact or form changed. Raises ReportError."""
    with Store.open(desk.store) as store:
        return review.edit(store, draft_id, change, settings=desk.abuse, site=desk.site, seen=seen, now=now)


def mute(desk: Desk, draft_id: str, *, reason: str | None, days: int | None, now: datetime) -> Mute:
    """The origin of a draft, muted for so many days or for good. Raises ReportError."""
    reason = _needed(reason)
    with Store.open(desk.store) as store:
        until = now + timedelta(days=days) if days else None
        origin = ledger.draft(store.db, draft_id).report.facts.ip
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
