"""What the reports came to: sent, answered, bounced, and whether the origins went quiet."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from ipaddress import ip_address, ip_network
from statistics import quantiles
from typing import Final, Literal

from sqlite_utils import Database

from hoptrail_store.assembly import moment
from hoptrail_store.rows import milliseconds

Outcome = Literal["quiet", "back", "early"]
"""Of an origin after a report about it: no more spam, spam again, or too soon to say."""

GRACE: Final = timedelta(days=1)
"""What a desk has to act in: spam of the day after a report is none of its answer."""
QUIET_AFTER: Final = timedelta(days=7)
"""An origin without spam for so long, after the grace, went quiet."""

_SENT: Final = """
SELECT abuse_draft.id, abuse_draft.ip, contact, first_ms, sent_ms,
    coalesce(json_extract(report, '$.contact.network'), '') AS network,
    coalesce(json_extract(report, '$.contact.organisation'), '') AS organisation,
    (SELECT group_concat(DISTINCT kind) FROM abuse_answer WHERE draft = abuse_draft.id) AS answers
FROM abuse_draft JOIN abuse_case ON abuse_case.id = case_id WHERE sent_ms >= ? AND sent_ms < ? ORDER BY sent_ms
"""


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts of reports, and of the origins they were about (each once, by its last report)."""

    sent: int = 0
    replied: int = 0  # a person or a ticket system answered
    automatic: int = 0  # only a machine did: out of office and the like
    bounced: int = 0
    origins: int = 0
    quiet: int = 0
    back: int = 0
    early: int = 0  # too soon to say


@dataclass(frozen=True, slots=True)
class NetworkFigures:
    """The same of one network: its CIDR form, or the address itself where the registry named none."""

    network: str
    organisation: str | None
    contacts: tuple[str, ...]
    figures: Figures


@dataclass(frozen=True, slots=True)
class DeskFigures:
    """What `hoptrail abuse stats` shows, for the reports sent in a span; `states` counts the drafts of its days.

    `spam_to_report_s` holds quartiles of the time from the first spam of a case to its report: a quarter, half, three
    quarters of the reports were faster. None where nothing was sent.
    """

    since: date
    until: date  # the last day of the span
    states: tuple[tuple[str, int], ...]
    cases: tuple[tuple[str, int], ...]
    total: Figures
    networks: tuple[NetworkFigures, ...]  # those with most reports first
    spam_to_report_s: tuple[float, float, float] | None


@dataclass(frozen=True, slots=True)
class _Sent:
    ip: str
    contact: str
    network: str
    organisation: str
    answers: frozenset[str]
    first_at: datetime
    sent_at: datetime


def desk_figures(db: Database, *, days: int, now: datetime) -> DeskFigures:
    """The figures of the last `days` UTC days, today's included."""
    until = now.date()
    since = until - timedelta(days=days - 1)
    begin_ms = milliseconds(now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days - 1))
    sent = [
        _Sent(
            row["ip"],
            row["contact"],
            row["network"] or _alone(row["ip"]),
            row["organisation"],
            frozenset((row["answers"] or "").split(",")),
            moment(row["first_ms"]),
            moment(row["sent_ms"]),
        )
        for row in db.query(_SENT, (begin_ms, milliseconds(now) + 1))
    ]
    outcomes = dict(_outcomes(db, sent, now))
    by_network: defaultdict[str, list[_Sent]] = defaultdict(list)
    for one in sent:
        by_network[one.network].append(one)
    networks = [
        NetworkFigures(
            network,
            next((one.organisation for one in reports if one.organisation), None),
            tuple(sorted({one.contact for one in reports})),
            _figures(reports, outcomes),
        )
        for network, reports in by_network.items()
    ]
    return DeskFigures(
        since=since,
        until=until,
        states=_states(db, "abuse_draft", since),
        cases=_states(db, "abuse_case", since),
        total=_figures(sent, outcomes),
        networks=tuple(sorted(networks, key=lambda one: (-one.figures.sent, one.network))),
        spam_to_report_s=_quartiles([(one.sent_at - one.first_at).total_seconds() for one in sent]),
    )


def _states(db: Database, table: str, since: date) -> tuple[tuple[str, int], ...]:
    sql = f"SELECT state, count(*) FROM {table} WHERE day >= ? GROUP BY state ORDER BY 2 DESC, 1"  # noqa: S608 - ours
    return tuple(db.execute(sql, (str(since),)))


def _alone(ip: str) -> str:
    return str(ip_network(ip_address(ip)))


def _outcomes(db: Database, sent: Iterable[_Sent], now: datetime) -> Iterator[tuple[str, Outcome]]:
    """What became of each origin since the last report about it."""
    last = {one.ip: one.sent_at for one in sent}
    for ip, sent_at in last.items():
        since = sent_at + GRACE
        [seen] = db.execute(
            "SELECT count(*) FROM abuse_case WHERE ip = ? AND last_ms > ?", (ip, milliseconds(since))
        ).fetchone()
        yield ip, "back" if seen else "quiet" if now >= since + QUIET_AFTER else "early"


def _figures(reports: Iterable[_Sent], outcomes: dict[str, Outcome]) -> Figures:
    reports = list(reports)
    origins = {one.ip for one in reports}
    became = Counter(outcomes[ip] for ip in origins)
    return Figures(
        sent=len(reports),
        replied=sum(not one.answers.isdisjoint(("reply", "ticket")) for one in reports),
        automatic=sum("automatic" in one.answers and one.answers.isdisjoint(("reply", "ticket")) for one in reports),
        bounced=sum("bounce" in one.answers for one in reports),
        origins=len(origins),
        quiet=became["quiet"],
        back=became["back"],
        early=became["early"],
    )


def _quartiles(seconds: list[float]) -> tuple[float, float, float] | None:
    if not seconds:
        return None
    first, median, third = quantiles(seconds * 2 if len(seconds) == 1 else seconds, n=4, method="inclusive")
    return first, median, third
