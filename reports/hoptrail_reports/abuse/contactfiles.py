"""The two files a site may keep about contacts: whom to write to, and whom never.

Both are read anew each time, so that a change needs no restart; a line that says nothing known is an error, because a
rule that is silently not kept would be worse.
"""

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from hoptrail_reports.abuse import contactbook
from hoptrail_reports.abuse.contactbook import ContactError
from hoptrail_reports.abuse.settings import AbuseSettings
from hoptrail_reports.errors import ReportError
from hoptrail_reports.shown import shown
from hoptrail_tracer.lookups.mailaddr import parse_mail_address
from hoptrail_tracer.model import Contact, ContactAnswer

_BYTES_MAX: Final = 4 << 20
_NOBODY: Final = "-"
_FIELDS: Final = 2

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class ContactFileError(ReportError):
    """A file about contacts cannot be read, or a line of it; the message names both."""


@dataclass(frozen=True, slots=True)
class Overrides:
    """Whom to write to about which network; None for nobody."""

    contacts: tuple[tuple[Network, str | None], ...] = ()  # the smallest networks first

    def find(self, ip: str) -> ContactAnswer | None:
        """The site's own word about an address; None where it has none."""
        address = ipaddress.ip_address(ip)
        for network, contact in self.contacts:
            if address in network:
                if contact is None:
                    return ContactAnswer(ip, "refused", detail=f"nobody is to be written to about {network}")
                return ContactAnswer(ip, "found", (Contact(contact, "the contacts file", 1.0, str(network)),))
        return None


def with_files(settings: AbuseSettings) -> AbuseSettings:
    """The settings with what stands in `do_not_mail_file` added to `do_not_mail`; raises ContactFileError."""
    if not settings.do_not_mail_file:
        return settings
    listed = []
    for place, line in _lines(settings.do_not_mail_file):
        try:
            listed.append(contactbook.contact_key(line))
        except ContactError as error:
            raise ContactFileError(f"{place}: {error}") from error
    return replace(settings, do_not_mail=(*settings.do_not_mail, *listed))


def overrides(settings: AbuseSettings) -> Overrides:
    """What stands in `contacts_file`; raises ContactFileError."""
    if not settings.contacts_file:
        return Overrides()
    found = [_override(place, line) for place, line in _lines(settings.contacts_file)]
    return Overrides(tuple(sorted(found, key=lambda one: -one[0].prefixlen)))


def _override(place: str, line: str) -> tuple[Network, str | None]:
    words = line.split()
    try:
        network = ipaddress.ip_network(words[0], strict=False)
    except ValueError:
        raise ContactFileError(f"{place}: {shown(words[0])!r} is no network: write 198.51.100.0/24 ADDRESS") from None
    if len(words) != _FIELDS:
        raise ContactFileError(f"{place}: write a network and one mail address, or '-' for nobody")
    contact = None if words[1] == _NOBODY else parse_mail_address(words[1])
    if contact is None and words[1] != _NOBODY:
        raise ContactFileError(f"{place}: {shown(words[1])!r} is no plain mail address")
    return network, contact


def _lines(name: str) -> Iterator[tuple[str, str]]:
    """Each line that says something, with the place to name in an error."""
    try:
        with Path(name).open("rb") as file:
            raw = file.read(_BYTES_MAX + 1)
    except OSError as error:
        raise ContactFileError(f"{name}: {error.strerror}") from error
    if len(raw) > _BYTES_MAX:
        raise ContactFileError(f"{name}: over {_BYTES_MAX:,} bytes: this is no list of contacts")
    for number, line in enumerate(raw.decode("utf-8", "replace").splitlines(), 1):
        if text := line.partition("#")[0].strip():
            yield f"{name}:{number}", text
