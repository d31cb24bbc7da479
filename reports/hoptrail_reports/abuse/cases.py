"""A day's spam folded by the address it came from: what a person decides about is a source, not a message."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from hoptrail_reports.abuse import reportable
from hoptrail_reports.abuse.munge import munge_text
from hoptrail_reports.abuse.reportable import Judge, Objection
from hoptrail_reports.shown import shown
from hoptrail_store.records import MessageRecord
from hoptrail_tracer.model import AddressFacts

RETRIED = "allow-list-unanswered"
"""The one objection that another look-up can answer: such a case waits instead of being refused."""
_VARIABLE = re.compile(r"[^\s\w]|\d|_")


@dataclass(frozen=True, slots=True)
class Case:
    """One address of one day; `objection` says why it is not reported. Texts have their recipients hidden."""

    id: str
    day: date
    ip: str  # "" where no address was found
    objection: Objection | None
    messages: int
    first_at: datetime
    last_at: datetime
    points: float | None  # the most that a message of it got
    sample: str  # id of the message that a draft shows
    subject: str
    campaign: str
    facts: AddressFacts | None = None
    deeper: str | None = None
    state: str = "waiting"
    detail: str | None = None


@dataclass(slots=True)
class _Pile:
    """The messages of one case while they are counted."""

    objection: Objection | None
    sample: MessageRecord
    messages: int = 0
    first_at: datetime = field(init=False)
    last_at: datetime = field(init=False)
    points: float | None = None
    facts: AddressFacts | None = None

    def __post_init__(self) -> None:
        self.first_at = self.last_at = self.sample.received_at

    def add(self, record: MessageRecord) -> None:
        self.messages += 1
        self.first_at = min(self.first_at, record.received_at)
        self.last_at = max(self.last_at, record.received_at)
        if record.score and record.score.points is not None:
            self.points = max(record.score.points, self.points if self.points is not None else record.score.points)
        if record.facts and (self.facts is None or len(record.facts.missing) <= len(self.facts.missing)):
            self.facts = record.facts
        if _worth_showing(record) > _worth_showing(self.sample):
            self.sample = _light(record)


def fold(
    day: date, records: Iterable[MessageRecord], court: Judge, *, marked: frozenset[str] = frozenset()
) -> list[Case]:
    """The cases of a day, those with most messages first; messages that are no spam are passed over.

    What a person called spam is, whatever its score: `marked` holds ids.
    """
    piles: dict[tuple[str, str], _Pile] = {}
    for record in records:
        if record.id not in marked and not _is_spam(record, court):
            continue
        objection = reportable.objection(record, court, record.facts)
        key = (record.trace.origin.ip or "", objection.code if objection else "")
        pile = piles.get(key)
        if pile is None:
            pile = piles[key] = _Pile(objection, _light(record))
        pile.add(record)
    cases = [_case(day, ip, pile) for (ip, _), pile in piles.items()]
    return sorted(cases, key=lambda case: (-case.messages, case.id))


def _is_spam(record: MessageRecord, court: Judge) -> bool:
    score = record.score
    return score is not None and score.is_spam and (score.points or 0) >= court.settings.min_points


def _light(record: MessageRecord) -> MessageRecord:
    """The record without its message, of which a day may have gigabytes; that there is one still shows."""
    return record if record.evidence is None else replace(record, evidence=b"")


def _worth_showing(record: MessageRecord) -> tuple[bool, datetime]:
    """A whole message before its bare fields, a newer one before an older: desks act on fresh mail."""
    return record.evidence is not None, record.received_at


def _case(day: date, ip: str, pile: _Pile) -> Case:
    subject = shown(munge_text(pile.sample.subject or "", pile.sample.recipients), 200)
    deeper = pile.sample.trace.deeper
    waits = pile.objection is None or pile.objection.code == RETRIED
    return Case(
        id=identifier(day, ip, pile.objection.code if pile.objection else ""),
        day=day,
        ip=ip,
        objection=pile.objection,
        messages=pile.messages,
        first_at=pile.first_at,
        last_at=pile.last_at,
        points=pile.points,
        sample=pile.sample.id,
        subject=subject,
        campaign=_campaign(subject),
        facts=pile.facts,
        deeper=deeper.ip if deeper else None,
        state="waiting" if waits else "refused",
        detail=pile.objection.text if pile.objection else None,
    )


def _campaign(subject: str) -> str:
    """The same text for subjects that differ in case, digits and punctuation only."""
    words = " ".join(_VARIABLE.sub(" ", subject.casefold()).split())
    return hashlib.sha256(words.encode()).hexdigest()[:8] if words else ""


def identifier(day: date, *what: str) -> str:
    """A short id that is the same whenever the same is made again, and that a person can type."""
    return f"{day:%Y%m%d}-{hashlib.sha256(' '.join((str(day), *what)).encode()).hexdigest()[:10]}"
