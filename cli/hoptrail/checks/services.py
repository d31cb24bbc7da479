"""Checks of what Hoptrail asks: spamd, the resolver, DNS lists, address databases, the smarthost."""

import asyncio
import smtplib
import socket
import ssl
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from hoptrail.checks import Finding
from hoptrail.config import Config
from hoptrail_milter.endpoint import parse_endpoint
from hoptrail_reports.abuse.smarthost import SendError, connected
from hoptrail_tracer.lookups.addresses import is_public, parse_address
from hoptrail_tracer.lookups.cache import MemoryCache
from hoptrail_tracer.lookups.dns import Dns
from hoptrail_tracer.lookups.dnsbl import ZoneState
from hoptrail_tracer.lookups.errors import LookupsError
from hoptrail_tracer.lookups.lookups import Lookups
from hoptrail_tracer.lookups.settings import DNS_PORT, parse_server

_SPAMD_WAIT_S = 5.0
_SMARTHOST_WAIT_S = 5.0  # for each answer: a person waits
# By what kept us from it, the particular first; what has no cause below says itself what to do.
_SMARTHOST_MENDS: Final[tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...]] = (
    (
        ssl.SSLCertVerificationError,
        "set [abuse] smarthost to the name in its certificate, or smarthost_ca_file to who signed it",
    ),
    (
        ssl.SSLError,
        "set [abuse] smarthost_tls to what that port speaks: mostly 'tls' on 465, 'starttls' on 587 and 25",
    ),
    (
        smtplib.SMTPAuthenticationError,
        "correct [abuse] smarthost_user, or the password in smarthost_password_file",
    ),
    (
        smtplib.SMTPNotSupportedError,
        "have it offer that, or set [abuse] smarthost to its port for submission: mostly 587 with 'starttls'",
    ),
    (
        (FileNotFoundError, PermissionError),
        "correct the path in [abuse], or run the doctor as the account that sends",
    ),
    (
        Exception,
        "start it, let this host connect to it, or correct [abuse] smarthost",
    ),
)
# RFC 6303: every resolver answers for this zone itself, so that nobody else is asked.
_LOCAL_NAME = "1.0.0.127.in-addr.arpa"


def check_spamd(config: Config) -> Iterator[Finding]:
    """Say whether spamd answers a PING."""
    where = config.score.spamd
    if not where:
        yield Finding("spamd", "ok", "not configured: messages are not scored")
        return
    try:
        asyncio.run(_ping(config))
    except ModuleNotFoundError:
        return  # the versions' finding says what to install
    except Exception as error:  # noqa: BLE001 - aiospamc's own, asyncio's, ssl's and the system's
        reason = str(error) or type(error).__name__
        mend = "start spamd (systemctl start spamassassin or spamd), or correct [score] spamd"
        yield Finding("spamd", "bad", f"{where}: does not answer ({reason}); messages pass unscored", mend)
    else:
        yield Finding("spamd", "ok", f"{where}: answers")


async def _ping(config: Config) -> None:
    import aiospamc  # noqa: PLC0415 - an extra

    endpoint = parse_endpoint(config.score.spamd)
    async with asyncio.timeout(_SPAMD_WAIT_S):
        if endpoint.kind == "unix":
            await aiospamc.ping(socket_path=endpoint.path)
        elif endpoint.kind == "tls":
            context = ssl.create_default_context(cafile=config.score.tls_ca or None)
            await aiospamc.ping(host=endpoint.host, port=endpoint.port, verify=context)
        else:
            await aiospamc.ping(host=endpoint.host, port=endpoint.port)


def check_lookups(config: Config) -> Iterator[Finding]:
    """Say whether the resolver answers, each DNS list passes its test, and the address databases can be read."""
    yield from asyncio.run(_check_resolver(config))
    try:
        states = asyncio.run(_zone_states(config))
    except (LookupsError, OSError, ValueError) as error:
        yield Finding("lookups", "bad", str(error), "correct [lookups]")
        return
    if config.lookups.mmdb:
        yield Finding("lookups", "ok", f"{len(config.lookups.mmdb)} address databases can be read")
    for state in states:
        name = f"{state.zone} (IPv{state.version})"
        if state.paused_until:
            mend = "ask an own resolver, look at the list's terms of use, or take it out of [lookups] zones"
            yield Finding("zones", "bad", f"{name}: left alone: {state.reason}", mend)
        else:
            yield Finding("zones", "ok", f"{name}: passes its test")


async def _check_resolver(config: Config) -> list[Finding]:
    dns = Dns(config.lookups, MemoryCache())
    try:
        answer = await dns.ask(_LOCAL_NAME, "PTR")
    finally:
        await dns.aclose()
    who = ", ".join(config.lookups.nameservers) or "the servers of /etc/resolv.conf"
    if answer.state == "failed":
        mend = "install a resolver of your own (unbound) and set [lookups] nameservers"
        return [Finding("resolver", "bad", f"{who}: no answer: {answer.detail}", mend)]
    findings = [Finding("resolver", "ok", f"{who}: answers")]
    servers = (parse_address(parse_server(text, DNS_PORT)[0]) for text in config.lookups.nameservers)
    if config.lookups.zones and any(server and is_public(server) for server in servers):
        mend = "install a resolver of your own (unbound) and set [lookups] nameservers to it"
        findings.append(Finding("resolver", "warn", "DNS lists refuse to answer public resolvers", mend))
    return findings


async def _zone_states(config: Config) -> tuple[ZoneState, ...]:
    lookups = Lookups(config.lookups, site=config.site)
    try:
        return await lookups.check_zones()
    finally:
        await lookups.aclose()


def check_smarthost(config: Config) -> Iterator[Finding]:
    """Say whether the smarthost takes us as `hoptrail abuse send` comes: encrypted, authenticated. It sends no mail."""
    settings = config.abuse
    where = settings.smarthost
    if not where:
        yield Finding("smarthost", "ok", "not configured: approved reports are not sent")
        return
    hasty = replace(settings, smarthost_timeout_s=min(settings.smarthost_timeout_s, _SMARTHOST_WAIT_S))
    try:
        with connected(hasty, config.site.hostname or socket.getfqdn()) as smtp:
            takes_8bit = smtp.has_extn("8bitmime")
    except SendError as error:
        mend = next((text for kind, text in _SMARTHOST_MENDS if isinstance(error.__cause__, kind)), "")
        yield Finding("smarthost", "bad", f"{error}; approved reports wait", mend)
        return
    if not takes_8bit:
        mend = "switch 8BITMIME on there (RFC 6152), or set [abuse] smarthost to a host that has it"
        yield Finding("smarthost", "warn", f"{where}: no 8BITMIME: reports about mail that is not ASCII wait", mend)
        return
    took = ["its certificate is valid"] * (settings.smarthost_tls != "none")
    took += [f"it takes {settings.smarthost_user}'s password"] * bool(settings.smarthost_user)
    yield Finding("smarthost", "ok", "; ".join((f"{where}: answers", *took)))
