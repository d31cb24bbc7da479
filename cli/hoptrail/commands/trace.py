"""`hoptrail trace`: where a message came from, with the reason for each decision, or the same as JSON."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import click

from hoptrail.chainfiles import open_chains, trace_chains
from hoptrail_tracer.addresses import address
from hoptrail_tracer.chain import trace
from hoptrail_tracer.document import format_document, trace_document
from hoptrail_tracer.errors import SiteError
from hoptrail_tracer.messages import MAX_HEADER_BYTES, Fields, is_mbox, mailbox_headers, read_fields, received_values
from hoptrail_tracer.settings import SiteSettings
from hoptrail_tracer.sitematch import compile_site
from hoptrail_tracer.transcript import Style, transcript

_COLOURS = {
    Style.HEADING: {"bold": True},
    Style.QUOTE: {"fg": "cyan"},
    Style.FACT: {},
    Style.GOOD: {"fg": "green"},
    Style.BAD: {"fg": "red"},
    Style.REASON: {"dim": True},
    Style.RESULT: {"bold": True, "fg": "yellow"},
    Style.BAR: {"fg": "blue"},
}


@click.command(name="trace")
@click.argument("files", metavar="FILE...|-", nargs=-1)
@click.option(
    "--chains",
    "chains",
    metavar="FILE",
    help="Read chains, one JSON object a line (.gz, .xz, or - for standard input), and write one JSON object for each.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Write one JSON object for each message instead of the transcript."
)
@click.option("--mbox", is_flag=True, help="Read every FILE as a mailbox; without it a file that begins like one is.")
@click.option("--offline", is_flag=True, help="Make no look-ups at all.")
@click.option(
    "--trusted",
    multiple=True,
    metavar="NETWORK_OR_HOST",
    help="Believe these hosts ('!' before one excludes it). Repeatable.",
)
def command(
    files: tuple[str, ...], chains: str | None, *, as_json: bool, mbox: bool, offline: bool, trusted: tuple[str, ...]
) -> None:
    """Say where messages came from, hop by hop, with the reason for each decision."""
    site = with_trusted(SiteSettings(), trusted)
    if chains is not None:
        sys.exit(1 if run_chains(chains, site) else 0)
    failed = False
    for name in files:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        fields = read_fields(data)
        values = received_values(fields)
        traced = trace(values, site=site, fields=fields)
        if as_json:
            click.echo(format_document(trace_document(traced)))
        else:
            for line in transcript(traced, values, now=datetime.now(UTC)):
                click.echo(click.style(line.text, **_COLOURS[line.style]))
    sys.exit(failed)


def with_trusted(site: SiteSettings, trusted: Sequence[str]) -> SiteSettings:
    """A site that believes some more networks and hosts."""
    networks = tuple(text for text in trusted if _is_network(text))
    hosts = tuple(text for text in trusted if not _is_network(text))
    extended = replace(site, networks=(*networks, *site.networks), hosts=(*hosts, *site.hosts))
    try:
        compile_site(extended)
    except SiteError as error:
        raise click.BadParameter(str(error), param_hint="--trusted") from error
    return extended


def _is_network(text: str) -> bool:
    body = text.strip().removeprefix("!").strip("[] ")
    return "/" in body or address(body) is not None


def run_chains(name: str, site: SiteSettings) -> int:
    with open_chains(name) as source:
        return trace_chains(source, name, site, out=sys.stdout, err=sys.stderr)
