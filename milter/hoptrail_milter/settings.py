"""What a postmaster may set of the milter and of scoring. Importable without pymilter and aiospamc."""

import grp
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from hoptrail_milter.endpoint import check_asked, check_listening
from hoptrail_store.settings import StoreSettings
from hoptrail_tracer.errors import SiteError
from hoptrail_tracer.lookups.settings import LookupSettings
from hoptrail_tracer.options import option
from hoptrail_tracer.settings import SiteSettings
from hoptrail_tracer.sitematch import host_list

_MODE_MAX = 0o777


def _check_socket(text: str) -> None:
    if not text:
        raise ValueError("the milter needs a socket: unix:/run/hoptrail/milter.sock")
    check_listening(text)


def _check_mode(text: str) -> None:
    try:
        valid = 0 <= int(text, 8) <= _MODE_MAX
    except ValueError:
        valid = False
    if not valid:
        raise ValueError(f"{text!r}: write the socket's mode in octal digits, as for chmod: 0660")


def _check_group(text: str) -> None:
    try:
        if text:
            grp.getgrnam(text)
    except KeyError:
        raise ValueError(f"no group {text!r} on this host: create it, or name the MTA's own group") from None


def _check_networks(networks: Sequence[str]) -> None:
    for network in networks:
        ipaddress.ip_network(network)  # its ValueError says what is wrong with which network


def _check_hosts(hosts: Sequence[str]) -> None:
    try:
        host_list(hosts)
    except SiteError as error:
        raise ValueError(str(error)) from error


def _check_ports(ports: Sequence[str]) -> None:
    for port in ports:
        if not port.isdecimal() or not 0 < int(port) < 1 << 16:
            raise ValueError(f'{port!r} is no port: write its number, as in "587"')


@dataclass(frozen=True, slots=True)
class MilterSettings:
    """[milter]: the daemon beside the MTA."""

    socket: str = option(
        "unix:/run/hoptrail/milter.sock",
        "Where the MTA reaches the milter: unix:/path or inet:port@host. Over TCP every message stalls for about "
        "43 ms, so take a unix socket unless the MTA is on another host.",
        check=_check_socket,
    )
    socket_mode: str = option(
        "0660", "The unix socket's permissions. The MTA's user needs to read and write.", check=_check_mode
    )
    socket_group: str = option(
        "",
        "The unix socket's group: one that the MTA's user is in. Empty: the group the daemon runs with.",
        example='"postfix"',
        check=_check_group,
    )
    workers: int = option(
        0, "Worker processes that share the socket. 0: as many as there are processors.", at_least=0, at_most=256
    )
    observe_only: bool = option(
        False,  # noqa: FBT003 - an option's default
        "Record every message and change none: no header field is added or removed, nothing is refused. For the first "
        "days.",
    )
    on_fault: Literal["accept", "tempfail"] = option(
        "accept",
        "What the MTA is told where Hoptrail itself fails: 'accept' lets the mail flow, 'tempfail' has the sender try "
        "again.",
    )
    status: str = option(
        "unix:/run/hoptrail/status.sock",
        "Where `hoptrail status` and Prometheus read the counters: unix:/path or inet:port@127.0.0.1. Empty: nowhere.",
        check=check_listening,
    )
    log: Literal["stderr", "syslog"] = option(
        "stderr", "Where the log goes: 'stderr' (systemd's journal takes it from there) or 'syslog' (facility mail)."
    )
    log_level: Literal["debug", "info", "warning", "error"] = option(
        "info", "'info' writes one line a message, 'warning' only what is wrong."
    )
    stop_grace_s: float = option(
        20.0,
        "Seconds that open sessions have for their end when the daemon is stopped.",
        at_least=0,
        at_most=600,
    )


@dataclass(frozen=True, slots=True)
class HarvestSettings:
    """[harvest]: clients that try out which recipients exist. What is counted is what the MTA refuses."""

    action: Literal["off", "slow", "refuse"] = option(
        "off",
        "What is done when such a client connects: nothing ('off'), it waits `delay_s` for the greeting ('slow'), or "
        "it is refused with 421 ('refuse'). With `observe_only` it is only counted and logged.",
    )
    refusals: int = option(
        50,
        "A client network harvests when at least this many recipients were refused to it within the window ...",
        at_least=5,
        at_most=1_000_000,
    )
    share: float = option(0.8, "... and they are at least this share of all it named ...", at_least=0.5, at_most=1)
    spare_accepted: int = option(
        20,
        "... and fewer than this many were accepted: a network that also delivers mail is left alone.",
        at_least=1,
        at_most=1_000_000,
    )
    window_s: float = option(3_600, "How far back recipients count.", at_least=60, at_most=86_400)
    ipv4_bits: int = option(
        24,
        "How large a client network is: so many bits of an IPv4 address, where 32 judges each alone. Of IPv6 it is 64.",
        at_least=16,
        at_most=32,
    )
    delay_s: float = option(
        5,
        "How long a slowed client waits. It must be less than the MTA waits for a milter's answer (10 s in our lines "
        "for Postfix and Sendmail).",
        at_least=0.1,
        at_most=9,
    )
    never: tuple[str, ...] = option(
        (),
        "Networks and host names never acted upon, besides loopback, all hosts that [site] declares, submission, and "
        "networks from which a user authenticated within the window. '!' before one excludes it.",
        example='["198.51.100.0/24", "*.partner.example"]',
        check=_check_hosts,
    )
    never_ports: tuple[str, ...] = option(
        ("465", "587"),
        "Ports of the MTA whose clients are never acted upon: those for submission.",
        check=_check_ports,
    )


@dataclass(frozen=True, slots=True)
class ScoreSettings:
    """[score]: SpamAssassin's daemon."""

    spamd: str = option(
        "",
        "Where spamd listens: unix:/path, inet:port@host or tls:port@host. Empty: messages are not scored.",
        example='"inet:783@127.0.0.1"',
        check=check_asked,
    )
    tls_ca: str = option(
        "",
        "A file of certificates (PEM) that spamd's own is checked against, for tls:. Empty: those the system trusts.",
        example='"/etc/hoptrail/spamd-ca.pem"',
    )
    timeout_s: float = option(
        30.0,
        "Seconds after which a message passes unscored. Keep it well below the MTA's own timeout (Postfix: 300 s).",
        at_least=0.1,
        at_most=240,
    )
    max_bytes: int = option(
        512_000,  # spamc's own default
        "Longer messages are not scored: spam rarely is long, and spamd's time grows with the length.",
        at_least=1_024,
        at_most=67_108_864,
    )
    concurrency: int = option(
        4,
        "Messages that one worker process has spamd look at together. Workers times this should not exceed spamd's "
        "--max-children by much.",
        at_least=1,
        at_most=1_000,
    )
    max_waiting: int = option(
        100,
        "Messages of one worker process that may wait for their turn at spamd; beyond that they pass unscored (busy).",
        at_least=0,
        at_most=100_000,
    )
    breaker_failures: int = option(
        5, "After this many failures in a row spamd is left alone for a while.", at_least=1, at_most=1_000
    )
    breaker_pause_s: float = option(
        30.0, "Seconds until one message tries again whether spamd is back.", at_least=0.1, at_most=3_600
    )
    skip_networks: tuple[str, ...] = option(
        (),
        "Clients in these networks are not scored: your own, and those on your allow list. Mail of users who "
        "authenticated never is.",
        example='["192.0.2.0/26"]',
        check=_check_networks,
    )
    skip_hosts: tuple[str, ...] = option(
        (),
        "Clients of these names are not scored, '*.example.org' for all below a domain. A name counts only where the "
        "MTA found that it resolves back to the client. Sender domains cannot be listed: anybody may write them.",
        example='["*.partner.example"]',
        check=_check_hosts,
    )
    scored_by: tuple[str, ...] = option(
        (),
        "Networks and names of your own hosts that score the mail they hand on to this one, and remove X-Spam- fields "
        "from outside. The X-Spam-Status such a client put on top of its own Received line is taken over; one that "
        "stands anywhere else, or comes from anybody else, is not.",
        example='["192.0.2.25"]',
        check=_check_hosts,
    )
    user: Literal["", "recipient", "local-part"] = option(
        "",
        "Whose preferences spamd uses for a message with one recipient: its address ('recipient'), the part before "
        "the @ ('local-part'), or spamd's own ('').",
    )
    reject_score: float = option(
        0.0,
        "Messages of this score and above are refused with 550 5.7.1. 0: none is. What comes from a host that [site] "
        "declares, or from this one, never is: that host would have to bounce it to an innocent.",
        at_least=0,
        at_most=1_000,
    )


@dataclass(frozen=True, slots=True)
class DaemonSettings:
    """All that the daemon needs to know: the sections of the configuration that concern it."""

    site: SiteSettings = field(default_factory=SiteSettings)
    lookups: LookupSettings = field(default_factory=LookupSettings)
    store: StoreSettings = field(default_factory=StoreSettings)
    milter: MilterSettings = field(default_factory=MilterSettings)
    score: ScoreSettings = field(default_factory=ScoreSettings)
    harvest: HarvestSettings = field(default_factory=HarvestSettings)
