"""Whole chains with known truth, for every way in which a site may declare whom it trusts."""

from dataclasses import replace
from random import Random

from hoptrail_tracer.model import Connection
from hoptrail_tracer.settings import SiteSettings
from tracer.trust.composer import (
    CONFIRMING,
    OWN_DOMAIN,
    STYLES,
    Clock,
    Composed,
    Host,
    amavis,
    own_host,
    qmail_remark,
    stranger,
)
from tracer.trust.forgery import forged_below, forged_fields, honest_below

FORWARDER = Host("198.51.100.9", "forward.alumni.example.edu")
INNER = Host("10.9.8.7", "inner.alumni.example.edu")


def compose(seed: int) -> Composed:
    """The chain of this number; the same number always gives the same chain."""
    random = Random(seed)
    by_name = random.random() < 0.25
    site = SiteSettings(hosts=(f"*.{OWN_DOMAIN}",)) if by_name else SiteSettings(networks=("192.0.2.0/24",))
    if not by_name and random.random() < 0.3:
        site = replace(site, networks=("!192.0.2.250", *site.networks), hosts=(f"*.{OWN_DOMAIN}",))
    styles = CONFIRMING if by_name else STYLES
    clock = Clock(random)
    lines: list[str] = []
    writer = Host("192.0.2.1", f"mx1.{OWN_DOMAIN}")
    for _ in range(random.randrange(4)):
        client = own_host(random)
        _step(random, lines, styles, client, writer, clock)
        writer = client
    if random.random() < 0.2:
        site = replace(site, forwarders=(FORWARDER.name,) if random.random() < 0.5 else (FORWARDER.ip,))
        _step(random, lines, CONFIRMING, FORWARDER, writer, clock)
        writer = FORWARDER
        if random.random() < 0.5:
            _step(random, lines, CONFIRMING, INNER, writer, clock)
            writer = INNER
    culprit = stranger(random)
    if random.random() < 0.05 and not by_name:
        culprit = Host("192.0.2.250", f"bad.{OWN_DOMAIN}")
        site = replace(site, networks=("!192.0.2.250", "192.0.2.0/24"), hosts=())
    lines.append(random.choice(styles)(random, culprit, writer, clock.older()))
    boundary = len(lines) - 1
    kind = random.randrange(3)
    below = honest_below(random, clock, culprit) if kind < 2 else []
    below += forged_below(random, clock, lines) if kind > 0 else []
    composed = Composed([*lines, *below], site, culprit.ip, boundary, [])
    composed.fields = _fields(random, composed.received, boundary, culprit)
    return _with_connection(random, composed, lines, culprit)


def _step(random: Random, lines: list[str], styles, client: Host, writer: Host, clock: Clock) -> None:  # noqa: PLR0917
    """A handover inside the zone, sometimes with the writer's own filter above it."""
    if random.random() < 0.2:
        lines.append(amavis(random, writer, clock.older()))
    if random.random() < 0.1:
        lines.append(qmail_remark(random, clock.older()))
    lines.append(random.choice(styles)(random, client, writer, clock.older()))


def _fields(random: Random, received: list[str], boundary: int, culprit: Host) -> list[tuple[str, str]]:
    fields = [("Received", value) for value in received]
    if random.random() < 0.5:
        fields.insert(
            boundary, ("Received-SPF", f"softfail (domain of x does not designate {culprit.ip}) client-ip={culprit.ip}")
        )
    for forged in forged_fields(random):
        lowest = next(index for index, (_, value) in enumerate(fields) if value == received[boundary]) + 1
        fields.insert(random.randint(lowest, len(fields)), forged)
    return fields


def _with_connection(random: Random, composed: Composed, lines: list[str], culprit: Host) -> Composed:
    """As the milter sees it: with the connection, and without our own line unless it was read from a file."""
    if len(lines) != 1 or random.random() < 0.3:
        return composed
    name = culprit.name if culprit.looked_up else None
    composed.connection = Connection(
        ip=culprit.ip, helo=culprit.helo or culprit.name, rdns=name, by=f"mx1.{OWN_DOMAIN}"
    )
    if random.random() < 0.5:
        own = composed.received.pop(0)
        composed.fields.remove(("Received", own))
    return composed
