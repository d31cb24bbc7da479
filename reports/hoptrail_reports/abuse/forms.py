"""The forms of a report by name: what `[abuse] form` and `hoptrail abuse show --form` may say."""

from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final

from hoptrail_reports.abuse import arf, spamcop, xarf
from hoptrail_reports.abuse.mail import Content, finished
from hoptrail_reports.abuse.report import Report

FORMS: Final[Mapping[str, Callable[[Report, str], Content]]] = MappingProxyType(
    {
        "spamcop": lambda report, _: spamcop.content(report),
        "arf": lambda report, _: arf.content(report),
        "xarf": xarf.content,
    }
)


def suitable(report: Report, form: str) -> str:
    """The form wished for, or ARF where X-ARF cannot say what the report says."""
    return "arf" if form == "xarf" and not xarf.suits(report) else form


def written(report: Report, form: str, *, sender: str, sent_at: datetime | None = None) -> bytes:
    """A whole message about one report, CRLF throughout; the same bytes whenever it is asked for, but for its date."""
    return finished(report, FORMS[suitable(report, form)](report, sender), sender=sender, sent_at=sent_at)
