"""The walk from the newest line to the first stranger: which lines were written by hosts that do not forge.

The class of a line is the class of the host that wrote it, and that host is the client which the line above names. So
each believed line decides about the next older one, and the first client that no rule admits ends the walk: its
address is the origin, and all that stands below is its own word.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias

from hoptrail_tracer.addresses import Scope, near, scope
from hoptrail_tracer.drafts import draft_of
from hoptrail_tracer.model import Kind, Received
from hoptrail_tracer.names import (
    canonical,
    is_localhost,
    is_qualified,
    looks_dynamic,
    registrable,
    same_host,
    same_label,
    same_owner,
)
from hoptrail_tracer.providers import is_inner
from hoptrail_tracer.rules import Rule
from hoptrail_tracer.sitematch import Site

_INSIDE_ONE_PROVIDER = frozenset({Kind.INTERNAL, Kind.MAPI, Kind.SCANNER})
_OF_ONE_KIND = frozenset({Kind.INTERNAL, Kind.MAPI})
_OF_USERS = frozenset({Kind.SUBMISSION, Kind.HTTP})
_STAYING = frozenset({Rule.SAME_HOST, Rule.LOOPBACK, Rule.LOCAL_PICKUP})
"""Rules by which the next line was written by the same host."""

_MAY_BE_FORGED = "may be forged"
"""What Sendmail writes beside a name that does not resolve back to the address."""

_NEAR_V4_BITS = 24
_NEAR_V6_BITS = 32
"""How close two machines of one owner stand: Exchange Online spreads one region over a /32."""

# Before Python 3.12 a member costs thirty nanoseconds wherever it is read from its class.
_LOOPBACK, _PRIVATE = Scope.LOOPBACK, Scope.PRIVATE
_FETCH, _LOCAL = Kind.FETCH, Kind.LOCAL
_TOP_LINE, _UNREADABLE, _NO_ADDRESS = Rule.TOP_LINE, Rule.UNREADABLE, Rule.NO_ADDRESS
_AUTHENTICATED, _SUBMISSION_HOST = Rule.AUTHENTICATED, Rule.SUBMISSION_HOST
_LOOKED_PAST = frozenset({Rule.FORWARDER, Rule.MAILING_LIST})
_INFERRED = frozenset({Rule.PRIVATE_HANDOFF, Rule.OWN_DOMAIN, Rule.OWN_NEIGHBOUR})


@dataclass(frozen=True, slots=True)
class Walk:
    """How far the chain is believed.

    `believed` counts the hops from the top whose writers are believed. `source` is the index of the hop whose client is
    the origin, None where no believed line names one; `source_name` the client's looked-up name, None also where the
    line doubts it. `end` is the rule that ended the walk, None when every line was believed and the last client too.
    `handed_in` tells that a user of a believed host is the origin, `picked_up` that a local pick-up was passed: a
    filter that hands mail back looks no different from a local user who forges.
    """

    believed: int
    source: int | None
    source_name: str | None
    end: Rule | None
    via: Rule  # the rule by which the writer of the line `source` came to be believed
    reasons: tuple[tuple[str, ...], ...]  # one for each believed hop
    observed: bool
    handed_in: bool
    picked_up: bool


_WalkDraft = draft_of(Walk)


@dataclass(slots=True)
class _Path:
    """Where the walk stands: what the host that wrote the present line is known by."""

    via: Rule
    domains: set[str] | None  # of hosts believed to be one site's own; None where only declarations count
    source: int | None = None
    source_via: Rule = Rule.TOP_LINE
    behind_msa: bool = False
    picked_up: bool = False
    text: str | None = None  # of the present line
    client: Received | None = None  # the line that named the writer of the present one, if it is another host
    home: tuple[str, ...] = ()  # names of the host that picked the mail up, until it has signed a line
    signed_pickup: bool = False


# The rule that decides about a client, the sentence for a person, and whether the client is believed. A plain tuple:
# naming its parts would take as long as deciding.
_Verdict: TypeAlias = tuple[Rule, str, bool]


def walk(hops: Sequence[Received], texts: Sequence[str | None], site: Site, *, observed: bool) -> Walk:
    """How far a chain (newest first) may be believed.

    `texts` are the lines that were read, None for a hop made from the connection. `observed`: the first hop is our own
    MTA's connection.
    """
    path = _Path(Rule.OWN_HOP if observed else _TOP_LINE, None if site.declared else set())
    path.source_via = path.via
    reasons: list[tuple[str, ...]] = []
    end: Rule | None = None
    handed_in = False
    for index, received in enumerate(hops):
        if path.home and _is_luggage(received, path):
            break
        _look_at(received, texts[index], path)
        rule, sentence, admits = _judge(received, _next_signed(hops, index), site, path)
        reasons.append((rule.says(sentence),))
        # a loopback address stands for a host whose real one a newer line gave
        is_again = path.source is not None and scope(received.ip) is _LOOPBACK
        if received.ip is not None and received.kind is not _FETCH and not is_again:
            path.source, path.source_via = index, path.via
        if received.kind is _LOCAL:
            path.picked_up = True
            path.home, path.signed_pickup = _home(received, path), received.by is not None
        elif received.by is not None:
            path.home, path.signed_pickup = (), True
        if not admits:
            end = rule
            handed_in = rule is _AUTHENTICATED or rule is _SUBMISSION_HOST
            break
        if rule not in _STAYING:
            _step(path, rule, received, site)
    if end is None and path.home:
        end = Rule.LOCAL_PICKUP
    if end is _UNREADABLE or end is _NO_ADDRESS:
        path.source = None
    name = _undoubted(hops[path.source], texts[path.source]) if path.source is not None else None
    draft = _WalkDraft(
        len(reasons), path.source, name, end, path.source_via, tuple(reasons), observed, handed_in, path.picked_up
    )
    draft.__class__ = Walk
    return draft


def _step(path: _Path, rule: Rule, received: Received, site: Site) -> None:
    """Move on to the client that was admitted, another host than the one that wrote `received`."""
    path.client = received
    if rule in _INFERRED:
        path.via = rule if path.via not in _LOOKED_PAST else path.via
        return
    match rule:
        case Rule.FETCH_MARKER:
            path.via, path.source, path.behind_msa, path.client = Rule.FETCH_MARKER, None, False, None
            path.domains = None if site.declared else set()
        case Rule.FORWARDER | Rule.MAILING_LIST:
            path.via, path.domains = rule, set()
        case Rule.TRUSTED_NETWORK | Rule.TRUSTED_HOST:
            path.via, path.domains = rule, None
        case Rule.SUBMISSION_HOST:
            path.via, path.behind_msa = rule, True
        case _:
            pass


def _judge(received: Received, older: Received | None, site: Site, path: _Path) -> _Verdict:
    """Whether the host that handed the mail to the writer of this line is believed as well."""
    if received.status == "unparseable":
        return Rule.UNREADABLE, "a believed host's line cannot be read; nothing below counts", False
    if received.kind is _FETCH:
        return Rule.FETCH_MARKER, "fetched from a mailbox, whose host wrote the next line", True
    if received.kind is _LOCAL or received.ip is None:
        return _judge_without_address(received, older, path)
    if scope(received.ip) is _LOOPBACK:
        return _judge_loopback(received, older, site)
    name = confirmed_name(received, path.text) if site.names_hosts else None
    return (
        _judge_handed_in(received, site, path, name)
        or (_judge_declared(received, older, site, name) if site.names_hosts else None)
        or (_judge_undeclared(received, older, path, path.domains) if path.domains is not None else None)
        or _stranger(received, path)
    )


def _judge_loopback(received: Received, older: Received | None, site: Site) -> _Verdict:
    if older is None or not _is_foreign(received, older) or site.is_own_name(older.by):
        return Rule.LOOPBACK, f"{received.ip} is the host itself", True
    sentence = (
        f"a program on {received.by} handed the mail in and brought along what {older.by} is said to have written"
    )
    return Rule.LOCAL_PICKUP, sentence, False


def _judge_without_address(received: Received, older: Received | None, path: _Path) -> _Verdict:
    if received.kind is _LOCAL:
        sentence = f"{received.by or 'the host'} took it from a local user or filter; below, only its own line counts"
        return Rule.LOCAL_PICKUP, sentence, True
    if received.kind in _INSIDE_ONE_PROVIDER:
        if not _is_foreign(received, older):
            return Rule.SAME_HOST, "a step on the same host, or inside one provider", True
        sentence = f"the mail began at {received.by}, which does not say from whom; what stands below came with it"
        return Rule.LOCAL_PICKUP, sentence, False
    if received.kind in _OF_USERS or received.auth:
        return Rule.AUTHENTICATED, "a user handed the mail in; the line names no address", False
    return _judge_named_only(received, older, path)


def _judge_named_only(received: Received, older: Received | None, path: _Path) -> _Verdict:
    """A relay's line that names its client, but not the address."""
    client = received.rdns or received.helo
    if is_localhost(client):
        return Rule.LOOPBACK, "the client is the host itself", True
    inside = path.domains is not None and client is not None and registrable(client) in path.domains
    if inside and older is not None and same_host(older.by, client):
        return Rule.OWN_DOMAIN, f"{client} belongs to the same site and wrote the next line", True
    return Rule.NO_ADDRESS, "the line names no address for the client that delivered", False


def _judge_handed_in(received: Received, site: Site, path: _Path, name: str | None) -> _Verdict | None:
    """Whether the client is a user rather than a relay; a declared host that authenticates is a relay all the same."""
    if site.declared and site.trusted.has(received.ip, name):
        return None
    if path.behind_msa:
        sentence = f"{received.ip} handed the mail to a declared submission host"
        return Rule.SUBMISSION_HOST, sentence, False
    if received.auth is not None or received.kind in _OF_USERS:
        sentence = f"{received.ip} proved to be a user of {received.by or 'the host that wrote this line'}"
        return Rule.AUTHENTICATED, f"{sentence}: a user's own lines may say anything", False
    return None


def _judge_declared(received: Received, older: Received | None, site: Site, name: str | None) -> _Verdict | None:
    ip = received.ip
    entry = site.trusted.match(ip, name)
    if entry is not None and entry.excludes:
        return Rule.EXCLUDED, f"{ip} is excluded by {entry.text!r}", False
    if site.msas.has(ip, name) and (entry is not None or not site.declared):
        return Rule.SUBMISSION_HOST, f"{ip} is a declared submission host", True
    if entry is not None:
        if entry.version:
            return Rule.TRUSTED_NETWORK, f"{ip} lies in {entry.text}", True
        return _judge_named(received, older, site, entry.text)
    for rule, hosts in ((Rule.FORWARDER, site.forwarders), (Rule.MAILING_LIST, site.lists)):
        entry = hosts.match(ip, name)
        if entry is not None and not entry.excludes:
            return rule, f"{name or ip} fits {entry.text}: looked past", True
    return None


def _judge_named(received: Received, older: Received | None, site: Site, declared: str) -> _Verdict:
    """A host believed by its name must also go by such a name in its own line."""
    name = received.rdns
    by = older.by if older is not None else None
    if by is None or not is_qualified(by) or site.is_own_name(by) or same_owner(by, name):
        return Rule.TRUSTED_HOST, f"{name} fits {declared}", True
    sentence = f"possible forgery: {by} is not among the declared hosts, though {name} ({declared}) delivered its line"
    return Rule.UNDECLARED_RECEIVER, sentence, False


def _judge_undeclared(received: Received, older: Received | None, path: _Path, domains: set[str]) -> _Verdict | None:
    """What the top of the chain itself tells of the site's own relays; asked only where nothing was declared."""
    if received.kind in _OF_ONE_KIND:
        return Rule.SAME_HOST, f"{received.by} took it from its own kind, by {received.protocol}", True
    if scope(received.ip) is _PRIVATE:
        return _judge_private(received, older, domains)
    return _judge_relative(received, older, path, domains) if older is not None else None


def _judge_relative(received: Received, older: Received, path: _Path, domains: set[str]) -> _Verdict | None:
    """A relay with a public address that belongs to the site by its looked-up name or by where it stands."""
    name = confirmed_name(received, path.text) if same_host(older.by, received.rdns) else None
    if name is not None and _is_central(name, received.by, domains):
        sentence = f"{name} stands in the domain of {received.by} and wrote the next line"
        return Rule.OWN_DOMAIN, sentence, True
    if _is_neighbour(received, older, domains):
        sentence = f"{received.ip} stands beside {received.by} and wrote the next line"
        return Rule.OWN_NEIGHBOUR, sentence, True
    return None


def _judge_private(received: Received, older: Received | None, domains: set[str]) -> _Verdict:
    """A private address is the site's own network; but then the next line must be the site's too."""
    by = older.by if older is not None else None
    if by is None or not is_qualified(by) or registrable(by) in domains or same_owner(by, received.rdns):
        return Rule.PRIVATE_HANDOFF, f"{received.ip} is an address of the site's own network", True
    sentence = (
        f"{received.ip} is private, yet {by} claims to have written the next line; an MX behind NAT must be declared"
    )
    return Rule.DECLARE_BEHIND_NAT, sentence, False


def _stranger(received: Received, path: _Path) -> _Verdict:
    known = f"{received.ip} ({received.rdns})" if received.rdns else f"{received.ip}"
    what = "not declared" if path.domains is None else "not of this site"
    return Rule.FIRST_STRANGER, f"{known} is {what}: what stands below is its own word", False


def confirmed_name(received: Received, text: str | None) -> str | None:
    """The client's name, if the writer looked it up and resolved it back; `text` is the line, None for our own hop.

    That is the custom of Sendmail, Postfix and what writes like them, `(name [ip])`, and of Exim. Others write any name
    that the address claims, in layouts of their own, and Sendmail says where it found a contradiction.
    """
    name = received.rdns
    if name is None or text is None:
        return name
    if _MAY_BE_FORGED in text:
        return None
    if f"({name} [" in text or (received.software is not None and received.software.startswith("Exim")):
        return name
    if f"({name}" not in text and f"@{name}" not in text:
        return None
    unfolded = " ".join(text.split())
    return name if any(f"{before}{name}{after}" in unfolded for before in "(@" for after in (" [", ". [")) else None


def _undoubted(received: Received, text: str | None) -> str | None:
    name = received.rdns
    return None if name is not None and text is not None and _MAY_BE_FORGED in text else name


def _is_central(name: str, by: str | None, domains: set[str]) -> bool:
    """Whether a host of a site's domain is a relay, not a customer: its name stands no deeper than the writer's."""
    writer = canonical(by) if by else None
    host = canonical(name)
    if writer is None or host is None or registrable(host) not in domains or looks_dynamic(host):
        return False
    parent = host.partition(".")[2]
    return f".{writer.partition('.')[2]}".endswith(f".{parent}")


def _is_neighbour(received: Received, older: Received, domains: set[str]) -> bool:
    """Whether a client names itself after the site, stands beside the writer, and wrote the next line as itself.

    HELO and the next line are the client's word; only the address is the writer's. So all three must agree, and it
    takes a writer that gives its own address (Exchange does) or a provider's inner network.
    """
    if received.helo is None or registrable(received.helo) not in domains:
        return False
    if not near(received.ip, received.by_ip, v4_bits=_NEAR_V4_BITS, v6_bits=_NEAR_V6_BITS):
        return is_inner(domains, received.ip) and older.by is not None and registrable(older.by) in domains
    return older.by_ip == received.ip or same_host(older.by, received.helo) or same_label(older.by, received.helo)


def _home(received: Received, path: _Path) -> tuple[str, ...]:
    """The names under which a host that picked mail up must sign its next line; none where they are not known.

    qmail's remark does not say where it was made; then the line above does.
    """
    client = path.client
    names = (received.by,) if received.by is not None else (client.helo, client.rdns) if client is not None else ()
    return tuple(name for name in names if name is not None and is_qualified(name))


def _is_luggage(received: Received, path: _Path) -> bool:
    """Whether a line below a local pick-up came along with the mail: the host that picked it up did not write it.

    A filter's host wrote its next line itself. Remarks that nobody signs prove nothing either way below qmail's.
    """
    if received.by is None:
        return received.status == "unparseable" or path.signed_pickup
    return received.kind is _FETCH or not any(same_host(received.by, name) for name in path.home)


def _is_foreign(received: Received, older: Received | None) -> bool:
    """Whether the line below a step on one host, or inside one provider, was written by another owner."""
    if older is None or not is_qualified(received.by) or not is_qualified(older.by):
        return False
    return not same_owner(older.by, received.by)


def _look_at(received: Received, text: str | None, path: _Path) -> None:
    """Make a believed line the present one, and its writer's domain one of the site's own where these are inferred."""
    path.text = text
    if path.domains is not None and received.by is not None and received.status == "parsed":
        domain = registrable(received.by)
        if domain is not None:
            path.domains.add(domain)


def _next_signed(hops: Sequence[Received], index: int) -> Received | None:
    """The next hop older than the one at `index` that says by whom it was written."""
    for older in islice(hops, index + 1, None):
        if older.by is not None:
            return older
    return None
