"""The night's report as plain text: what cron mails, and what fits a terminal."""

from collections.abc import Iterator
from textwrap import TextWrapper

from hoptrail_reports.attention import notices
from hoptrail_reports.detectors.finding import Finding
from hoptrail_reports.pages.ranking import change, share_change
from hoptrail_reports.report import DayReport
from hoptrail_reports.shown import counted, percent, shortened, shown

FINDINGS_SHOWN = 12
NEW_SHOWN = 10
DRAFTS_SHOWN = 20
WIDTH = 78
"""Columns of a line, as mail and terminals have them; names and paths that are longer stay whole."""


def text(report: DayReport, *, place: str | None = None) -> str:
    """The summary, at most some fifty lines; `place` is the path of the pages, where there are any."""
    parts = (_head(report, place), _attention(report), _findings(report), _new(report), _drafts(report))
    return "\n".join(line for part in parts for line in part) + "\n"


def _head(report: DayReport, place: str | None) -> Iterator[str]:
    totals, relays = report.totals, report.relays
    yield from _wrapped(f"Mail on {report.day:%A}, {report.day.isoformat()} (UTC), as {shown(report.host)} saw it")
    yield ""
    yield f"  messages            {totals.messages:>10,}{_against(report)}"
    yield f"  hops                {totals.hops:>10,}"
    yield f"  relays              {len(relays.relays):>10,}"
    yield f"  links               {len(relays.edges):>10,}"
    yield f"  spam                {totals.spam:>10,}{_of(report, 'spam_share', 'scored')}"
    yield f"  forged chains       {totals.forged:>10,}"
    yield f"  refused recipients  {totals.refusals:>10,}{_of(report, 'refused_share', 'named')}"
    yield f"  abuse drafts        {len(report.drafts):>10,}"
    if place is not None:
        yield ""
        yield f"  {place}"


def _attention(report: DayReport) -> Iterator[str]:
    found = notices(report)
    if not found and report.findings:
        return
    yield ""
    if not found:
        yield "Nothing stands out."
        return
    yield "Look at first:"
    for notice in found:
        yield from _wrapped(f"  {notice.level:<6}  {notice.text}", 10)


def _findings(report: DayReport) -> Iterator[str]:
    if not report.findings:
        return
    yield ""
    yield "What is wrong (hoptrail topology anomalies), most pressing first:"
    for finding in report.findings[:FINDINGS_SHOWN]:
        yield from _wrapped(f"  {finding_line(finding)}", 18)
    if len(report.findings) > FINDINGS_SHOWN:
        yield f"  and {len(report.findings) - FINDINGS_SHOWN:,} more"


def finding_line(finding: Finding) -> str:
    """A finding on one line: its kind, its sentence, and since when it is known."""
    since = f" [since {finding.since}]" if finding.since else ""
    return f"{shown(finding.kind, 20):<14}  {shown(finding.sentence, 600)}{since}"


def _new(report: DayReport) -> Iterator[str]:
    if not report.new_since or not report.new_relays:
        return
    yield ""
    yield f"{counted(len(report.new_relays), 'new relay')}, on no map since {report.new_since}:"
    for name in report.new_relays[:NEW_SHOWN]:
        yield f"  {report.relays.relays[name].messages:>8,}  {shortened(shown(name), WIDTH - 12)}"
    if len(report.new_relays) > NEW_SHOWN:
        yield f"            and {len(report.new_relays) - NEW_SHOWN:,} more"


def _drafts(report: DayReport) -> Iterator[str]:
    if not report.drafts:
        return
    yield ""
    yield "Abuse drafts (hoptrail abuse show ID):"
    for draft in report.drafts[:DRAFTS_SHOWN]:
        count = counted(draft.messages, "message")
        yield from _wrapped(f"  {shown(draft.id)}  {shown(draft.about)} to {shown(draft.contact)}, {count}", 4)
    if len(report.drafts) > DRAFTS_SHOWN:
        yield f"  and {len(report.drafts) - DRAFTS_SHOWN:,} more"


def _wrapped(line: str, indent: int = 2) -> list[str]:
    """The line broken between words, its further lines moved in; blanks at its beginning and inside stay."""
    fill = TextWrapper(
        WIDTH, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False, replace_whitespace=False
    )
    return fill.wrap(line)


def _against(report: DayReport) -> str:
    if not report.day_before:
        return ""
    return f"   day before: {change(report.totals.messages, report.day_before['messages'])}"


def _of(report: DayReport, name: str, of_what: str) -> str:
    share = getattr(report, name)
    if share is None:
        return ""
    moved = share_change(share, (report.day_before or {}).get(name))
    return f"   {percent(share)} of those {of_what}{f'; day before: {moved}' if moved else ''}"
