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
from hoptrail_store.reader import day_span
from hoptrail_store.rows import milliseconds
from hoptrail_store.store import Store
from hoptrail_tracer.model import AddressFacts

DraftState = Literal["draft", "approved", "dismissed", "sending", "uncertain", "sent", "refused"]
_FACTS: Final = TypeAdapter(AddressFacts)
_REPORT: Final = TypeAdapter(Report)
_DRAFTS: Final = "SELECT abuse_draft.*, campaign FROM abuse_draft JOIN abuse_case ON abuse_case.id = case_id"
_Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Draft:
    """A report that waits for a person's word, or has it. `detail` says in words what sending it came to."""

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
    tried_at: datetime | None = None
    sent_at: datetime | None = None
    detail: str | None = None


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


def case(db: Database, case_id: str) -> Case | None:
    """The case with this id; None where it was folded anew without it."""
    row = next(db.query("SELECT * FROM abuse_case WHERE id = ?", [case_id]), None)
    return _case(row) if row else None


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


def forget_unseen(store: Store, day: date) -> None:
    """Delete a day's cases whose messages were not kept; the fold makes those anew that still are."""
    with store.transaction():
        store.db.conn.execute("DELETE FROM abuse_case WHERE day = ? AND objection = 'unseen'", (str(day),))


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
            "INSERT OR IGNORE INTO abuse_draft VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL, NULL)", row
        )
        store.db.conn.execute("UPDATE abuse_case SET state = 'drafted', detail = NULL WHERE id = ?", (case.id,))
    return put.rowcount == 1


def counts(db: Database, day: date) -> dict[str, int]:
    """How many drafts each contact has for a day."""
    found = db.execute("SELECT contact, count(*) FROM abuse_draft WHERE day = ? GROUP BY contact", (str(day),))
    return dict(found.fetchall())


def drafts(db: Database, *, day: date | None = None, states: tuple[DraftState, ...] = ()) -> list[Draft]:
    """The drafts of a day, or of all days, newest day first and those about most messages before others."""
    marks = ", ".join("?" * len(states))
    where = ["abuse_draft.day = ?"] * (day is not None) + [f"abuse_draft.state IN ({marks})"] * bool(states)
    rows = db.query(
        f"{_DRAFTS} {'WHERE ' + ' AND '.join(where) if where else ''}"
        " ORDER BY abuse_draft.day DESC, messages DESC, abuse_draft.id",
        [*([str(day)] if day else []), *states],
    )
    return [_draft(row) for row in rows]


def drafts_from(db: Database, message_id: str) -> list[Draft]:
    """The drafts that show a message, by the store's id of it."""
    rows = db.query(f"{_DRAFTS} WHERE abuse_case.sample = ? ORDER BY abuse_draft.id", (message_id,))
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
        decided_at=_moment(row["decided_ms"]),
        report=replace(report, evidence=replace(report.evidence, raw=raw)),
        tried_at=_moment(row["tried_ms"]),
        sent_at=_moment(row["sent_ms"]),
        detail=row["detail"],
    )


def _moment(at_ms: int | None) -> datetime | None:
    return None if at_ms is None else moment(at_ms)


def put_report(store: Store, draft_id: str, report: Report, form: str) -> None:
    """Replace what a draft says, inside the caller's transaction; a draft that was approved waits for a word again."""
    bare = replace(report, evidence=replace(report.evidence, raw=b""))
    store.db.conn.execute(
        "UPDATE abuse_draft SET contact = ?, form = ?, report = ?, evidence = ?, state = 'draft' WHERE id = ?",
        (
            *(report.contact.address, form, _REPORT.dump_json(bare).decode()),
            *(zlib.compress(report.evidence.raw), draft_id),
        ),
    )


def forget(store: Store, before: date) -> None:
    """Delete the cases and drafts of the days before one, and what came back about them."""
    with store.transaction():
        store.db.conn.execute(
            "DELETE FROM abuse_answer WHERE draft IN (SELECT id FROM abuse_draft WHERE day < ?)", (str(before),)
        )
        store.db.conn.execute("DELETE FROM abuse_mark WHERE marked_ms < ?", (milliseconds(day_span(before)[0]),))
        for table in ("abuse_draft", "abuse_case"):
            store.db.conn.execute(f"DELETE FROM {table} WHERE day < ?", (str(before),))  # noqa: S608 - our own names
