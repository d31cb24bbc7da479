"""What the store remembers of contacts: the form one takes, and that one is no longer written to."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlite_utils import Database

from hoptrail_reports.errors import ReportError
from hoptrail_reports.shown import shown
from hoptrail_store.assembly import moment
from hoptrail_store.rows import milliseconds
from hoptrail_store.store import Store
from hoptrail_tracer.lookups.mailaddr import DOMAIN, parse_mail_address

Stop = Literal["bounced", "asked"]


class ContactError(ReportError):
    """What should be remembered is about no mail address and no domain."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """One contact, an address or a whole domain. `stopped`: nothing is written to it, and `why`."""

    contact: str
    form: str | None
    stopped: Stop | None
    why: str | None
    since: datetime


def contact_key(text: str) -> str:
    """A contact as it is remembered: a mail address or a domain, in lower case; raises ContactError."""
    wanted = text.strip().lower().lstrip("@")
    if parse_mail_address(wanted) or DOMAIN.fullmatch(wanted):
        return wanted
    raise ContactError(f"{shown(text)!r} is neither a mail address nor a domain: write abuse@isp.example.net")


def remember_form(store: Store, contact: str, form: str | None, *, now: datetime) -> None:
    """Keep which form a contact takes; None for the usual. Raises ContactError."""
    _put(store, contact, "form = ?", (form,), now)


def stop(store: Store, contact: str, *, because: Stop, why: str, now: datetime) -> None:
    """Write no more to a contact; raises ContactError. What a person asked for is not weakened by a later bounce."""
    _put(
        store,
        contact,
        "stopped = CASE stopped WHEN 'asked' THEN stopped ELSE ? END,"
        " why = CASE stopped WHEN 'asked' THEN why ELSE ? END, since_ms = ?",
        (because, shown(why, 500), milliseconds(now)),
        now,
    )


def resume(store: Store, contact: str, *, now: datetime) -> None:
    """Write to a contact again; raises ContactError."""
    _put(store, contact, "stopped = NULL, why = NULL, since_ms = ?", (milliseconds(now),), now)


def remembered(db: Database) -> list[Remembered]:
    """What is remembered of contacts, an address before the domains above it."""
    rows = db.query(
        "SELECT * FROM abuse_contact WHERE form IS NOT NULL OR stopped IS NOT NULL"
        " ORDER BY instr(contact, '@') = 0, length(contact) DESC, contact"
    )
    return [
        Remembered(row["contact"], row["form"], row["stopped"], row["why"], moment(row["since_ms"])) for row in rows
    ]


def about(book: Iterable[Remembered], contact: str) -> list[Remembered]:
    """What of it speaks for one contact."""
    names = covering(contact)
    return [one for one in book if one.contact in names]


def covering(contact: str) -> frozenset[str]:
    """The entries that speak for a contact: itself, its domain, and each domain above."""
    wanted = contact.lower()
    labels = wanted.rpartition("@")[2].split(".")
    return frozenset({wanted, *(".".join(labels[place:]) for place in range(len(labels)))})


def _put(store: Store, contact: str, change: str, values: tuple[object, ...], now: datetime) -> None:
    key = contact_key(contact)
    with store.transaction():
        store.db.conn.execute(
            "INSERT OR IGNORE INTO abuse_contact VALUES (?, NULL, NULL, NULL, ?)", (key, milliseconds(now))
        )
        store.db.conn.execute(f"UPDATE abuse_contact SET {change} WHERE contact = ?", (*values, key))  # noqa: S608 - ours
