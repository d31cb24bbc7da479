"""Checks of what Hoptrail asks: spamd, the resolver, DNS lists, address databases."""

import asyncio
import ssl
from collections.abc import Iterator

from hoptrail.checks import Finding
from hoptrail.config import Config
from hoptrail_milter.endpoint import parse_endpoint
from hoptrail_tracer.lookups.addresses import is_public, parse_address
from hoptrail_tracer.lookups.cache import MemoryCache
from hoptrail_tracer.lookups.dns import Dns
from hoptrail_tracer.lookups.dnsbl import ZoneState
from hoptrail_tracer.lookups.errors import LookupsError
from hoptrail_tracer.lookups.lookups import Lookups
from hoptrail_tracer.lookups.settings import DNS_PORT, parse_server

_SPAMD_WAIT_S = 5.0
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
