"""The forms of a report by name: what `[abuse] form` and `hoptrail abuse show --form` may say."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from hoptrail_reports.abuse import arf, spamcop
from hoptrail_reports.abuse.mail import Content, finished
from hoptrail_reports.abuse.report import Report

FORMS: Final[Mapping[str, Callable[[Report], Content]]] = MappingProxyType(
    {"spamcop": spamcop.content, "arf": arf.content}
)


def written(report: Report, form: str, *, sender: str) -> bytes:
    """A whole message about one report, CRLF throughout; the same bytes whenever it is asked for."""
    return finished(report, FORMS[form](report), sender=sender)
