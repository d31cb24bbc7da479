"""Drafts, cases and what stands beside them as JSON: what --json of several sub-commands writes."""

from datetime import datetime
from typing import Any

from hoptrail_reports.abuse.answers import Received
from hoptrail_reports.abuse.cases import Case
from hoptrail_reports.abuse.ledger import Draft


def draft_document(draft: Draft) -> dict[str, Any]:
    """A draft without its message."""
    report, contact = draft.report, draft.report.contact
    return {
        "id": draft.id,
        "case": draft.case_id,
        "state": draft.state,
        "reason": draft.reason,
        "detail": draft.detail,
        "form": draft.form,
        "ip": report.facts.ip,
        "name": report.facts.name,
        "messages": report.messages,
        "subject": report.subject,
        "campaign": draft.campaign or None,
        "received_at": report.received_at.isoformat(),
        "tried_at": moment_text(draft.tried_at),
        "sent_at": moment_text(draft.sent_at),
        "note": report.note,
        "contact": {
            "address": contact.address,
            "source": contact.source,
            "confidence": contact.confidence,
            "network": contact.network,
            "organisation": contact.organisation,
        },
    }


def case_document(case: Case) -> dict[str, Any]:
    """A case with its state."""
    return {
        "id": case.id,
        "ip": case.ip or None,
        "state": case.state,
        "objection": case.objection.code if case.objection else None,
        "detail": case.detail,
        "messages": case.messages,
        "points": case.points,
        "first_at": case.first_at.isoformat(),
        "last_at": case.last_at.isoformat(),
        "subject": case.subject,
        "campaign": case.campaign or None,
        "deeper": case.deeper,
    }


def answer_document(answer: Received) -> dict[str, Any]:
    """What came back about a report."""
    return {
        "kind": answer.kind,
        "proven": answer.proven,
        "at": answer.at.isoformat(),
        "sender": answer.sender,
        "subject": answer.subject,
        "detail": answer.detail,
    }


def moment_text(moment: datetime | None) -> str | None:
    """A time as JSON has it."""
    return moment.isoformat() if moment else None
