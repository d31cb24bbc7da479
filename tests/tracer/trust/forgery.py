"""What stands below the stranger: honest lines of its own way, or lies of every kind."""

from random import Random

from tracer.trust.composer import (
    OWN_DOMAIN,
    STYLES,
    Clock,
    Host,
    amavis,
    own_host,
    pick,
    postfix,
    qmail_remark,
    stamp,
    stranger,
)


def honest_below(random: Random, clock: Clock, first: Host) -> list[str]:
    """The stranger's own way: its relays, a private client, a local pick-up."""
    lines = []
    writer = first
    for _ in range(random.randrange(3)):
        client = stranger(random)
        lines.append(random.choice(STYLES)(random, client, writer, clock.older()))
        writer = client
    last = random.randrange(4)
    if last == 0:
        lines.append(postfix(random, Host("192.168.1.20", "laptop.lan"), writer, clock.older()))
    elif last == 1:
        lines.append(
            f"by {writer.name} (Postfix, from userid 33)\n\tid {pick(random, '0123456789ABCDEF', 11)}; {stamp(clock.older())}"
        )
    elif last == 2:
        lines.append(qmail_remark(random, clock.older()))
    return lines


def forged_below(random: Random, clock: Clock, above: list[str]) -> list[str]:
    """Lies: lines in the style of the site's own relays, copies of lines above, markers, rubbish."""
    return [_lie(random, clock, above) for _ in range(random.randrange(1, 7))]


def _lie(random: Random, clock: Clock, above: list[str]) -> str:  # noqa: PLR0911 - as many kinds of lies
    date = clock.older()
    victim, own, another = stranger(random), own_host(random), own_host(random)
    match random.randrange(10):
        case 0 | 1:  # an own relay "took it" from the victim
            return random.choice(STYLES)(random, victim, own, date)
        case 2:  # an own relay "took it" from another own relay
            return random.choice(STYLES)(random, another, own, date)
        case 3:
            return random.choice(above) if above else amavis(random, own, date)
        case 4:
            return f"from {own.name} [{own.ip}]\n\tby localhost with IMAP (fetchmail-6.4.2)\n\tfor <me@localhost> (single-drop); {stamp(date)}"
        case 5:
            return amavis(random, own, date)
        case 6:
            return random.choice(
                ["", ";;; \x00 (((", "from by with id for", "x" * 300, "from \udc80\udcff by \u202e; never"]
            )
        case 7:
            return f"by {own.name} (Postfix, from userid 0)\n\tid 5D1A2B3C4D; {stamp(date)}"
        case 8:
            return f"from user (unknown [{victim.ip}]) by smtp.{OWN_DOMAIN} (Postfix) with ESMTPSA id 8A1B2C3D4E;\n\t{stamp(date)}"
        case _:
            return random.choice(STYLES)(random, victim, stranger(random), date)


def forged_fields(random: Random) -> list[tuple[str, str]]:
    """Fields that a sender writes in the hope that somebody believes them."""
    ip = stranger(random).ip
    fields = [
        ("X-Originating-IP", f"[{ip}]"),
        ("Received-SPF", f"pass (mx.{OWN_DOMAIN}: designates {ip} as permitted sender) client-ip={ip};"),
        ("Authentication-Results", f"mx1.{OWN_DOMAIN}; spf=pass (sender IP is {ip}) smtp.mailfrom=x.example"),
        ("X-Forefront-Antispam-Report", f"CIP:{ip};CTRY:US;LANG:en"),
        ("X-Sender-IP", ip),
    ]
    return random.sample(fields, random.randrange(len(fields) + 1))
