"""A trace as a person reads it: the lines of SpamCop's parse page, in its order and wording, with our reasons beside.

What comes back are styled lines of printable text; whoever shows them chooses the colours.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from hoptrail_tracer.addresses import Scope, scope
from hoptrail_tracer.model import AddressFacts, Anomaly, ContactAnswer, Hop, Kind, Trace, Trust
from hoptrail_tracer.printable import printable


class Style(StrEnum):
    """What a line of the transcript is, for whoever colours it."""

    HEADING = "heading"
    QUOTE = "quote"  # what the mail says
    FACT = "fact"
    GOOD = "good"
    BAD = "bad"
    REASON = "reason"
    RESULT = "result"
    BAR = "bar"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a transcript: printable, without a line end."""

    style: Style
    text: str


@dataclass(frozen=True, slots=True)
class Found:
    """What look-ups told of the origin; `is_mail_host` whether it is an MX for the domain `mail_host_of`."""

    facts: AddressFacts
    contacts: ContactAnswer | None = None
    mail_host_of: str | None = None
    is_mail_host: bool | None = None


FRESH = timedelta(hours=1)
TOO_OLD = timedelta(hours=72)
"""SpamAssassin refuses to report mail over two days old; desks ignore what is older than three."""

_BELIEVED = frozenset({Trust.OBSERVED, Trust.TRUSTED})
_BAR_WIDTH = 40


def transcript(
    trace: Trace,
    values: Sequence[str],
    *,
    found: Found | None = None,
    now: datetime | None = None,
) -> Iterator[Line]:
    """The lines of a trace.

    `values` are the Received fields that were traced, for the quotes; `found` is what look-ups told, None where none
    were made; `now` tells fresh from old.
    """
    yield Line(Style.HEADING, "Parsing header:")
    for index, hop in enumerate(trace.hops):
        against = [anomaly for anomaly in trace.anomalies if anomaly.hop == index]
        yield from _hop(hop, index, values, against, found if index == trace.origin.hop else None)
    general = [anomaly for anomaly in trace.anomalies if anomaly.hop is None]
    if general:
        yield Line(Style.HEADING, "About the chain as a whole:")
        yield from (_anomaly(anomaly) for anomaly in general)
    yield from _delays(trace.hops)
    yield from _source(trace, found)
    yield from _routing(trace, found)
    yield from _freshness(trace, now)


def _hop(
    hop: Hop, index: int, values: Sequence[str], against: Sequence[Anomaly], found: Found | None
) -> Iterator[Line]:
    said = hop.received
    yield Line(Style.QUOTE, f"{index}: {_quote(hop, values)}")
    if said.status == "unparseable":
        yield Line(Style.BAD, f"   Cannot parse this line ({said.reason or 'unknown'})")
    elif said.ip is not None:
        yield from _client(hop, found)
    yield from (_anomaly(anomaly) for anomaly in against)
    yield from (Line(Style.REASON, f"   {printable(reason)}") for reason in hop.reasons)
    yield _acceptance(hop)


def _quote(hop: Hop, values: Sequence[str]) -> str:
    if hop.line is not None and hop.line < len(values):
        return f"Received: {printable(values[hop.line])}"
    said = hop.received
    if said.reason is not None:
        return f"{printable(said.reason)}: {said.ip}"
    known = f"{printable(said.helo or 'unknown')} ({printable(said.rdns or 'unknown')} [{said.ip}])"
    return f"our own connection: from {known} by {printable(said.by or 'this host')}"


def _client(hop: Hop, found: Found | None) -> Iterator[Line]:
    said = hop.received
    yield Line(Style.FACT, f"   {said.ip} found")
    if scope(said.ip) is not Scope.GLOBAL:
        yield Line(Style.FACT, f"   Internal handoff at {printable(said.by or 'unknown')}")
        return
    if found is not None and found.facts.name is not None:
        name = printable(found.facts.name)
        yield Line(Style.FACT, f"   host {said.ip} = {name}")
        if found.facts.name_confirmed is not None:
            answer = said.ip if found.facts.name_confirmed else "another address"
            yield Line(Style.FACT, f"   host {name} (checking ip) = {answer}")
    elif said.rdns is not None:
        yield Line(Style.FACT, f"   host {said.ip} = {printable(said.rdns)} (as the line says)")
    if hop.trust in _BELIEVED and said.kind is not Kind.FETCH:
        yield Line(Style.FACT, f"   Possible spammer: {said.ip}")
    if found is not None and found.is_mail_host is not None:
        verb = "is" if found.is_mail_host else "is not"
        yield Line(Style.FACT, f"   {said.ip} {verb} an MX for {printable(found.mail_host_of or '')}")


def _acceptance(hop: Hop) -> Line:
    match hop.trust:
        case Trust.OBSERVED | Trust.TRUSTED:
            return Line(Style.GOOD, f"   Received line accepted ({hop.trust.value})")
        case Trust.VOUCHED:
            return Line(Style.FACT, "   Received line plausible (vouched): shown, not reported")
        case Trust.CLAIMED:
            text = "Possible forgery. Supposed receiving system not associated with any of your mailhosts"
        case Trust.FORGED:
            text = "Forgery. What the line says contradicts what is known"
    return Line(Style.BAD, f"   {text}. Will not trust this Received line ({hop.trust.value})")


def _anomaly(anomaly: Anomaly) -> Line:
    return Line(Style.BAD, f"   ! {anomaly.code} ({anomaly.weight:.2f}): {printable(anomaly.text)}")


def _delays(hops: Sequence[Hop]) -> Iterator[Line]:
    known = [abs(hop.delay_s) for hop in hops if hop.delay_s is not None]
    if not known:
        return
    yield Line(Style.HEADING, "Delays:")
    longest = max(*known, 1.0)
    for index, hop in enumerate(hops):
        if hop.delay_s is not None:
            bar = "#" * max(1 if hop.delay_s else 0, round(_BAR_WIDTH * abs(hop.delay_s) / longest))
            back = " (backwards)" if hop.delay_s < 0 else ""
            yield Line(Style.BAR, f"{index:4}: {_duration(hop.delay_s):>10} {bar}{back}")


_VERDICTS = {"listed": "listed in", "clear": "not listed in", "allowed": "allowed by", "neutral": "known to"}


def _source(trace: Trace, found: Found | None) -> Iterator[Line]:
    origin = trace.origin
    for zone in found.facts.zones if found is not None else ():
        codes = f" ( {' '.join(map(printable, zone.codes))} )" if zone.codes else ""
        verb = _VERDICTS.get(zone.verdict)
        text = f"{origin.ip} {verb} {zone.zone}{codes}" if verb else f"{zone.zone} says nothing ({zone.verdict})"
        yield Line(Style.BAD if zone.verdict == "listed" else Style.FACT, text)
    if origin.ip is None:
        yield Line(Style.RESULT, "No source IP address found, cannot proceed.")
    else:
        yield Line(Style.RESULT, f"Tracking message source: {origin.ip}:")
    yield Line(Style.FACT, f"   class {origin.trust.value}, basis {origin.basis}, confidence {origin.confidence:.2f}")
    if origin.name is not None:
        yield Line(Style.FACT, f"   host {origin.ip} = {printable(origin.name)}")
    yield from (Line(Style.REASON, f"   {printable(reason)}") for reason in origin.reasons)
    if origin.basis == "inside":
        yield Line(
            Style.FACT, f"   Mail from inside, or mailhost configuration problem: internal IP {origin.ip} as source"
        )
    if trace.inferred:
        yield Line(Style.FACT, "   Nothing was declared: your own relays were inferred from the top of the chain")
    if trace.deeper is not None:
        deeper = trace.deeper
        worth = f"{deeper.trust.value}, confidence {deeper.confidence:.2f}"
        yield Line(Style.FACT, f"   Older lines name {deeper.ip} ({worth}): not to be reported")


def _routing(trace: Trace, found: Found | None) -> Iterator[Line]:
    if found is None:
        return
    facts, contacts = found.facts, found.contacts
    yield Line(Style.HEADING, f"Routing details for {trace.origin.ip}")
    if facts.asn is not None or facts.country is not None:
        number = f"AS{facts.asn}" if facts.asn is not None else "AS unknown"
        yield Line(
            Style.FACT, f"   {number} {printable(facts.as_name or '')} {printable(facts.country or '')}".rstrip()
        )
    for what, why in facts.missing:
        yield Line(Style.FACT, f"   not known: {printable(what)} ({printable(why)})")
    if contacts is None:
        return
    for contact in contacts.contacts:
        yield Line(Style.FACT, f"   Using {contact.source} on {printable(contact.address)}")
    if contacts.contacts:
        best = " ".join(printable(contact.address) for contact in contacts.contacts)
        yield Line(Style.RESULT, f"Using best contacts {best}")
    else:
        detail = f": {printable(contacts.detail)}" if contacts.detail else ""
        yield Line(Style.FACT, f"No reporting addresses found for {trace.origin.ip} ({contacts.state}{detail})")


def _freshness(trace: Trace, now: datetime | None) -> Iterator[Line]:
    arrived = next((hop.received.date for hop in trace.hops if hop.received.date and hop.trust in _BELIEVED), None)
    if arrived is None or now is None:
        return
    age = now - arrived
    if age < timedelta(0):
        yield Line(Style.BAD, f"Message is dated {_duration(-age.total_seconds())} in the future")
    elif age < FRESH:
        yield Line(Style.GOOD, "Yum, this spam is fresh!")
    else:
        yield Line(Style.FACT, f"Message is {_duration(age.total_seconds())} old")
    if age > TOO_OLD:
        yield Line(Style.BAD, "Sorry, this email is too old to file a spam report.")


_UNITS = ((86400.0, "days"), (3600.0, "hours"), (60.0, "minutes"))


def _duration(seconds: float) -> str:
    for size_s, unit in _UNITS:
        if abs(seconds) >= 2 * size_s:
            return f"{seconds / size_s:.0f} {unit}"
    return f"{seconds:.0f} s"
