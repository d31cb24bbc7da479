"""What holds for every parsed line, however broken: the promises of `Received`, for the fuzzers and the tests."""

from ipaddress import ip_address

from hoptrail_tracer.model import Kind, Received

REASONS = frozenset(
    [
        "fetched",
        "scanner",
        "local-pickup",
        "no-address",
        "no-by",
        "no-from",
        "no-clauses",
        "qmail-invoked",
        "remark",
        "too-long",
    ]
)


def check(line: str, read: Received) -> None:
    """Raise AssertionError where `read`, made of `line`, breaks a promise; the message holds the line."""
    assert type(read) is Received
    assert read.status in {"parsed", "skipped", "unparseable"}
    assert isinstance(read.kind, Kind)
    assert (read.reason is None) == (read.status == "parsed")
    assert read.reason is None or read.reason in REASONS
    assert read.status != "parsed" or read.ip is not None
    for address in (read.ip, read.by_ip):
        assert address is None or str(ip_address(address)) == address, address
    assert read.ip is None or getattr(ip_address(read.ip), "ipv4_mapped", None) is None
    assert read.port is None or 0 <= read.port <= 0xFFFF
    assert read.date is None or (read.date.utcoffset() is not None and read.date.timestamp() is not None)
    for name in ("rdns", "helo", "ident", "by", "software", "protocol", "id", "for_", "envelope_from", "auth", "tls"):
        text = getattr(read, name)
        assert text is None or 0 < len(text) <= len(line) + 100, f"{name} of {line!r}"
    assert read.rdns is None or " " not in read.rdns
    hash(read)
