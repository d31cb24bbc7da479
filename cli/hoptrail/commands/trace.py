"""`hoptrail trace`: where messages came from, with the reason for each decision, or the same as JSON."""

import io
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from shutil import copyfileobj

import click

from hoptrail.chainfiles import open_chains, trace_chains
from hoptrail.config import Config
from hoptrail.configured import configured
from hoptrail.progress import progress_bar
from hoptrail.transcripts import styled, write_transcript
from hoptrail_store.mailboxes import LeftOut, RawMessage, Source, find_sources, read_messages
from hoptrail_store.packed import UNPACK_ERRORS
from hoptrail_tracer.addresses import address
from hoptrail_tracer.chain import trace
from hoptrail_tracer.document import format_document, found_document, trace_document
from hoptrail_tracer.errors import SiteError
from hoptrail_tracer.messages import MAX_HEADER_BYTES, read_fields, received_values
from hoptrail_tracer.model import Trace
from hoptrail_tracer.printable import printable
from hoptrail_tracer.settings import SiteSettings
from hoptrail_tracer.sitematch import compile_site
from hoptrail_tracer.transcript import Found, Style

_PROGRESS_BYTES = 1 << 20  # what is read faster than a person looks gets no bar


@click.command(name="trace")
@click.argument("files", metavar="FILE...|-", nargs=-1)
@click.option(
    "--chains",
    metavar="FILE",
    help="Read chains, a JSON object each (also .gz, .xz; - for standard input), and write one for each.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Write one JSON object for each message instead of the transcript."
)
@click.option("--offline", is_flag=True, help="Make no look-ups at all.")
@click.option(
    "--resolver", "resolvers", multiple=True, metavar="ADDRESS[@PORT]", help="Ask this DNS server. Repeatable."
)
@click.option(
    "--trusted", multiple=True, metavar="NETWORK_OR_HOST", help="Believe these hosts besides [site]. Repeatable."
)
@configured
def command(
    config: Config,
    *,
    files: tuple[str, ...],
    chains: str | None,
    as_json: bool,
    offline: bool,
    resolvers: tuple[str, ...],
    trusted: tuple[str, ...],
) -> None:
    """Say where messages came from, hop by hop, with the reason for each decision.

    FILE is a message, a bare header, an mbox (also .gz, .xz, .bz2), a Maildir or a folder; - is standard input. The
    exit code is 1 where a FILE could not be read or holds no mail, or a line is no chain.
    """
    config = _adjusted(config, trusted, resolvers)
    if chains is not None:
        if files:
            raise click.UsageError("--chains takes its own FILE and no others")
        sys.exit(_trace_chains(chains, config.site))
    if not files:
        raise click.UsageError("name a FILE, or - for standard input")
    sys.exit(_trace_files(files, config, as_json=as_json, offline=offline))


def with_trusted(site: SiteSettings, trusted: Sequence[str]) -> SiteSettings:
    """A site that believes some more networks and hosts, named on the command line."""
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


def _adjusted(config: Config, trusted: Sequence[str], resolvers: tuple[str, ...]) -> Config:
    from hoptrail_tracer.lookups.settings import check_nameservers  # noqa: PLC0415

    try:
        check_nameservers(resolvers)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--resolver") from error
    lookups = replace(config.lookups, nameservers=resolvers) if resolvers else config.lookups
    return replace(config, site=with_trusted(config.site, trusted), lookups=lookups)


def _trace_chains(name: str, site: SiteSettings) -> int:
    if name == "-" and isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # whoever asks line by line waits for each answer
    try:
        with open_chains(name) as source:
            return int(trace_chains(source, name, site, out=sys.stdout, err=sys.stderr) > 0)
    except UNPACK_ERRORS as error:
        raise click.ClickException(f"{name}: damaged archive: {error}") from error


def _trace_files(files: Sequence[str], config: Config, *, as_json: bool, offline: bool) -> int:
    failed = 0
    with _spooled(files) as named, _lookups(config, offline=offline) as ask:
        sources = [source for path in named for source in _sources(path)]
        for number, item in enumerate(_messages(sources), start=1):
            name = printable(named.get(item.path) or str(item.path))
            if isinstance(item, LeftOut):
                click.echo(f"hoptrail: {name}: {item.reason}", err=True)
                failed = 1
                continue
            fields = read_fields(item.content)
            values = received_values(fields)
            traced = trace(values, site=config.site, fields=fields)
            found = ask(traced) if ask is not None else None
            if as_json:
                document = trace_document(traced) | (found_document(found) if ask is not None else {})
                click.echo(format_document(document))
                continue
            if number > 1 or len(sources) > 1:
                click.echo(styled(Style.HEADING, f"\n{name}, message {number}"))
            write_transcript(traced, values, found)
    return failed


def _sources(path: Path) -> Sequence[Source | LeftOut]:
    return list(find_sources((path,))) or [LeftOut(path, "a folder without mail")]


def _messages(sources: Sequence[Source | LeftOut]) -> Iterator[RawMessage | LeftOut]:
    """Every message, with a bar on a terminal that shows how far the files are read."""
    total = sum(source.size_bytes for source in sources if isinstance(source, Source))
    done = 0
    with progress_bar(total, in_bytes=True, least=_PROGRESS_BYTES) as advance:
        for source in sources:
            if isinstance(source, LeftOut):
                yield source
                continue
            for item in read_messages(source):
                yield _bare_header(source) or item if isinstance(item, LeftOut) else item
                advance(done + (item.position if isinstance(item, RawMessage) else 0))
            done += source.size_bytes


def _bare_header(source: Source) -> RawMessage | None:
    """A file that is no whole mail, if Received lines stand in it all the same."""
    try:
        with source.path.open("rb") as file:
            content = file.read(MAX_HEADER_BYTES)
    except OSError:
        return None
    if not received_values(read_fields(content)):
        return None
    return RawMessage(source.path, content, len(content), b"", len(content), 0.0)


@contextmanager
def _spooled(files: Sequence[str]) -> Iterator[dict[Path, str]]:
    """The paths of the files and how they were named; what comes by a pipe lies in a temporary file meanwhile."""
    named: dict[Path, str] = {}
    with tempfile.TemporaryDirectory(prefix="hoptrail-") as folder:
        for name in dict.fromkeys(files):
            path = Path(name)
            if name != "-" and not path.is_fifo():
                named[path] = name
                continue
            spool = Path(folder) / str(len(named))
            with spool.open("wb") as to, sys.stdin.buffer if name == "-" else path.open("rb") as pipe:
                copyfileobj(pipe, to)
            named[spool] = "standard input" if name == "-" else name
        yield named


@contextmanager
def _lookups(config: Config, *, offline: bool) -> Iterator[Callable[[Trace], Found | None] | None]:
    if offline:
        yield None
        return
    from hoptrail.lookingup import lookups_for  # noqa: PLC0415 - asyncio, DNS and HTTP take 200 ms to load

    with lookups_for(config) as ask:
        yield ask
