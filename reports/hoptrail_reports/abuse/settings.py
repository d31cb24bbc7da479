"""How abuse reports are drafted, sent, and their answers found."""

from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import urlsplit

from hoptrail_tracer.lookups.mailaddr import parse_mail_address
from hoptrail_tracer.options import option
from hoptrail_tracer.sitematch import host_list

SMTP_PORT: Final = 25


def _check_address(text: str) -> None:
    if text and parse_mail_address(text) is None:
        raise ValueError(f"{text!r} is no plain mail address: write it as in 'abuse-reports@example.org'")


def parse_smarthost(text: str) -> tuple[str, int]:
    """Return host and port of "HOST", "HOST:PORT" or "[V6]:PORT". ValueError says what to write instead."""
    parts = urlsplit(f"//{text}")
    try:
        port = parts.port or SMTP_PORT
    except ValueError:
        port = 0
    if not parts.hostname or not port or text != parts.netloc or "@" in text:
        raise ValueError(f"{text!r} is no host with a port: write it as in 'smarthost.example.org:587'")
    return parts.hostname, port


def check_smarthost(text: str) -> None:
    """Refuse what is no "HOST:PORT"."""
    if text:
        parse_smarthost(text)


@dataclass(frozen=True, slots=True)
class AbuseSettings:
    """[abuse]: which spam becomes a draft, for whom, what a draft shows, and how one that was approved is sent."""

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
    do_not_mail_file: str = option(
        "",
        "A file with more of them, an address or a domain a line; '#' begins a comment. It is read anew each time.",
        example='"/etc/hoptrail/do-not-mail"',
    )
    contacts_file: str = option(
        "",
        "A file that says whom to write to, before anybody is asked: a line has a network and an address, as in "
        "'198.51.100.0/24 abuse@isp.example.net', or '-' for nobody. The smallest network decides.",
        example='"/etc/hoptrail/contacts"',
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
    contact_minutes: float = option(
        60,
        "A night asks registries for at most this long; the rest waits for the next.",
        at_least=0,
        at_most=720,
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
    smarthost: str = option(
        "",
        "Where `hoptrail abuse send` hands approved reports to: 'HOST' or 'HOST:PORT'. Empty: nothing can be sent.",
        example='"127.0.0.1:25"',
        check=check_smarthost,
    )
    smarthost_tls: Literal["none", "starttls", "tls"] = option(
        "none",
        "'none' is for a smarthost on this host; 'starttls' and 'tls' (from the first byte, port 465) check its "
        "certificate and send nothing without.",
    )
    smarthost_ca_file: str = option(
        "", "Certificates to check the smarthost's by (PEM). Empty: the system's.", example='"/etc/hoptrail/ca.pem"'
    )
    smarthost_user: str = option(
        "", "The name to authenticate with; needs TLS, or a smarthost on loopback.", example='"abuse-reports"'
    )
    smarthost_password_file: str = option(
        "",
        "A file whose first line is the password; only its owner may read it.",
        example='"/etc/hoptrail/smarthost-password"',
    )
    smarthost_timeout_s: float = option(
        60.0, "How long an answer of the smarthost may take.", at_least=0.1, at_most=600
    )
    bounce_address: str = option(
        "",
        "The address that bounces go to; `bounce_separator`, the report's id and a tag are put before its '@', so its "
        "host must take such addresses (recipient_delimiter = +). Empty: that of `reporter`.",
        example='"abuse-bounces@example.org"',
        check=_check_address,
    )
    bounce_separator: Literal["+", "-"] = option(
        "+", "What stands before the id: '-' where the host of `bounce_address` splits addresses there, as qmail does."
    )
    sends_per_day: int = option(200, "At most this many reports are sent on one UTC day.", at_least=0)
    sends_per_contact: int = option(20, "At most this many reports are sent to one contact on one UTC day.", at_least=1)
