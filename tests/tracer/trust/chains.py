"""Whole chains with known truth, for every way in which a site may declare whom it trusts."""

from dataclasses import dataclass, replace
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
    postfix,
    qmail_remark,
    stamp,
    stranger,
)
from tracer.trust.forgery import forged_below, forged_fields, honest_below

MX = Host("192.0.2.1", f"mx1.{OWN_DOMAIN}")
WEB = Host("192.0.2.249", f"web.{OWN_DOMAIN}")
LIAR = Host("192.0.2.250", f"liar.{OWN_DOMAIN}")
FORWARDER = Host("198.51.100.9", "forward.alumni.example.edu")
INNER = Host("10.9.8.7", "inner.alumni.example.edu")
POP = Host("198.51.100.110", "mx.isp.example")


@dataclass
class Draft:
    """A chain while it is composed from the top."""

    random: Random
    clock: Clock
    site: SiteSettings
    lines: list[str]
    writer: Host
    styles: tuple

    def handover(self, client: Host) -> None:
        """A line about a client, who then writes the next; sometimes below the writer's own filter."""
        if self.random.random() < 0.2:
            self.lines.append(amavis(self.random, self.writer, self.clock.older()))
        if self.random.random() < 0.1:
            self.lines.append(qmail_remark(self.random, self.clock.older()))
        self.last(client)
        self.writer = client

    def last(self, client: Host) -> None:
        """The line that names the origin."""
        self.lines.append(self.random.choice(self.styles)(self.random, client, self.writer, self.clock.older()))


def compose(seed: int) -> Composed:
    """The chain of this number; the same number always gives the same chain."""
    random = Random(seed)
    draft = _declared(random)
    if random.random() < 0.05:
        _fetched(draft)
    for _ in range(random.randrange(4)):
        draft.handover(own_host(random))
    if random.random() < 0.2:
        _forwarded(draft)
    composed = random.choice((_plain, _plain, _plain, _plain, _user, _local))(draft)
    composed.received += _below(draft, composed)
    composed.fields = _fields(random, composed)
    return _with_connection(random, composed)


def _declared(random: Random) -> Draft:
    clock = Clock(random)
    if random.random() < 0.25:
        return Draft(random, clock, SiteSettings(hosts=(f"*.{OWN_DOMAIN}",)), [], MX, CONFIRMING)
    networks = ("!192.0.2.250", "192.0.2.0/24") if random.random() < 0.3 else ("192.0.2.0/24",)
    return Draft(random, clock, SiteSettings(networks=networks), [], MX, STYLES)


def _fetched(draft: Draft) -> None:
    draft.lines.append(postfix(draft.random, Host("127.0.0.1", "localhost"), MX, draft.clock.older()))
    draft.lines.append(
        f"from {POP.name} [{POP.ip}]\n\tby localhost with IMAP (fetchmail-6.4.2)\n\tfor <me@localhost> (single-drop); "
        f"{stamp(draft.clock.older())}"
    )
    draft.writer, draft.styles = POP, CONFIRMING


def _forwarded(draft: Draft) -> None:
    declared = draft.random.choice((FORWARDER.name, FORWARDER.ip, "*.example.edu"))
    option = draft.random.choice(("forwarders", "lists"))
    draft.site = replace(draft.site, **{option: (declared,)})
    draft.styles = CONFIRMING
    draft.handover(FORWARDER)
    if draft.random.random() < 0.5:
        draft.handover(INNER)


def _plain(draft: Draft) -> Composed:
    """A stranger delivers, or a host of the site's own network that the site excludes."""
    excluded = draft.site.networks[:1] == ("!192.0.2.250",) and draft.random.random() < 0.3
    culprit = LIAR if excluded else stranger(draft.random)
    draft.last(culprit)
    return Composed(draft.lines, draft.site, culprit.ip, len(draft.lines) - 1, [])


def _user(draft: Draft) -> Composed:
    """A user of a believed host hands in: authenticated, or by a declared submission host."""
    culprit = stranger(draft.random)
    outside = draft.writer in {FORWARDER, INNER, POP}
    if draft.site.networks and not outside and draft.random.random() < 0.5:
        submission = Host("192.0.2.25", f"submit.{OWN_DOMAIN}")
        draft.site = replace(draft.site, msas=(submission.ip,))
        draft.styles = CONFIRMING
        draft.lines.append(postfix(draft.random, submission, draft.writer, draft.clock.older()))
        draft.writer = submission
        draft.last(culprit)
    else:
        line = postfix(draft.random, culprit, draft.writer, draft.clock.older())
        draft.lines.append(line.replace("with ESMTPS ", "with ESMTPSA ").replace("with ESMTP ", "with ESMTPA "))
    return Composed(draft.lines, draft.site, culprit.ip, len(draft.lines) - 1, [])


def _local(draft: Draft) -> Composed:
    """A web form on a host of the site's own hands mail to sendmail(1), with whatever lines it likes below."""
    if draft.writer in {FORWARDER, INNER, POP}:
        return _plain(draft)
    draft.lines.append(postfix(draft.random, WEB, draft.writer, draft.clock.older()))
    boundary = len(draft.lines) - 1
    date = stamp(draft.clock.older())
    pickup = f"by {WEB.name} (Postfix, from userid 33)\n\tid 5D1A2B3C4D; {date}"
    draft.lines.append(draft.random.choice((pickup, pickup, f"(qmail 4711 invoked by uid 33); {date}")))
    draft.writer = WEB
    return Composed(draft.lines, draft.site, WEB.ip, boundary, [], believed=boundary + 2)


def _below(draft: Draft, composed: Composed) -> list[str]:
    """What the culprit brings along: an honest way, lies, or both."""
    kind = draft.random.randrange(3)
    local = composed.truth == WEB.ip
    below = honest_below(draft.random, draft.clock, stranger(draft.random)) if kind < 2 and not local else []
    return below + (forged_below(draft.random, draft.clock, list(draft.lines)) if kind > 0 else [])


def _fields(random: Random, composed: Composed) -> list[tuple[str, str]]:
    fields = [("Received", value) for value in composed.received]
    if random.random() < 0.5:
        said = f"softfail (domain of x does not designate {composed.truth}) client-ip={composed.truth}"
        fields.insert(composed.boundary, ("Received-SPF", said))
    lowest = (
        next(index for index, (_, value) in enumerate(fields) if value == composed.received[composed.believed - 1]) + 1
    )
    for forged in forged_fields(random):
        fields.insert(random.randint(lowest, len(fields)), forged)
    return fields


def _with_connection(random: Random, composed: Composed) -> Composed:
    """As the milter sees it: with the connection, and without our own line unless it was read from a file."""
    if composed.believed != 1 or random.random() < 0.3:
        return composed
    auth = "LOGIN" if "ESMTPSA" in composed.received[0] or "ESMTPA" in composed.received[0] else None
    composed.connection = Connection(ip=composed.truth, helo="x.example.net", by=MX.name, auth=auth)
    if random.random() < 0.5:
        own = composed.received.pop(0)
        composed.fields.remove(("Received", own))
    return composed
