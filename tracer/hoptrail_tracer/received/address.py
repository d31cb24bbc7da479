"""IP addresses as Received lines spell them, in the canonical text form of `ipaddress`.

Mail software adds tags, ports, zones and brackets: `IPv6:2001:db8::1`, `fe80::1%14`, `::ffff:192.0.2.1`,
`[192.0.2.1]:4025`, `192.0.2.1.4025`. What is not an address is None; nothing is guessed.
"""

import re
from ipaddress import IPv6Address
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton

_MAPPED = bytes(10) + b"\xff\xff"  # ::ffff:0:0/96, RFC 4291 section 2.5.5.2

_PADDED = re.compile(r"[0-9]{3}(?:\.[0-9]{3}){3}")

_ENDPOINT = re.compile(
    r"""[\s/\[]*+ (?:ip(?:v[46])?:)? (?:
            (?P<v4>\d{1,3}(?:\.\d{1,3}){3}) (?:\]?[.:](?P<v4_port>\d{1,5}))?
          | (?P<v6>[0-9a-f:.]++) (?:%[^\s\[\]()]*+)? (?:\]:(?P<v6_port>\d{1,5}))?
        ) \]? \s*+""",
    re.VERBOSE | re.IGNORECASE,
)


def canonical(text: str) -> str | None:
    """The address that `text` is, without tag, zone or port; IPv4-mapped IPv6 becomes IPv4. None for anything else."""
    if ":" in text:
        return _canonical_v6(text)
    try:
        inet_pton(AF_INET, text)
    except (OSError, ValueError):  # ValueError: NUL or a character no address has
        return _padded_v4(text)
    return text


def endpoint(text: str) -> tuple[str, int | None] | None:
    """The address and port that `text` spells, brackets and tags allowed. None where it is more or less than that."""
    found = _ENDPOINT.fullmatch(text)
    if found is None:
        return None
    v4, v4_port, v6, v6_port = found.groups()
    ip = canonical(v4 or v6)
    return None if ip is None else (ip, port_number(v4_port or v6_port))


def port_number(digits: str | None) -> int | None:
    """The port that `digits` spell, None where there are none or too many."""
    if digits is None or len(digits) > len("65535"):  # before int() is asked, which refuses thousands of digits
        return None
    port = int(digits)
    return port if port <= 0xFFFF else None  # noqa: PLR2004 - the last port


def packed(text: str) -> bytes | None:
    """The four or sixteen bytes of the address that `text` is, as `canonical` reads it without tag and padding."""
    try:
        if ":" not in text:
            return inet_pton(AF_INET, text)
        six = inet_pton(AF_INET6, text.partition("%")[0])
    except (OSError, ValueError):  # ValueError: NUL or a character no address has
        return None
    return six[12:] if six.startswith(_MAPPED) else six


def _canonical_v6(text: str) -> str | None:
    if text[:5].lower() == "ipv6:":
        text = text[5:]
    found = packed(text)
    if found is None:
        return None
    if len(found) == 4:  # noqa: PLR2004
        return ".".join(map(str, found))
    shown = inet_ntop(AF_INET6, found)
    return str(IPv6Address(found)) if "." in shown else shown  # inet_ntop writes ::192.0.2.1 for IPv4-compatible


def _padded_v4(text: str) -> str | None:
    """An address with all octets padded to three digits, as some gateways write it; `7.0.030.2` is a version."""
    if _PADDED.fullmatch(text) is None:
        return None
    octets = [int(part) for part in text.split(".")]
    return ".".join(map(str, octets)) if max(octets) <= 0xFF else None  # noqa: PLR2004
