"""Chains with known truth: real shapes of ten kinds of software, and below them whatever a liar may write.

A chain is composed from the top: own and trusted relays down to the stranger who delivered, then honest lines or
forged ones. Whoever traces it must find the stranger, neither less deep nor deeper.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from random import Random

from hoptrail_tracer.model import Connection
from hoptrail_tracer.settings import SiteSettings

HEX = "0123456789ABCDEF"
BASE_52 = "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz"
BASE_60 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwx"
BASE_62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
OWN_DOMAIN = "example.org"
START = datetime(2025, 3, 1, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Host:
    ip: str
    name: str
    looked_up: bool = True  # its address has a name that resolves back
    helo: str | None = None  # what it calls itself; its name where None


@dataclass
class Composed:
    """A chain, what the site knows, and the truth: the address that delivered, and the line that names it."""

    received: list[str]
    site: SiteSettings
    truth: str
    boundary: int  # index of the hop that names it
    fields: list[tuple[str, str]]
    connection: Connection | None = None
    believed: int = 0  # hops from the top that believed hosts wrote

    def __post_init__(self) -> None:
        self.believed = self.believed or self.boundary + 1


def digits(number: int, base: str, width: int) -> str:
    text = ""
    for _ in range(width):
        number, rest = divmod(number, len(base))
        text = base[rest] + text
    return text


def pick(random: Random, alphabet: str, count: int) -> str:
    return "".join(random.choice(alphabet) for _ in range(count))


def stamp(date: datetime, comment: str = "") -> str:
    return format_datetime(date) + comment


def postfix(random: Random, client: Host, by: Host, date: datetime) -> str:
    name = client.name if client.looked_up else "unknown"
    queue_id = pick(random, HEX, random.randint(10, 12))
    if random.random() < 0.5:
        queue_id = digits(int(date.timestamp()), BASE_52, 6) + pick(random, BASE_52, 4) + "z" + pick(random, BASE_52, 3)
    tls = (
        "\n\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits))\n\t(No client certificate requested)"
        if random.random() < 0.5
        else ""
    )
    for_ = "\n\tfor <someone@example.org>" if random.random() < 0.5 else ""
    return (
        f"from {client.helo or client.name} ({name} [{client.ip}]){tls}\n\tby {by.name} (Postfix) with "
        f"ESMTP{'S' if tls else ''} id {queue_id}{for_};\n\t{stamp(date, ' (CET)')}"
    )


def sendmail(random: Random, client: Host, by: Host, date: datetime) -> str:
    utc = date.astimezone(UTC)
    when = (utc.year - 1900) % 60, utc.month - 1, utc.day, utc.hour, utc.minute, utc.second
    queue_id = "".join(BASE_60[part] for part in when) + pick(random, BASE_60, 2) + f"{random.randrange(1000000):06}"
    peer = f"{client.name} [{client.ip}]" if client.looked_up else f"[{client.ip}]"
    version = random.choice(["8.14.4", "8.15.2", "8.17.1"])
    return (
        f"from {client.helo or client.name} ({peer}) by {by.name} ({version}/{version}) with ESMTP id {queue_id}\n"
        f"\tfor <someone@example.org>; {stamp(date)}"
    )


def exim(random: Random, client: Host, by: Host, date: datetime) -> str:
    queue_id = digits(int(date.timestamp()), BASE_62, 6)
    old = random.random() < 0.5
    queue_id += "-" + pick(random, BASE_62, 6 if old else 11) + "-" + pick(random, BASE_62, 2 if old else 4)
    peer = f"{client.name} ([{client.ip}])" if client.looked_up else f"[{client.ip}]"
    if client.helo is not None or not client.looked_up:
        helo = client.helo or client.name
        peer = f"{client.name} ([{client.ip}] helo={helo})" if client.looked_up else f"[{client.ip}] (helo={helo})"
    return (
        f"from {peer}\n\tby {by.name} with esmtps (TLS1.3) tls TLS_AES_256_GCM_SHA384\n\t(Exim "
        f"{'4.94' if old else '4.98'})\n\t(envelope-from <a@b.example>)\n\tid {queue_id}\n\tfor someone@example.org; "
        f"{stamp(date)}"
    )


def exchange(random: Random, client: Host, by: Host, date: datetime) -> str:
    return (
        f"from {client.helo or client.name} ({client.ip}) by\n {by.name} ({by.ip}) with Microsoft SMTP Server\n "
        f"(version=TLS1_2, cipher=TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384) id\n 15.20.{random.randrange(9999)}.12 via "
        f"Frontend Transport; {stamp(date)}"
    )


def qmail(_: Random, client: Host, by: Host, date: datetime) -> str:
    name = client.name if client.looked_up else "unknown"
    helo = f" (HELO {client.helo})" if client.helo else ""
    return f"from {name}{helo} ({client.ip})\n  by {by.name} with SMTP; {stamp(date)}"


def opensmtpd(random: Random, client: Host, by: Host, date: datetime) -> str:
    name = client.name if client.looked_up else "<unknown>"
    return (
        f"from {client.helo or client.name} ({name} [{client.ip}])\n\tby {by.name} (OpenSMTPD) with ESMTP id "
        f"{pick(random, HEX.lower(), 8)};\n\t{stamp(date)}"
    )


def google(random: Random, client: Host, by: Host, date: datetime) -> str:
    peer = f"{client.name}. [{client.ip}]" if client.looked_up else f"[{client.ip}]"
    pacific = date.astimezone(timezone(timedelta(hours=-8)))
    queue_id = f"d2e1a72fcca58-{pick(random, HEX.lower(), 12)}si{random.randrange(99999)}.3.{pacific:%Y.%m.%d.%H.%M.%S}"
    return (
        f"from {client.helo or client.name} ({peer})\n        by {by.name} with ESMTPS id {queue_id}\n        for "
        f"<someone@example.org>\n        (version=TLS1_3 cipher=TLS_AES_256_GCM_SHA384 bits=256/256);\n        {stamp(date)}"
    )


STYLES = (postfix, sendmail, exim, exchange, qmail, opensmtpd, google)
CONFIRMING = (postfix, sendmail, exim, opensmtpd)


def amavis(random: Random, by: Host, date: datetime) -> str:
    return (
        f"from {by.name} ([127.0.0.1])\n\tby localhost ({by.name} [127.0.0.1]) (amavisd-new, port 10024)\n\twith ESMTP id "
        f"{pick(random, BASE_62, 12)}; {stamp(date)}"
    )


def qmail_remark(random: Random, date: datetime) -> str:
    return f"(qmail {random.randrange(99999)} invoked {random.choice(['from network', 'by uid 89', 'by alias'])}); {stamp(date)}"


def own_host(random: Random) -> Host:
    number = random.randrange(1, 200)
    return Host(f"192.0.2.{number}", f"{random.choice(['mx', 'relay', 'gw', 'filter'])}{number}.{OWN_DOMAIN}")


def stranger(random: Random) -> Host:
    ip = f"{random.choice([5, 45, 62, 77, 88, 91, 103, 185, 201, 217])}.{random.randrange(1, 255)}.{random.randrange(256)}.{random.randrange(1, 255)}"
    if random.random() < 0.15:
        ip = f"2a0{random.randrange(10)}:{random.randrange(1, 0xFFFF):x}::{random.randrange(1, 0xFFFF):x}"
    name = random.choice(
        [
            f"host-{random.randrange(9999)}.isp{random.randrange(99)}.net",
            f"mail.firm{random.randrange(999)}.com",
            f"dsl-{random.randrange(255)}-{random.randrange(255)}.pool.telco.com.br",
        ]
    )
    helo = None
    if random.random() < 0.4:
        own = [f"mx1.{OWN_DOMAIN}", OWN_DOMAIN, "localhost", "[192.0.2.7]", "[127.0.0.1]"]
        helo = random.choice([*own, "198.51.100.1", "mail.yahoo.com", "User"])
    return Host(ip, name, looked_up=random.random() < 0.6, helo=helo)


class Clock:
    """Time that runs backwards as the chain is composed from the top, with the skew of each host."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._now = START + timedelta(seconds=random.randrange(10**7))

    def older(self) -> datetime:
        self._now -= timedelta(seconds=self._random.choice([0, 1, 2, 5, 60, 4000]))
        skew_s = self._random.choice([0, 0, 0, 3, -200, 3600, -7200, 40000])
        return self._now + timedelta(seconds=skew_s)
