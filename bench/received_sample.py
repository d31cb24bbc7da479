"""Received lines for the bench: the shapes that mail has, with values that do not recur, the same for each seed.

The mix follows what a mail host of a mid-sized site sees today: much Exchange Online and Postfix, Gmail, Exim, some
Sendmail, qmail and appliances, filters on the same host, and the odd old or broken line. Chains hold together: each
host hands on to the next one, with its name and address. The receiving site's own hosts recur as they do in its mail;
all other names, addresses, ids, senders, recipients and dates are new in each chain.
"""

import random
import string
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

WORDS = (
    *("mail", "mx", "smtp", "out", "relay", "gw", "mta", "edge", "in", "lists", "web", "node", "srv", "host", "post"),
    *("hub", "mx1", "mx2", "outbound"),
)
DOMAINS = (
    *("example.com", "example.net", "example.org", "example.co.uk"),
    *("example.de", "example.fr", "example.jp", "example.edu"),
)
CIPHERS = (
    *("TLS_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256", "DHE-RSA-AES256-SHA"),
    *("ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-AES128-GCM-SHA256"),
)
SENDMAILS = ("8.15.2/8.15.2", "8.17.1/8.17.1", "8.14.7/8.14.7", "8.11.6/8.11.6", "8.16.1.2/8.16.1.2")
EXIMS = ("4.96", "4.97.1", "4.94.2", "4.92", "4.98")
UPPER, LOWER = string.digits + "ABCDEF", string.digits + "abcdef"
BASE = string.digits + string.ascii_letters
BASE_62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
BASE_60, BASE_52 = BASE_62[:60], "".join(digit for digit in BASE_62 if digit not in "AEIOUaeiou")
START = datetime(2026, 1, 5, 6, 0, tzinfo=UTC)


class Composer:
    """Draws values for lines out of one seed; time runs on with each line."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.now = START
        self.client, self.client_ip, self.server, self.server_ip = self.host(), self.v4(), self.host(), self.v4()

    def step(self, *, home: bool) -> None:
        """Let the host that received last hand on to a new one, or to one of the receiving site."""
        self.client, self.client_ip = self.server, self.server_ip
        self.server, self.server_ip = (f"mx{self.number(6)}.example.org" if home else self.host()), self.v4()

    def pick(self, choices: tuple[str, ...] | list[str]) -> str:
        return choices[int(self.random.random() * len(choices))]

    def text(self, alphabet: str, length: int) -> str:
        return "".join(self.random.choices(alphabet, k=length))

    def number(self, below: int) -> int:
        return self.random.randrange(below)

    def host(self) -> str:
        owner = f"{self.text(LOWER, 3)}{self.number(900)}.{self.pick(DOMAINS)}"
        return f"{self.pick(WORDS)}{self.number(400)}.{owner}"

    def v4(self) -> str:
        return ".".join(str(self.random.randrange(*limits)) for limits in ((11, 100), (0, 256), (0, 256), (1, 255)))

    def v6(self) -> str:
        return "2a01:{:x}:{:x}::{:x}".format(*(self.random.randrange(1, 0xFFFF) for _ in range(3)))

    def digits(self, alphabet: str) -> str:
        """The seconds since 1970 in six digits of an alphabet, as queue ids hold them."""
        left, found = int(self.now.timestamp()), ""
        while len(found) < 6:
            left, digit = divmod(left, len(alphabet))
            found = alphabet[digit] + found
        return found

    def sendmail_id(self) -> str:
        now = self.now
        time = (now.year - 2020, now.month - 1, now.day, now.hour, now.minute, now.second)
        return (
            f"{''.join(BASE_60[part] for part in time)}{self.text(string.ascii_letters[:40], 2)}{self.number(10**6):06}"
        )

    def person(self) -> str:
        return f"{self.text(LOWER, 7)}@{self.host().partition('.')[2]}"

    def date(self, zone_minutes: int | None = None, comment: str = "") -> str:
        self.now += timedelta(seconds=self.random.randrange(1, 90))
        if zone_minutes is None:
            zone_minutes = self.random.choice((-480, -300, 0, 0, 60, 120, 540))
        local = self.now.astimezone(timezone(timedelta(minutes=zone_minutes)))
        return f"{local:%a, %e %b %Y %H:%M:%S %z}{comment}"


def exchange_online(c: Composer) -> str:
    c.server = f"{c.text(UPPER, 6)}PR04MB{c.number(9999):04}.eurprd0{c.number(9)}.prod.outlook.com"
    c.server_ip = c.v6()
    return (
        f"from {c.client} ({c.client_ip})\n by {c.server} ({c.server_ip}) with\n"
        f" Microsoft SMTP Server (version=TLS1_2,\n cipher=TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384) id"
        f" 15.20.{c.random.randrange(7000, 9000)}.{c.number(60)}; {c.date(0)}"
    )


def exchange_edge(c: Composer) -> str:
    c.server = f"AM{c.number(9)}PEPF{c.text(UPPER, 8)}.mail.protection.outlook.com"
    c.server_ip = f"10.167.{c.number(255)}.{c.number(255)}"
    tls = "(version=TLS1_3,\n cipher=TLS_AES_256_GCM_SHA384) " if c.random.random() < 0.7 else ""
    return (
        f"from {c.client} ({c.client_ip})\n by {c.server}\n ({c.server_ip}) with Microsoft SMTP Server {tls}"
        f"id 15.20.{c.random.randrange(7000, 9000)}.{c.number(60)} via Frontend\n Transport; {c.date(0)}"
    )


def exchange_https(c: Composer) -> str:
    c.server = f"{c.text(UPPER, 6)}MB{c.number(9999):04}.eurprd0{c.number(9)}.prod.outlook.com"
    return f"from {c.text(UPPER, 8)}.eurprd04.prod.outlook.com (::1) by\n {c.server} with HTTPS; {c.date(0)}"


def exchange_mapi(c: Composer) -> str:
    c.server = f"{c.text(UPPER, 6)}MB{c.number(9999):04}.eurprd04.prod.outlook.com"
    address = f"fe80::{c.text('123456789abcdef', 4)}:5fc5:b3ec:77ce"
    return (
        f"from {c.server}\n ([{address}]) by {c.server}\n ([{address}%{c.random.randrange(2, 9)}]) with mapi"
        f" id 15.20.{c.random.randrange(7000, 9000)}.{c.number(60):03}; {c.date(0)}"
    )


def postfix(c: Composer) -> str:
    rdns = "unknown" if c.random.random() < 0.15 else c.client
    return (
        f"from {c.client} ({rdns} [{c.client_ip}])\n\tby {c.server} (Postfix) with ESMTP id {c.text(UPPER, 11)}\n"
        f"\tfor <{c.person()}>; {c.date(0, ' (UTC)')}"
    )


def postfix_tls(c: Composer) -> str:
    tag = "IPv6:" if ":" in c.client_ip else ""
    id_ = f"{c.digits(BASE_52)}{c.text(BASE_52, 4)}z{c.text(BASE_52, 4)}"
    return (
        f"from {c.client} ({c.client} [{tag}{c.client_ip}])\n\t(using TLSv1.3 with cipher {c.pick(CIPHERS)}"
        " (256/256 bits)\n\t key-exchange X25519 server-signature RSA-PSS (2048 bits) server-digest SHA256)\n"
        f"\t(No client certificate requested)\n\tby {c.server} (Postfix) with ESMTPS id {id_}\n"
        f"\tfor <{c.person()}>; {c.date(60, ' (CET)')}"
    )


def postfix_submission(c: Composer) -> str:
    return (
        f"from [192.168.{c.number(255)}.{c.number(255)}] ({c.client} [{c.client_ip}])\n"
        f"\t(Authenticated sender: {c.person()})\n\tby {c.server} (Postfix) with ESMTPSA id {c.text(UPPER, 10)};\n"
        f"\t{c.date(120, ' (CEST)')}"
    )


def postfix_local(c: Composer) -> str:
    return f"by {c.server} (Postfix, from userid {c.number(2000)})\n\tid {c.text(UPPER, 10)}; {c.date(0, ' (UTC)')}"


def amavis(c: Composer) -> str:
    return (
        f"from {c.server} ([127.0.0.1])\n\tby localhost ({c.server} [127.0.0.1]) (amavisd-new, port 10024)\n"
        f"\twith ESMTP id {c.text(BASE, 12)} for <{c.person()}>;\n\t{c.date(60, ' (CET)')}"
    )


def gmail(c: Composer) -> str:
    c.server = "mx.google.com"
    id_ = f"{c.text(LOWER, 13)}sor{c.number(9999999)}wrn.{c.number(20)}.{c.now:%Y.%m.%d.%H.%M.%S}"
    return (
        f"from {c.client} ({c.client}. [{c.client_ip}])\n        by mx.google.com with SMTPS id {id_}\n"
        f"        for <{c.person()}>\n        (Google Transport Security);\n        {c.date(-480, ' (PST)')}"
    )


def gmail_internal(c: Composer) -> str:
    host = ":".join(c.text(LOWER[1:], 4) for _ in range(3))
    id_ = f"{c.text(LOWER, 32)}mr{c.number(99999999)}wrn.{c.number(20)}.{10**12 + c.number(10**12)}"
    return f"by 2002:a05:{host}:0:b0:1 with SMTP id\n {id_};\n {c.date(-480, ' (PST)')}"


def exim(c: Composer) -> str:
    helo = f" helo={c.host()}" if c.random.random() < 0.6 else ""
    id_ = f"{c.digits(BASE_62)}-{c.text(BASE, 11)}-{c.text(BASE, 4)}"
    return (
        f"from {c.client} ([{c.client_ip}]{helo})\n\tby {c.server} with esmtps  (TLS1.3) tls {c.pick(CIPHERS)}\n"
        f"\t(Exim {c.pick(EXIMS)})\n\t(envelope-from <{c.person()}>)\n\tid {id_}\n\tfor {c.person()};\n\t{c.date()}"
    )


def exim_literal(c: Composer) -> str:
    id_ = f"{c.digits(BASE_62)}-{c.text(BASE, 6)}-{c.text(BASE, 2)}"
    return (
        f"from [{c.client_ip}] (port={1024 + c.number(60000)} helo={c.text(UPPER, 8)})\n\tby {c.server} with esmtpsa"
        f"  (TLS1.2) tls TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384\n\t(Exim {c.pick(EXIMS)})\n"
        f"\t(envelope-from <{c.person()}>)\n\tid {id_}\n\tfor {c.person()};\n\t{c.date()}"
    )


def sendmail(c: Composer) -> str:
    forged = " (may be forged)" if c.random.random() < 0.1 else ""
    return (
        f"from {c.client} ({c.client} [{c.client_ip}]{forged})\n\tby {c.server} ({c.pick(SENDMAILS)}) with ESMTP"
        f" id {c.sendmail_id()}\n\tfor <{c.person()}>; {c.date()}"
    )


def sendmail_tls(c: Composer) -> str:
    return (
        f"from {c.client} ({c.client} [{c.client_ip}])\n\tby {c.server} ({c.pick(SENDMAILS)}) with ESMTPS"
        f" id {c.sendmail_id()}\n\t(version=TLSv1.3 cipher={c.pick(CIPHERS)} bits=256 verify=NOT)\n"
        f"\tfor <{c.person()}>; {c.date()}"
    )


def qmail(c: Composer) -> str:
    rdns = "unknown" if c.random.random() < 0.3 else c.client
    return f"from {rdns} (HELO {c.host()}) ({c.client_ip})\n  by {c.server} with SMTP; {c.date(0)[5:].strip()}"


def qmail_invoked(c: Composer) -> str:
    return f"(qmail {c.number(99999)} invoked by uid {c.number(2000)}); {c.date(0)[5:].strip()}"


def lmtp(c: Composer) -> str:
    return (
        f"from {c.client} ([{c.client_ip}])\n\tby {c.server} with LMTP\n\tid {c.text(BASE, 22)}\n"
        f"\t(envelope-from <{c.person()}>)\n\tfor <{c.person()}>; {c.date(0)}"
    )


def powermta(c: Composer) -> str:
    return (
        f"from {c.client} ({c.client_ip}) by {c.server} (PowerMTA(TM) v5.0r{c.number(9)}) id {c.text(BASE, 12)}"
        f" for <{c.person()}>; {c.date()} (envelope-from <{c.person()}>)"
    )


def sendgrid(c: Composer) -> str:
    host = f"recvd-{c.text(LOWER, 9)}-{c.text(BASE, 5)}"
    date = f"{c.now:%Y-%m-%d %H:%M:%S}.{10**8 + c.number(10**8)} +0000 UTC m=+{c.number(10**6)}.{c.number(10**8)}"
    return f"by {host} with SMTP id {host}-1-{c.text(UPPER, 8)}\n\t{date}"


def webmail(c: Composer) -> str:
    return (
        f"from {c.client_ip}\n        (SquirrelMail authenticated user {c.text(LOWER, 6)})\n"
        f"        by {c.server} with HTTP;\n        {c.date()}"
    )


def momentum(c: Composer) -> str:
    id_ = f"{c.text(UPPER, 2)}/{c.text(UPPER, 2)}-{c.number(99999):05}-{c.text(UPPER, 8)}"
    return (
        f"from [{c.client_ip}] ([{c.client_ip}:{1024 + c.number(60000)}] helo={c.host()})\n\tby {c.server}"
        f" (envelope-from <{c.person()}>)\n\t(ecelerity 4.8.0.74368 r(Core:4.8.0.0)) with ESMTPS"
        f" (cipher=AES256-GCM-SHA384)\n\tid {id_}; {c.date(0)}"
    )


def domino(c: Composer) -> str:
    return (
        f"from {c.client} ([{c.client_ip}])\n          by {c.server} (Lotus Domino Release 9.0.1FP8)\n"
        f"          with ESMTP id {c.now:%Y%m%d%H%M%S}-{c.number(999999)} ;\n          {c.date()}"
    )


def courier(c: Composer) -> str:
    return (
        f"from {c.client} ({c.client} [::ffff:{c.v4()}])\n  by {c.server} with esmtp; {c.date()}\n"
        f"  id {c.text(UPPER, 16)}.{c.text(UPPER, 16)}.{c.text(UPPER, 8)}"
    )


def fetchmail(c: Composer) -> str:
    return (
        f"from {c.client} [{c.client_ip}]\n\tby localhost with IMAP (fetchmail-6.4.37)\n"
        f"\tfor <{c.text(LOWER, 5)}@localhost> (single-drop); {c.date(60, ' (CET)')}"
    )


SHAPES: tuple[tuple[Callable[[Composer], str], int], ...] = (
    *((exchange_online, 14), (exchange_edge, 9), (exchange_https, 4), (exchange_mapi, 2), (postfix, 14)),
    *((postfix_tls, 10), (postfix_submission, 3), (postfix_local, 2), (amavis, 4), (gmail, 5), (gmail_internal, 4)),
    *((exim, 6), (exim_literal, 2), (sendmail, 6), (sendmail_tls, 3), (qmail, 3), (qmail_invoked, 1), (lmtp, 2)),
    *((powermta, 1), (sendgrid, 1), (webmail, 1), (momentum, 1), (domino, 1), (courier, 1), (fetchmail, 1)),
)  # fmt: skip


def chains(lines: int, seed: int = 1) -> list[list[str]]:
    """Chains of two to nine lines in the mix above, newest first, with at least `lines` lines in all."""
    composer = Composer(seed)
    composed: list[list[str]] = []
    while lines > 0:
        composed.append(_chain(composer, composer.random.randrange(2, 10)))
        lines -= len(composed[-1])
    return composed


def _chain(composer: Composer, length: int) -> list[str]:
    writers = composer.random.choices([write for write, _ in SHAPES], [share for _, share in SHAPES], k=length)
    chain = []
    for at, write in enumerate(writers):
        composer.step(home=at >= length - 2)
        chain.append(write(composer))
    return chain[::-1]
