"""What a site declares about itself, and how far its look-ups may go."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from hoptrail_tracer.options import option

# RFC 1123 section 2.1; underscores, which it has not, are in use, and Postfix takes them too.
_LABEL = r"(?!-)[a-z0-9_-]{1,63}(?<!-)"
_NAME = re.compile(rf"(?=.{{1,253}}\Z)(?:{_LABEL}\.)*(?!\d+\Z){_LABEL}", re.ASCII | re.IGNORECASE)


def _check_hostname(text: str) -> None:
    """Refuse what is no host name; empty is the machine's own."""
    if text and not _NAME.fullmatch(text):
        raise ValueError(f"{text!r} is no host name: write letters, digits, hyphens and dots, as in 'mx1.example.org'")


def _check_domains(names: Iterable[str]) -> None:
    for name in names:
        if not name or not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no domain: write it as in 'example.org', IDNs as 'xn--...'")


@dataclass(frozen=True, slots=True)
class SiteSettings:
    """[site]: which hosts are ours and whom we believe. Empty everywhere: Hoptrail infers, and believes less."""

    hostname: str = option(
        "",
        "This host's name as it stands in the fields Hoptrail adds. Empty: the machine's own name.",
        example='"mx1.example.org"',
        check=_check_hostname,
    )
    networks: tuple[str, ...] = option(
        (),
        "Networks (CIDR or address; '!' before one excludes it) whose hosts do not forge header fields: your own "
        "and those of relays you trust. Loopback always is trusted.",
        example='["192.0.2.0/24", "2001:db8::/32"]',
    )
    hosts: tuple[str, ...] = option(
        (),
        "Names of trusted hosts, '*.example.org' or '.example.org' for all below a domain. A name counts only "
        "where the writing relay looked it up.",
        example='["mx1.example.org", "*.filter.example.net"]',
    )
    internal: tuple[str, ...] = option(
        (),
        "The part of `networks` that are your own MXes and relays. Empty: the same as `networks`.",
        example='["192.0.2.0/26"]',
    )
    msas: tuple[str, ...] = option(
        (),
        "Submission hosts (networks or names) that take mail only from your own users: what stands below "
        "them came from a user. Never list a host that is an MX as well.",
        example='["192.0.2.25"]',
    )
    forwarders: tuple[str, ...] = option(
        (),
        "Hosts that forward mail to you on a user's wish (networks or names). They are looked past, "
        "and never reported.",
        example='["forward.alumni.example.edu"]',
    )
    lists: tuple[str, ...] = option(
        (),
        "Mailing-list hosts you believe (networks or names). They are looked past, and never reported.",
        example='["*.lists.example.org"]',
    )
    domains: tuple[str, ...] = option(
        (),
        "Domains you receive mail for. No report is ever drafted about them.",
        example='["example.org"]',
        check=_check_domains,
    )
