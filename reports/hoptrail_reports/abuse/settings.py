"""How abuse reports are drafted. Nothing here sends anything."""

from dataclasses import dataclass
from typing import Literal

from hoptrail_tracer.lookups.mailaddr import parse_mail_address
from hoptrail_tracer.options import option
from hoptrail_tracer.sitematch import host_list


def _check_address(text: str) -> None:
    if text and parse_mail_address(text) is None:
        raise ValueError(f"{text!r} is no plain mail address: write it as in 'abuse-reports@example.org'")


@dataclass(frozen=True, slots=True)
class AbuseSettings:
    """[abuse]: which spam becomes a draft, for whom, and what a draft shows."""

    draft: bool = option(True, "Draft abuse reports in the nightly run. A draft is never sent without a person's word.")  # noqa: FBT003
    reporter: str = option(
        "",
        "The address reports come from and that a person reads the answers of. Empty: postmaster at this host's name.",
        example='"abuse-reports@example.org"',
        check=_check_address,
    )
    form: Literal["spamcop", "arf", "xarf"] = option(
        "spamcop",
        "The form of a draft: 'spamcop' (a text mail without attachments), 'arf' (RFC 5965) or 'xarf' (X-ARF 4, JSON).",
    )
    arf_contacts: tuple[str, ...] = option(
        (), "Contacts (address or domain) that get ARF whatever `form` says.", example='["abuse@isp.example.net"]'
    )
    xarf_contacts: tuple[str, ...] = option(
        (), "Contacts (address or domain) that get X-ARF whatever `form` says.", example='["abuse@cloud.example.net"]'
    )
    text_contacts: tuple[str, ...] = option(
        (),
        "Contacts (address or domain) that get the text form whatever `form` says: desks that refuse attachments.",
        example='["noc.example.com"]',
    )
    whole_contacts: tuple[str, ...] = option(
        (),
        "Contacts (address or domain) that get the evidence with its recipients unhidden, because they refuse reports "
        "that hide them. Everybody else sees 'x' in place of each recipient.",
        example='["abuse@isp.example.net"]',
    )
    do_not_mail: tuple[str, ...] = option(
        (), "Contacts (address or domain) nothing is ever drafted for.", example='["abuse@registry.example"]'
    )
    never_report: tuple[str, ...] = option(
        (),
        "Networks, addresses or host names nothing is ever drafted about, besides your own, your forwarders and lists.",
        example='["198.51.100.0/24"]',
        check=host_list,
    )
    min_points: float = option(
        0.0,
        "The least SpamAssassin points for a draft. Less than the site's own threshold changes nothing: "
        "only what SpamAssassin calls spam is looked at.",
        at_least=0,
        at_most=1_000,
    )
    fresh_hours: int = option(48, "Up to this age a report calls a spam fresh.", at_least=1, at_most=72)
    stop_hours: int = option(72, "Nothing is drafted about a spam older than this.", at_least=1, at_most=168)
    drafts_per_day: int = option(
        200, "At most this many drafts for one day; the cases with most messages come first.", at_least=0
    )
    drafts_per_contact: int = option(20, "At most this many drafts for one contact and day.", at_least=1)
    contact_lookups: int = option(
        2_000, "At most this many origins are looked up in a night; the rest wait for the next.", at_least=0
    )
    keep_days: int = option(
        90,
        "Days after which cases and drafts are deleted, and the evidence in them with them; 0 keeps them for ever.",
        at_least=0,
    )
    evidence_max_bytes: int = option(
        65_536,
        "A draft shows at most this much of a message, and says where it was cut.",
        at_least=2_048,
        at_most=1_048_576,
    )
