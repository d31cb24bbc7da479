"""`hoptrail abuse list`: what waits for a person, what became of the rest, and the next step."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

import click

from hoptrail.commands.abuse.documents import case_document, draft_document
from hoptrail.config import Config
from hoptrail.configured import configured
from hoptrail_reports.abuse import ledger
from hoptrail_reports.abuse.cases import Case
from hoptrail_reports.abuse.ledger import Draft, DraftState
from hoptrail_reports.shown import counted
from hoptrail_store.reader import open_readonly
from hoptrail_store.rows import milliseconds
from hoptrail_tracer.printable import printable

if TYPE_CHECKING:
    from rich.table import Table

CASES_SHOWN: Final = 20
SOURCES_SHOWN: Final = 5
"""Of one campaign: a person decides about it as a whole."""
PIPE_COLUMNS: Final = 200
SENDING_LASTS: Final = timedelta(minutes=15)
"""More than the longest time-out of a smarthost: what is said to be going out for longer has broken off."""
_WORDS: Final[dict[DraftState, str]] = {
    "draft": "waiting for your word",
    "approved": "approved",
    "dismissed": "dismissed",
    "sending": "being sent",
    "uncertain": "uncertain",
    "sent": "sent",
    "refused": "refused by the smarthost",
}
_ORDER: Final = ("uncertain", "draft", "refused", "approved", "sending", "sent", "dismissed")
_COLOURS: Final = {"draft": "yellow", "approved": "cyan", "sent": "green", "uncertain": "bold red", "refused": "red"}


@dataclass(frozen=True, slots=True)
class Day:
    """All that the list shows: the day's drafts and other cases, and what is open of the days before."""

    day: date
    drafts: list[Draft]
    cases: list[Case]
    earlier: dict[date, int]  # drafts that still wait
    uncertain: list[str]  # ids of drafts whose sending broke off, of whatever day


@click.command(name="list", short_help="What waits for your word, and the next step.")
@click.option(
    "--day",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="YYYY-MM-DD",
    help="The UTC day; without it the newest that has spam.",
)
@click.option("--all", "everything", is_flag=True, help="Every source and every case, not only the largest.")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object.")
@configured
def command(config: Config, *, day: datetime | None, everything: bool, as_json: bool) -> None:
    """List a day's drafts, and below them the spam that nobody is accused of, with the reason and the next step."""
    found = _read(config, day.date() if day else None)
    if as_json:
        document = {
            "day": str(found.day) if found else None,
            "drafts": [draft_document(draft) for draft in found.drafts] if found else [],
            "cases": [case_document(case) for case in found.cases] if found else [],
        }
        click.echo(json.dumps(document, indent=2))
    elif found is None:
        click.echo("No spam was folded yet: `hoptrail nightly` does it.")
    else:
        _print(found, everything=everything)


def _read(config: Config, day: date | None) -> Day | None:
    with open_readonly(config.store.path) as reader:
        wanted = day or ledger.newest_day(reader.db)
        if wanted is None:
            return None
        waiting = reader.db.execute("SELECT day, count(*) FROM abuse_draft WHERE state = 'draft' GROUP BY day")
        broken_off = "state = 'uncertain' OR (state = 'sending' AND tried_ms < ?)"
        uncertain = reader.db.execute(
            f"SELECT id FROM abuse_draft WHERE {broken_off} ORDER BY id",  # noqa: S608 - ours
            (milliseconds(datetime.now(UTC) - SENDING_LASTS),),
        )
        return Day(
            wanted,
            ledger.drafts(reader.db, day=wanted),
            [case for case in ledger.cases(reader.db, day=wanted) if case.state != "drafted"],
            {date.fromisoformat(text): count for text, count in waiting if date.fromisoformat(text) < wanted},
            [draft_id for (draft_id,) in uncertain],
        )


def _print(found: Day, *, everything: bool) -> None:
    states = Counter(draft.state for draft in found.drafts)
    words = ", ".join(f"{states[state]:,} {word}" for state, word in _WORDS.items() if states[state])
    click.secho(f"Drafts of {found.day} (UTC): {len(found.drafts):,}" + (f" - {words}" if words else ""), bold=True)
    if found.drafts:
        table = _table("ID", "State", "Origin", "Mails", "Contact", "Subject")
        for group in campaigns(found.drafts):
            _add_campaign(table, group, everything=everything)
        _show(table)
    if found.cases:
        cases = found.cases if everything else found.cases[:CASES_SHOWN]
        click.echo()
        click.secho(f"Not reported: {len(found.cases):,}", bold=True)
        table = _table("Origin", "Mails", "State", "Why")
        for case in cases:
            _add(table, case.ip or "unknown", f"{case.messages:,}", case.state, case.detail or "")
        _show(table)
        if len(cases) < len(found.cases):
            click.echo(f"and {len(found.cases) - len(cases):,} more: --all")
    click.echo()
    for line in _next_steps(found, states):
        click.echo(printable(line))


def campaigns(drafts: Iterable[Draft]) -> list[list[Draft]]:
    """The drafts with those of one campaign together; what waits for a person first, then most messages."""
    groups: dict[str, list[Draft]] = {}
    for draft in drafts:
        groups.setdefault(draft.campaign or draft.id, []).append(draft)
    for group in groups.values():
        group.sort(key=lambda draft: (_ORDER.index(draft.state), -draft.report.messages, draft.id))
    return sorted(
        groups.values(),
        key=lambda group: (_ORDER.index(group[0].state), -sum(draft.report.messages for draft in group)),
    )


def _add_campaign(table: "Table", group: list[Draft], *, everything: bool) -> None:
    if len(group) == 1:
        _add_draft(table, group[0], group[0].report.subject or "")
        return
    messages = sum(draft.report.messages for draft in group)
    desks = len({draft.report.contact.address for draft in group})
    states = Counter(draft.state for draft in group)
    state = next(iter(states)) if len(states) == 1 else "mixed"
    subject = group[0].report.subject or ""
    _add(
        table,
        *(f"campaign {group[0].campaign}", state, counted(len(group), "source"), f"{messages:,}"),
        *(counted(desks, "desk"), subject),
        style="bold",
    )
    shown = group if everything else group[:SOURCES_SHOWN]
    for draft in shown:
        _add_draft(table, draft, "", indent="  ")
    if len(shown) < len(group):
        _add(table, f"  and {len(group) - len(shown):,} more: --all", "", "", "", "", "")


def _add_draft(table: "Table", draft: Draft, subject: str, *, indent: str = "") -> None:
    report = draft.report
    words = subject if draft.detail is None else f"{subject} [{draft.detail}]".strip()
    _add(
        table,
        *(indent + draft.id, draft.state, report.facts.ip, f"{report.messages:,}", report.contact.address, words),
        style=_COLOURS.get(draft.state),
    )


def _next_steps(found: Day, states: Counter[DraftState]) -> Iterator[str]:
    waiting = [draft for draft in found.drafts if draft.state == "draft"]
    for draft_id in found.uncertain:
        yield f"Uncertain: look for {draft_id} in the smarthost's log, then hoptrail abuse resolve {draft_id} --help"
    if waiting:
        yield f"Next: hoptrail abuse show {waiting[0].id}, then approve, edit, dismiss or mute"
    elif states["approved"]:
        yield "Next: hoptrail abuse send"
    else:
        yield "Nothing waits for your word on this day."
    if unknown := sum(case.state == "unknown" for case in found.cases):
        again = f"then hoptrail nightly --day {found.day}"
        yield f"{counted(unknown, 'origin')} without a known contact: name one in [abuse] contacts_file, {again}"
    for day, count in sorted(found.earlier.items(), reverse=True):
        yield f"{counted(count, 'draft')} of {day} still to be decided: hoptrail abuse list --day {day}"


def _table(*names: str) -> "Table":
    from rich.table import Table  # noqa: PLC0415 - takes 60 ms

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in names:
        fixed = name in {"ID", "State", "Origin", "Mails"}
        table.add_column(name, no_wrap=fixed, overflow="fold", justify="right" if name == "Mails" else "left")
    return table


def _add(table: "Table", *cells: str, style: str | None = None) -> None:
    from rich.text import Text  # noqa: PLC0415 - as above

    table.add_row(*(Text(printable(cell)) for cell in cells), style=style)


def _show(table: "Table") -> None:
    from rich.console import Console  # noqa: PLC0415 - as above

    console = Console(highlight=False)
    if console.is_terminal:
        console.print(table)
        return
    console = Console(highlight=False, width=PIPE_COLUMNS)
    with console.capture() as captured:
        console.print(table)
    click.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))
