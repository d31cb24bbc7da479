"""Which of an address's contacts gets the report. Contacts come from outside and are checked here once more."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from hoptrail_reports.abuse.contactbook import Remembered, about, covering
from hoptrail_reports.abuse.settings import AbuseSettings
from hoptrail_tracer.lookups.mailaddr import is_registrys, parse_mail_address
from hoptrail_tracer.model import Contact, ContactAnswer
from hoptrail_tracer.names import same_owner

State = Literal["found", "unknown", "failed", "barred"]
"""`failed` is asked again the next night; `unknown` and `barred` wait for a person."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The contact to write to, or why there is none."""

    state: State
    contact: Contact | None = None
    detail: str | None = None


def choose(
    answer: ContactAnswer,
    settings: AbuseSettings,
    own_domains: tuple[str, ...] = (),
    book: Iterable[Remembered] = (),
) -> Choice:
    """The best contact that may be written to. A look-up that failed never is "no contact".

    `book` is what the store remembers of contacts: one that was stopped is passed over.
    """
    if answer.state == "failed":
        return Choice("failed", detail=answer.detail or "the look-up failed")
    if answer.state == "refused":
        return Choice("barred", detail=answer.detail or "the address is not asked about")
    barred = []
    for contact in sorted(answer.contacts, key=lambda contact: -contact.confidence):
        address = parse_mail_address(contact.address)
        if address is None:
            barred.append("a contact that is no plain mail address")
        elif is_registrys(address):
            barred.append(f"{address}: a registry's own")
        elif among(address, settings.do_not_mail):
            barred.append(f"{address}: on the do-not-mail list")
        elif stopped := next((one for one in about(book, address) if one.stopped), None):
            barred.append(f"{address}: {_STOPPED[stopped.stopped]} ({stopped.why})")
        elif any(same_owner(address.rpartition("@")[2], domain) for domain in own_domains):
            barred.append(f"{address}: our own domain")
        else:
            return Choice("found", replace(contact, address=address))
    if barred:
        return Choice("barred", detail="; ".join(barred))
    return Choice("unknown", detail=answer.detail or "nobody publishes a contact")


_STOPPED = {"bounced": "reports to it came back", "asked": "on the do-not-mail list", None: ""}


def among(address: str, listed: tuple[str, ...]) -> bool:
    """Whether an address, its domain, or a domain above that is listed."""
    wanted = {entry.strip().lower().lstrip("@.") for entry in listed}
    return not wanted.isdisjoint(covering(address))


def form_for(address: str, settings: AbuseSettings, book: Iterable[Remembered] = ()) -> str:
    """The form that a contact gets: "spamcop", "arf" or "xarf". A person's word in `book` goes before the settings."""
    remembered = next((one.form for one in about(book, address) if one.form), None)
    wishes = (("spamcop", settings.text_contacts), ("arf", settings.arf_contacts), ("xarf", settings.xarf_contacts))
    return remembered or next((form for form, contacts in wishes if among(address, contacts)), settings.form)
