"""Recipients hidden: every form of an address that a report may carry becomes `x`.

A spammer who learns from a report which address complained removes that address and goes on ("list washing"), so spam
carries its recipient in many disguises: in header fields, in bodies of any transfer encoding, percent-encoded once or
twice in links, as HTML entities, as VERP (`user=example.org`), as base64, hexadecimal or a digest in a tracking link.
What is not a recipient stays as it is, byte for byte; a base64 body that had to change is encoded anew.
"""

import base64
import hashlib
import re
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, cast

from hoptrail_reports.abuse import encoded_words, mime

MASK: Final = b"x"
MAX_ADDRESSES: Final = 1_000
"""More recipients than any MTA takes in one transaction (Postfix: 1,000 by default)."""

_ESCAPES = re.compile(
    rb"%(?:25)*(?P<percent>[0-9A-Fa-f]{2})|&#0*(?P<decimal>[0-9]{1,3});?|&#[xX]0*(?P<hex>[0-9A-Fa-f]{1,2});?"
    rb"|&(?P<name>commat|period|plus|lowbar|hyphen);"
)
_QUOTED = re.compile(rb"=(?P<quoted>[0-9A-Fa-f]{2})|=[ \t]*\r?\n")
_LAYERS: Final = ((), (_ESCAPES,), (_QUOTED,), (_QUOTED, _ESCAPES))
_ENTITIES: Final = {b"commat": b"@", b"period": b".", b"plus": b"+", b"lowbar": b"_", b"hyphen": b"-"}
_DIGESTS: Final = ("md5", "sha1", "sha256")
_LOCAL = re.compile(rb"[\w.!#$&'*+/?^`{|}~-]{1,64}\Z")
_AT: Final = rb"(?:@|=|\s{0,2}[\[({]\s?at\s?[\])}]\s{0,2}|\sat\s)"
_WORD = re.compile(rb"[0-9a-z\x80-\xff](?:[0-9a-z._+\x80-\xff-]*[0-9a-z\x80-\xff])?")
_HEX = re.compile(rb"(?<![0-9a-f])(?:[0-9a-f]{2}){6,}(?![0-9a-f])")
_BASE64 = (re.compile(rb"[A-Za-z0-9+_-]{8,}"), re.compile(rb"[A-Za-z0-9+/_-]{8,}"))
_STANDARD: Final = bytes.maketrans(b"-_", b"+/")
_WIDE = re.compile(r"utf-?(?:7|16|32)", re.IGNORECASE)

_RECIPIENT_FIELD = re.compile(
    rb"^((?:resent-|x-|x-original-|x-envelope-|x-delivered-|x-forwarded-|apparently-|original-|delivered-|envelope-)?"
    rb"(?:to|cc|bcc|for|rcpt-to|recipients?)|x-rcptto|final-recipient)(\s*:[ \t]*)([^\r\n]*(?:\r?\n[ \t][^\r\n]*)*)",
    re.IGNORECASE | re.MULTILINE,
)
_FOR_CLAUSE = re.compile(rb"(?<=\sfor\s)\s*(?:<[^>\s]*>|[^\s;<>]+@[^\s;<>]+)", re.IGNORECASE)
_FIELD = re.compile(rb"[^\r\n]*(?:\r?\n[ \t][^\r\n]*)*(?:\r?\n|\Z)")
_TRACE_FIELD = re.compile(
    rb"(?:received|return-path|authentication-results|received-spf|dkim-signature|arc-[\w-]+|message-id|date|from"
    rb"|mime-version|content-[\w-]+|x-spam-[\w-]+|x-hoptrail-[\w-]+)\s*:",
    re.IGNORECASE,
)
_ADDRESS = re.compile(rb"[\w.!#$%&'*+/=?^`{|}~\x80-\xff-]{1,64}@[\w.\x80-\xff-]{1,253}")

_LEAST_WORD: Final = 4
ORDINARY: Final = frozenset(
    b"abuse admin body contact content email font height hello help home href html http https image info list mail"
    b" manager marketing message news newsletter office orders page postmaster root sales service shop staff style"
    b" support table team test text title user webmaster width".split()
)
"""Local parts that are words of their own: hidden as part of an address, not where they stand alone."""


@dataclass(frozen=True, slots=True)
class Targets:
    """What must not be readable in a report: addresses by domain, their local parts as words, their digests."""

    locals_by_domain: dict[bytes, frozenset[bytes]]
    domains: re.Pattern[bytes]
    words: frozenset[bytes]
    digests: frozenset[bytes]


def targets(addresses: Iterable[str]) -> Targets | None:
    """The targets for some recipients, None where there is no address to hide."""
    by_domain: dict[bytes, set[bytes]] = {}
    digests: set[bytes] = set()
    for address in list(addresses)[:MAX_ADDRESSES]:
        local, at, domain = address.strip().strip("<>").lower().rpartition("@")
        if not (local and at and domain):
            continue
        for name in _spellings(domain):
            by_domain.setdefault(name, set()).add(_utf8(local))
            whole = _utf8(local) + b"@" + name
            digests.update(hashlib.new(kind, whole, usedforsecurity=False).hexdigest().encode() for kind in _DIGESTS)
    if not by_domain:
        return None
    names = b"|".join(re.escape(name) for name in sorted(by_domain, key=len, reverse=True))
    words = {local for group in by_domain.values() for local in group if len(local) >= _LEAST_WORD} - ORDINARY
    return Targets(
        locals_by_domain={name: frozenset(group) for name, group in by_domain.items()},
        domains=re.compile(_AT + rb"(" + names + rb")"),
        words=frozenset(words),
        digests=frozenset(digests),
    )


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _spellings(domain: str) -> set[bytes]:
    """A domain as it was written, in its ASCII form and in its own letters (RFC 3490)."""
    names = {_utf8(domain)}
    with suppress(UnicodeError):
        names.add(domain.encode("idna").lower())
    with suppress(UnicodeError):
        names.add(domain.encode("ascii").decode("idna").lower().encode())
    return names


def munge(raw: bytes, recipients: Iterable[str]) -> bytes:
    """A message with its recipients, and whomever its own address fields name, hidden."""
    return _munge(raw, targets([*recipients, *_named(raw)]))


def _munge(raw: bytes, wanted: Targets | None) -> bytes:
    pieces = []
    for stretch in mime.stretches(raw):
        header = _munge_header(stretch.header, wanted)
        pieces += [_hide(stretch.lead, wanted), header, _munge_body(stretch, wanted)]
    return b"".join(pieces)


def munge_text(text: str, recipients: Iterable[str]) -> str:
    """One line of text, such as a subject or an envelope address, with the recipients hidden."""
    wanted = targets(recipients)
    return _hide(_utf8(text), wanted, words=True).decode("utf-8", "surrogateescape")


def _named(raw: bytes) -> list[str]:
    """The addresses in the recipient fields of every header: other people who got this spam."""
    found = []
    for stretch in mime.stretches(raw):
        for field in _RECIPIENT_FIELD.finditer(stretch.header):
            text = encoded_words.decoded(field[3])
            found += [match[0].decode("utf-8", "surrogateescape") for match in _ADDRESS.finditer(text)]
        found += [match[0].decode("utf-8", "surrogateescape").strip() for match in _FOR_CLAUSE.finditer(stretch.header)]
    return found


def _munge_header(header: bytes, wanted: Targets | None) -> bytes:
    pieces = []
    for match in _FIELD.finditer(header):
        field = _RECIPIENT_FIELD.sub(lambda found: found[1] + found[2] + MASK, match[0])
        field = _FOR_CLAUSE.sub(b"<" + MASK + b">", field) if field[:9].lower() == b"received:" else field
        field = encoded_words.replaced(field, lambda text: _hide(text, wanted, words=True))
        pieces.append(_hide(field, wanted, words=not _TRACE_FIELD.match(field)))
    return b"".join(pieces)


def _munge_body(stretch: mime.Stretch, wanted: Targets | None) -> bytes:
    if stretch.encoding == "base64":
        return _munge_base64(stretch, wanted)
    return _munge_text(stretch.body, stretch.charset, wanted)


def _munge_text(body: bytes, charset: str, wanted: Targets | None) -> bytes:
    if _WIDE.match(charset):
        try:
            text = body.decode(charset).encode()
            hidden = _hide(text, wanted, words=True)
            return body if hidden == text else hidden.decode().encode(charset)
        except (UnicodeError, LookupError):
            pass
    return _hide(body, wanted, words=True)


def _munge_base64(stretch: mime.Stretch, wanted: Targets | None) -> bytes:
    body = stretch.body
    decoded = b"".join(_decoded(chunk) for chunk in re.findall(rb"[A-Za-z0-9+/\s]+", body))
    if stretch.content_type == "message/rfc822":
        hidden = _munge(decoded, wanted)
    else:
        hidden = _munge_text(decoded, stretch.charset, wanted)
    if hidden == decoded:
        return _hide(body, wanted)
    newline = b"\r\n" if b"\r\n" in body else b"\n"
    return base64.encodebytes(hidden).replace(b"\n", newline)


def _decoded(chunk: bytes) -> bytes:
    """What a run of base64 says; the loose end of a cut one is dropped."""
    digits = re.sub(rb"\s+", b"", chunk)
    if len(digits) % 4 == 1:
        digits = digits[:-1]
    return base64.b64decode(digits + b"=" * (-len(digits) % 4))


def _hide(raw: bytes, wanted: Targets | None, *, words: bool = False) -> bytes:
    """Text with the addresses hidden, whether they stand there plainly, escaped, encoded or as a digest.

    With `words` a local part may not stand alone either, as in "Dear john.smith" or `?user=john.smith`.
    """
    if wanted is None or not raw:
        return raw
    for find in (_spans, _words) if words and wanted.words else (_spans,):
        for layers in _LAYERS:
            view = _view(raw, layers)
            if view is not None:
                text, offsets = view
                raw = _replaced(raw, sorted((offsets[start], offsets[end]) for start, end in find(text, wanted)))
    return raw


def _replaced(raw: bytes, spans: list[tuple[int, int]]) -> bytes:
    pieces, done = [], 0
    for start, end in spans:
        if start >= done:
            pieces += [raw[done:start], MASK]
        done = max(done, end)
    return b"".join([*pieces, raw[done:]]) if pieces else raw


def _view(raw: bytes, layers: tuple[re.Pattern[bytes], ...]) -> tuple[bytes, Sequence[int]] | None:
    """Text with its escapes read layer by layer, and where each of its bytes stands in `raw`; None without escapes."""
    text, offsets = raw, cast("Sequence[int]", range(len(raw) + 1))
    for units in layers:
        text, inner = _unescaped(text, units)
        if inner is None:
            return None
        offsets = array("L", [offsets[place] for place in inner])
    return text, offsets


def _unescaped(raw: bytes, units: re.Pattern[bytes]) -> tuple[bytes, Sequence[int] | None]:
    pieces: list[bytes] = []
    offsets = array("L")
    done = 0
    for match in units.finditer(raw):
        pieces.append(raw[done : match.start()])
        offsets.extend(range(done, match.start()))
        unit = _unit(match)
        if unit:
            pieces.append(unit)
            offsets.append(match.start())
        done = match.end()
    if not done:
        return raw, None
    pieces.append(raw[done:])
    offsets.extend(range(done, len(raw) + 1))
    return b"".join(pieces), offsets


def _unit(match: re.Match[bytes]) -> bytes:
    """The byte an escape stands for; nothing for a soft line break."""
    digits = match["hex"] or match["percent"] if match.re is _ESCAPES else match["quoted"]
    if digits:
        return bytes((int(digits, 16),))
    if match.re is _ESCAPES:
        return _ENTITIES[match["name"]] if match["name"] else bytes((min(int(match["decimal"]), 255),))
    return b""


def _spans(text: bytes, wanted: Targets) -> Iterator[tuple[int, int]]:
    """Where an address or what says one stands in text whose escapes have been read."""
    lower = text.lower()
    yield from _addresses(lower, wanted)
    for match in _HEX.finditer(lower):
        if match[0] in wanted.digests or _says(bytes.fromhex(match[0].decode()), wanted):
            yield match.span()
    for tokens in _BASE64:
        for match in tokens.finditer(text):
            if _base64_says(match[0], wanted):
                yield match.span()


def _words(text: bytes, wanted: Targets) -> Iterator[tuple[int, int]]:
    for match in _WORD.finditer(text.lower()):
        if match[0] in wanted.words:
            yield match.span()


def _addresses(lower: bytes, wanted: Targets) -> Iterator[tuple[int, int]]:
    for match in wanted.domains.finditer(lower):
        known = wanted.locals_by_domain[match[1]]
        before = lower[max(0, match.start() - 64) : match.start()]
        token = _LOCAL.search(before)
        if token and token[0].split(b"+")[0] in known:  # user+tag@
            yield match.start() - len(token[0]), match.end()
            continue
        lengths = [len(local) for local in known if before.endswith(local)]
        if lengths:
            yield match.start() - max(lengths), match.end()


def _base64_says(token: bytes, wanted: Targets) -> bool:
    digits = token.translate(_STANDARD)
    return any(_says(_decoded(digits[skip:]), wanted) for skip in range(4))


def _says(text: bytes, wanted: Targets) -> bool:
    return next(_addresses(text.lower(), wanted), None) is not None
