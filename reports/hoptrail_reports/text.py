"""The night's report as plain text: what cron mails, and what fits a terminal."""

from collections.abc import Iterator

from hoptrail_reports.attention import notices
from hoptrail_reports.detectors.finding import Finding
from hoptrail_reports.report import DayReport
from hoptrail_reports.shown import counted, percent, shown

FINDINGS_SHOWN = 12
NEW_SHOWN = 10
DRAFTS_SHOWN = 20


def text(report: DayReport, *, place: str | None = None) -> str:
    """The summary, at most some fifty lines; `place` is the path of the pages, where there are any."""
    parts = (_head(report, place), _attention(report), _findings(report), _new(report), _drafts(report))
    return "\n".join(line for part in parts for line in part) + "\n"


def _head(report: DayReport, place: str | None) -> Iterator[str]:
    totals, relays = report.totals, report.relays
    yield f"Mail on {report.day:%A}, {report.day.isoformat()} (UTC), as {shown(report.host)} saw it"
    yield ""
    yield f"  messages            {totals.messages:>10,}{_against(report, 'messages', totals.messages)}"
    yield f"  hops                {totals.hops:>10,}"
    yield f"  relays              {len(relays.relays):>10,}"
    yield f"  links               {len(relays.edges):>10,}"
    yield f"  spam                {totals.spam:>10,}{_of(report.spam_share, 'scored')}"
    yield f"  forged chains       {totals.forged:>10,}"
    yield f"  refused recipients  {totals.refusals:>10,}{_of(report.refused_share, 'named')}"
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
    yield from (f"  {notice.level:<6}  {notice.text}" for notice in found)


def _findings(report: DayReport) -> Iterator[str]:
    if not report.findings:
        return
    yield ""
    yield "What is wrong (hoptrail topology anomalies), most pressing first:"
    for finding in report.findings[:FINDINGS_SHOWN]:
        yield f"  {finding_line(finding)}"
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
        yield f"  {report.relays.relays[name].messages:>8,}  {shown(name)}"
    if len(report.new_relays) > NEW_SHOWN:
        yield f"            and {len(report.new_relays) - NEW_SHOWN:,} more"


def _drafts(report: DayReport) -> Iterator[str]:
    if not report.drafts:
        return
    yield ""
    yield "Abuse drafts (hoptrail abuse show ID):"
    for draft in report.drafts[:DRAFTS_SHOWN]:
        count = counted(draft.messages, "message")
        yield f"  {shown(draft.id)}  {shown(draft.about)} to {shown(draft.contact)}, {count}"
    if len(report.drafts) > DRAFTS_SHOWN:
        yield f"  and {len(report.drafts) - DRAFTS_SHOWN:,} more"


def _against(report: DayReport, key: str, now: int) -> str:
    then = report.day_before[key] if report.day_before else 0
    return f"   {(now - then) / then:+.0%} on the day before" if then else ""


def _of(share: float | None, of_what: str) -> str:
    return "" if share is None else f"   {percent(share)} of those {of_what}"
