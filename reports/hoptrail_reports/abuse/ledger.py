"""Cases and drafts in the store: put there by the nightly job, decided on by a person."""

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Final, Literal, cast

from pydantic import TypeAdapter
from sqlite_utils import Database

from hoptrail_reports.abuse.cases import Case
from hoptrail_reports.abuse.report import Report
from hoptrail_reports.abuse.reportable import Objection
from hoptrail_reports.errors import ReportError
from hoptrail_store.assembly import moment
from hoptrail_store.rows import milliseconds
from hoptrail_store.store import Store
from hoptrail_tracer.model import AddressFacts

DraftState = Literal["draft", "approved", "dismissed"]
_FACTS: Final = TypeAdapter(AddressFacts)
_REPORT: Final = TypeAdapter(Report)
_DRAFTS: Final = "SELECT abuse_draft.*, campaign FROM abuse_draft JOIN abuse_case ON abuse_case.id = case_id"
_Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Draft:
    """A report that waits for a person's word, or has it."""

    id: str
    case_id: str
    campaign: str
    day: date
    form: str
    state: DraftState
    reason: str | None
    created_at: datetime
    decided_at: datetime | None
    report: Report


class UnknownDraftError(ReportError):
    """No draft, or more than one, has an id that begins so."""


def put_cases(store: Store, cases: Iterable[Case]) -> None:
    """Store a day's cases; those known get their new counts and keep what became of them."""
    rows = [
        (
            *(case.id, str(case.day), case.ip),
            *_objection(case),
            *(case.state, case.detail, case.messages, milliseconds(case.first_at), milliseconds(case.last_at)),
            *(case.points, case.sample, case.subject, case.campaign),
            *(_FACTS.dump_json(case.facts).decode() if case.facts else None, case.deeper),
        )
        for case in cases
    ]
    with store.transaction():
        store.db.conn.executemany(
            "INSERT INTO abuse_case VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET"
            " messages = excluded.messages, first_ms = excluded.first_ms, last_ms = excluded.last_ms,"
            " points = excluded.points, sample = excluded.sample, subject = excluded.subject,"
            " campaign = excluded.campaign, facts = excluded.facts",
            rows,
        )


def _objection(case: Case) -> tuple[str, str | None]:
    return (case.objection.code, case.objection.text) if case.objection else ("", None)


def cases(db: Database, *, day: date | None = None, states: tuple[str, ...] = ()) -> list[Case]:
    """The cases of a day, or of all days, newest day first and those with most messages before others."""
    marks = ", ".join("?" * len(states))
    where = ["day = ?"] * (day is not None) + [f"state IN ({marks})"] * bool(states)
    rows = db.query(
        f"SELECT * FROM abuse_case {'WHERE ' + ' AND '.join(where) if where else ''}"  # noqa: S608 - only marks
        " ORDER BY day DESC, messages DESC, id",
        [*([str(day)] if day else []), *states],
    )
    return [_case(row) for row in rows]


def _case(row: _Row) -> Case:
    return Case(
        id=row["id"],
        day=date.fromisoformat(row["day"]),
        ip=row["ip"],
        objection=Objection(row["objection"], row["why"] or "") if row["objection"] else None,
        messages=row["messages"],
        first_at=moment(row["first_ms"]),
        last_at=moment(row["last_ms"]),
        points=row["points"],
        sample=row["sample"],
        subject=row["subject"],
        campaign=row["campaign"],
        facts=_FACTS.validate_json(row["facts"]) if row["facts"] else None,
        deeper=row["deeper"],
        state=row["state"],
        detail=row["detail"],
    )


def newest_day(db: Database) -> date | None:
    """The newest day that has cases."""
    [day] = db.execute("SELECT max(day) FROM abuse_case").fetchone()
    return date.fromisoformat(day) if day else None


def settle(store: Store, outcomes: Iterable[Case]) -> None:
    """Keep what became of some cases."""
    with store.transaction():
        store.db.conn.executemany(
            "UPDATE abuse_case SET objection = ?, why = ?, state = ?, detail = ? WHERE id = ?",
            [(*_objection(case), case.state, case.detail, case.id) for case in outcomes],
        )


def put_draft(store: Store, case: Case, report: Report, form: str) -> bool:
    """Store a draft and settle its case; False where that contact has one about this address and day already."""
    bare = replace(report, evidence=replace(report.evidence, raw=b""))
    row = (
        *(report.id, case.id, str(case.day), case.ip, report.contact.address, form, "draft", None),
        *(milliseconds(report.created_at), None, _REPORT.dump_json(bare).decode()),
        zlib.compress(report.evidence.raw),
    )
    with store.transaction():
        put = store.db.conn.execute(
            "INSERT OR IGNORE INTO abuse_draft VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row
        )
        store.db.conn.execute("UPDATE abuse_case SET state = 'drafted', detail = NULL WHERE id = ?", (case.id,))
    return put.rowcount == 1


def counts(db: Database, day: date) -> dict[str, int]:
    """How many drafts each contact has for a day."""
    found = db.execute("SELECT contact, count(*) FROM abuse_draft WHERE day = ? GROUP BY contact", (str(day),))
    return dict(found.fetchall())


def drafts(db: Database, *, day: date | None = None, state: str | None = None) -> list[Draft]:
    """The drafts of a day, or of all days, newest day first and those about most messages before others."""
    rows = db.query(
        f"{_DRAFTS} WHERE (:day IS NULL OR abuse_draft.day = :day) AND (:state IS NULL OR abuse_draft.state = :state)"
        " ORDER BY abuse_draft.day DESC, messages DESC, abuse_draft.id",
        {"day": str(day) if day else None, "state": state},
    )
    return [_draft(row) for row in rows]


def draft(db: Database, beginning: str) -> Draft:
    """The one draft whose id begins so; raises UnknownDraftError."""
    rows = list(db.query(f"{_DRAFTS} WHERE substr(abuse_draft.id, 1, ?) = ?", (len(beginning), beginning)))
    if len(rows) != 1:
        raise UnknownDraftError(f"{beginning}: {len(rows) or 'no'} drafts have an id that begins so")
    return _draft(rows[0])


def _draft(row: _Row) -> Draft:
    report = _REPORT.validate_json(row["report"])
    raw = zlib.decompress(row["evidence"])
    return Draft(
        id=row["id"],
        case_id=row["case_id"],
        campaign=row["campaign"],
        day=date.fromisoformat(row["day"]),
        form=row["form"],
        state=cast("DraftState", row["state"]),
        reason=row["reason"],
        created_at=moment(row["created_ms"]),
        decided_at=moment(row["decided_ms"]) if row["decided_ms"] is not None else None,
        report=replace(report, evidence=replace(report.evidence, raw=raw)),
    )


def decide(store: Store, draft_id: str, state: DraftState, *, reason: str | None, now: datetime) -> None:
    """Keep a person's word about a draft. Nothing is sent by it."""
    with store.transaction():
        store.db.conn.execute(
            "UPDATE abuse_draft SET state = ?, reason = ?, decided_ms = ? WHERE id = ?",
            (state, reason, milliseconds(now), draft_id),
        )


def forget(store: Store, before: date) -> None:
    """Delete the cases and drafts of the days before one."""
    with store.transaction():
        for table in ("abuse_draft", "abuse_case"):
            store.db.conn.execute(f"DELETE FROM {table} WHERE day < ?", (str(before),))  # noqa: S608 - our own names
