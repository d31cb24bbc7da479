"""What one report says, whatever its form: one source, one contact, one message as evidence."""

import re
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from textwrap import TextWrapper

from hoptrail_reports.abuse.evidence import Evidence
from hoptrail_reports.shown import counted, shown
from hoptrail_tracer.model import AddressFacts, Contact, ZoneResult

REASONS_MAX_CHARS = 2_000
"""As much as SpamCop lets a person add; a desk reads no more."""
NOTE_MAX_CHARS = 2_000
"""The same for what a person adds."""
_CODE = re.compile(r"^[a-z]+(?:-[a-z]+)+: ")
_WRAP = TextWrapper(width=76, break_long_words=False, break_on_hyphens=False, subsequent_indent="  ")


@dataclass(frozen=True, slots=True)
class Report:
    """All that a form needs. Texts out of the spam have their recipients hidden already and are escaped when shown."""

    id: str
    contact: Contact
    facts: AddressFacts  # about the source, `facts.ip`
    received_at: datetime  # when the message shown came
    messages: int  # of the same source and day
    first_at: datetime
    last_at: datetime
    reporting_mta: str
    reasons: tuple[str, ...]
    evidence: Evidence
    created_at: datetime
    written_by: str | None = None  # the declared relay whose line names the source; None for our own server
    source_port: int | None = None
    helo: str | None = None
    envelope_from: str | None = None
    subject: str | None = None
    recipients: tuple[str, ...] = ()  # only for a contact that wants them whole
    note: str | None = None  # a person's word to the desk


def note(report: Report) -> list[str]:
    """A person's word to the desk, in lines of text with an empty one after them; nothing where there is none."""
    lines = [wrapped for line in (report.note or "").splitlines() for wrapped in _WRAP.wrap(shown(line, 998)) or [""]]
    return [*lines, ""] if lines else []


def statements(report: Report) -> list[str]:
    """How the source was found, in lines of text that a desk can check against its own logs; times in UTC."""
    facts, line = report.facts, shown
    port = f" port {report.source_port}" if report.source_port else ""
    if report.written_by:
        seen = f"{line(report.written_by)}, a relay of ours, took the message from {facts.ip}{port}"
    else:
        seen = f"Our server {line(report.reporting_mta)} itself took the message from {facts.ip}{port}"
    said = [f"{seen} ({format_datetime(report.received_at)}). Header fields below that line were not believed."]
    if report.helo:
        said.append(f'The client called itself "{line(report.helo)}".')
    said.append(_name(facts))
    if facts.asn:
        said.append(f"It is in AS{facts.asn}{f' ({line(facts.as_name)})' if facts.as_name else ''}.")
    if report.messages > 1:
        span = f"{report.first_at:%Y-%m-%d %H:%M} and {report.last_at:%Y-%m-%d %H:%M} UTC"
        said.append(f"{counted(report.messages, 'spam message')} came from it between {span}.")
    said += [line(sentence, 500) for sentence in map(_sentence, filter(None, report.reasons))]
    listed = [listing(facts.ip, result) for result in facts.zones if result.verdict == "listed"]
    return [*listed, *(text for sentence in _within([*said, *report.evidence.notes]) for text in _WRAP.wrap(sentence))]


def listing(ip: str, result: ZoneResult) -> str:
    """A block list's word, as SpamCop's page has it."""
    return f"{ip} listed in {shown(result.zone)} ( {', '.join(result.codes) or 'no code'} )"


def _sentence(reason: str) -> str:
    """A reason of the tracer without the code before it, as a sentence."""
    text = _CODE.sub("", reason)
    return f"{text[:1].upper()}{text[1:]}."


def _name(facts: AddressFacts) -> str:
    if facts.name is None:
        return f"No reverse name of {facts.ip} is known to us."
    confirmed = {True: "which resolves back", False: "which does not resolve back", None: "not checked"}
    return f"The reverse name of {facts.ip} is {shown(facts.name)}, {confirmed[facts.name_confirmed]}."


def _within(sentences: list[str]) -> list[str]:
    kept, left = [], REASONS_MAX_CHARS
    for sentence in sentences:
        left -= len(sentence)
        if left < 0:
            break
        kept.append(sentence)
    return kept
