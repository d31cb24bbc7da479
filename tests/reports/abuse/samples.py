"""One spam of our own making, and the report about it, for the tests of this folder."""

from dataclasses import replace
from datetime import UTC, datetime

from hoptrail_reports.abuse import evidence
from hoptrail_reports.abuse.report import Report
from hoptrail_tracer.model import AddressFacts, Contact, ZoneResult

SPAMMER = "67.168.191.41"
NAME = "c-67-168-191-41.client.comcast.net"
VICTIM = "john.smith@example.org"
NOON = datetime(2026, 11, 20, 12, 0, 5, tzinfo=UTC)

SPAM = (
    b"Received: from mail.bank.example (c-67-168-191-41.client.comcast.net [67.168.191.41])\r\n"
    b"\tby mx.example.org (Postfix) with SMTP id 4dD1Zx0YqG\r\n"
    b"\tfor <john.smith@example.org>; Fri, 20 Nov 2026 12:00:05 +0000 (UTC)\r\n"
    b"From: Bank <security@bank.example>\r\n"
    b"To: John Smith <john.smith@example.org>\r\n"
    b"Subject: Your account, john.smith@example.org\r\n"
    b"Date: Fri, 20 Nov 2026 11:59:58 +0000\r\n"
    b"Message-ID: <1@bank.example>\r\n"
    b"MIME-Version: 1.0\r\n"
    b'Content-Type: multipart/alternative; boundary="=_b"\r\n'
    b"\r\n"
    b"--=_b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    b"Gr\xc3\xbc\xc3\x9fe! http://bank.example/?u=john.smith%40example.org\r\n"
    b"--=_b\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    b"PGEgaHJlZj0iaHR0cDovL2JhbmsuZXhhbXBsZS8/ZT1qb2huLnNtaXRoQGV4YW1wbGUub3JnIj5n\r\nbzwvYT4=\r\n"
    b"--=_b--\r\n"
)


def report(raw: bytes = SPAM, *, limit_bytes: int = 65_536, whole: bool = False, **changes: object) -> Report:
    shown = evidence.prepare(raw, [VICTIM], limit_bytes=limit_bytes, munged=not whole)
    made = Report(
        id="20261120-abcdefgh",
        contact=Contact("abuse@comcast.net", "rdap", 0.9, "67.160.0.0/11", "Comcast"),
        facts=AddressFacts(
            ip=SPAMMER,
            name=NAME,
            name_confirmed=True,
            asn=7922,
            as_name="COMCAST-7922",
            country="US",
            zones=(ZoneResult("cbl.abuseat.org", "listed", ("127.0.0.2",)), ZoneResult("bl.spamcop.net", "error")),
        ),
        received_at=NOON,
        messages=3,
        first_at=NOON.replace(hour=9),
        last_at=NOON,
        reporting_mta="mx.example.org",
        reasons=("the connection itself: never forgeable",),
        evidence=shown,
        source_port=51234,
        helo="mail.bank.example",
        envelope_from="security@bank.example",
        subject="Your account, x",
        created_at=NOON.replace(day=21, hour=3),
    )
    return replace(made, **changes)
