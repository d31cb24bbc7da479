"""The header fields Hoptrail adds and those it removes: docs/headers.md as code. Knows no MTA.

Nothing that a sender wrote reaches a field but through `token`, so no field can be injected, whatever the mail holds.
"""

import re
from collections.abc import Iterable, Iterator, Mapping

from hoptrail_store.records import MessageRecord, Score
from hoptrail_tracer.model import AddressFacts, Trace, Trust, ZoneResult

ORIGIN, PATH, DNSBL, ID = "X-Hoptrail-Origin", "X-Hoptrail-Path", "X-Hoptrail-DNSBL", "X-Hoptrail-Id"
HOPTRAIL_NAMES = (ORIGIN, PATH, DNSBL, ID)
SPAM_NAMES = ("X-Spam-Flag", "X-Spam-Score", "X-Spam-Level", "X-Spam-Status")

VALUE_MAX = 255
LINE_MAX = 78  # RFC 5322, 2.1.1
LEVEL_MAX = 50  # as SpamAssassin: more stars say nothing more
TESTS_MAX = 800  # characters: with the rest of the line below RFC 5322's 998, since a list of names cannot be folded

_NOT_IN_A_VALUE = re.compile(r"[^A-Za-z0-9.:_/+,-]")


def own_names(*, scoring: bool) -> tuple[str, ...]:
    """Return the names of the fields that are ours: nobody else's are ever removed."""
    return HOPTRAIL_NAMES + SPAM_NAMES if scoring else HOPTRAIL_NAMES


def removals(counts: Mapping[str, int], believed: Mapping[str, int]) -> list[tuple[str, int]]:
    """Return (name, index) of each field to delete, in the order in which to delete them.

    `counts` has how often a field of each name came, `believed` how many of those stay, the first. From last to first,
    since Postfix renumbers what is left after each deletion and Sendmail does not: in this order both delete the same
    fields.
    """
    return [(name, index) for name, count in counts.items() for index in range(count, believed.get(name, 0), -1)]


def additions(record: MessageRecord, *, brought: bool = False) -> list[tuple[str, str]]:
    """Return (name, folded value) of each field to add, from the top down; `brought`: the score's are there."""
    host = token(record.host)
    fields = [
        (ORIGIN, fold(ORIGIN, host, _origin(record.trace, record.facts))),
        (PATH, fold(PATH, host, _path(record.trace))),
        (DNSBL, fold(DNSBL, host, _zones(record.facts.zones if record.facts else ()))),
        (ID, fold(ID, host, (("id", record.id), ("queue", record.connection.id if record.connection else None)))),
    ]
    if record.score is not None and not brought:
        fields += _spam(record.score)
    return fields


def token(value: str | None) -> str:
    """Return `value` as one token of the grammar; `unknown` where there is none."""
    if not value:
        return "unknown"
    if value.isalnum() and value.isascii() and len(value) <= VALUE_MAX:  # as most are
        return value
    if not value.isascii():
        value = _ascii_name(value)
    return _NOT_IN_A_VALUE.sub("_", value[:VALUE_MAX])


def fold(name: str, host: str, pairs: Iterable[tuple[str, str | None]]) -> str:
    """Return a field's value: the host, then the pairs, in lines of at most 78 characters where that is possible.

    The host and the keys are tokens already.
    """
    words = [f"{key}={token(value)}" for key, value in pairs]
    folded = "; ".join((host, *words))
    if len(name) + len(folded) < LINE_MAX - 2:  # a colon and a space
        return folded
    folded = host
    room = LINE_MAX - 2 - len(name) - len(host)
    for word in words:
        room -= len(word) + 2  # "; "
        if room > 0:
            folded += f"; {word}"
        else:
            folded += f";\n {word}"
            room = LINE_MAX - 1 - len(word)  # the space
    return folded


def _ascii_name(name: str) -> str:
    try:
        return name.encode("idna").decode("ascii")
    except UnicodeError:
        return name


def _origin(trace: Trace, facts: AddressFacts | None) -> Iterator[tuple[str, str | None]]:
    origin = trace.origin
    yield "ip", origin.ip
    yield "name", facts.name if facts and facts.name_confirmed else origin.name
    yield "class", origin.trust
    yield "confidence", f"{min(max(origin.confidence, 0.0), 1.0):.2f}"
    yield "basis", origin.basis
    yield "asn", str(facts.asn) if facts and facts.asn is not None else None
    yield "country", facts.country if facts else None


def _path(trace: Trace) -> Iterator[tuple[str, str | None]]:
    trusts = [hop.trust for hop in trace.hops]
    dates = [hop.received.date for hop in trace.hops if hop.received.date]
    codes = dict.fromkeys(anomaly.code for anomaly in trace.anomalies)
    yield "hops", str(len(trusts))
    yield "trusted", str(trusts.count(Trust.OBSERVED) + trusts.count(Trust.TRUSTED))
    yield "forged", str(trusts.count(Trust.FORGED))
    yield "seconds", str(int((dates[0] - dates[-1]).total_seconds())) if dates else None
    yield "anomalies", ",".join(codes) or "none"


def _zones(zones: Iterable[ZoneResult]) -> Iterator[tuple[str, str | None]]:
    empty = True
    for result in zones:
        empty = False
        yield token(result.zone), "/".join(filter(None, (result.verdict, ",".join(result.codes))))
    if empty:
        yield "none", "none"


def _spam(score: Score) -> Iterator[tuple[str, str]]:
    if score.points is None or score.required is None:
        yield "X-Spam-Status", f"Unscored, reason={token(score.unscored)}"
        return
    if score.is_spam:
        yield "X-Spam-Flag", "YES"
    yield "X-Spam-Score", f"{score.points:.1f}"
    yield "X-Spam-Level", "*" * min(int(max(score.points, 0)), LEVEL_MAX)
    verdict = "Yes" if score.is_spam else "No"
    yield (
        "X-Spam-Status",
        f"{verdict}, score={score.points:.1f} required={score.required:.1f}\n tests={_tests(score.rules)}",
    )


def _tests(rules: Iterable[str]) -> str:
    names = ""
    for rule in map(token, rules):
        if len(names) + len(rule) > TESTS_MAX:
            break
        names += f",{rule}" if names else rule
    return names or "none"
