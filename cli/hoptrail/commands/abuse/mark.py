"""`hoptrail abuse mark`: a person calls stored messages spam; also for the address that spam is forwarded to."""

import sys
from datetime import UTC, datetime

import click

from hoptrail.config import Config
from hoptrail.configured import configured
from hoptrail_reports.abuse import ledger, marks, recognition
from hoptrail_reports.abuse.incoming import read_mail
from hoptrail_reports.abuse.recognition import HandedIn
from hoptrail_reports.errors import ReportError
from hoptrail_store.reader import Reader
from hoptrail_store.recorder import drain
from hoptrail_store.records import MessageRecord
from hoptrail_store.store import Store
from hoptrail_tracer.printable import printable

_LISTED = 10


class UnknownMessageError(ReportError):
    """No stored message is meant, or more than one."""


@click.command(name="mark", short_help="Call stored messages spam.")
@click.argument("messages", metavar="[MESSAGE...]", nargs=-1)
@click.option("--forwarded", is_flag=True, help="Read a mail on standard input that has the spam attached, or is it.")
@click.option("--undo", is_flag=True, help="Take marks away.")
@configured
def command(config: Config, messages: tuple[str, ...], *, forwarded: bool, undo: bool) -> None:
    """Call stored messages spam, whatever their score: the next `hoptrail nightly` makes cases of them.

    MESSAGE is the id in X-Hoptrail-Id, a Message-ID or a queue id; '-' reads the message itself on standard input, as
    a mail program's pipe gives it. Of a mail on standard input only what the store proves is believed. The exit code
    is 1 where nothing stored was recognised.
    """
    if bool(messages) == forwarded or ("-" in messages and len(messages) > 1):
        raise click.UsageError("name messages, or '-', or --forwarded")
    drain(config.store)  # a recipe may hand a message in within the moment in which it came
    with Store.open(config.store) as store:
        found = _read(store, messages, forwarded=forwarded)
        for one in found:
            click.echo(printable(_change(store, one, config, undo=undo, forwarded=forwarded)))
    if not found:
        click.echo("hoptrail: no stored message is proven by this mail", err=True)
    sys.exit(not found)


def _read(store: Store, messages: tuple[str, ...], *, forwarded: bool) -> list[HandedIn]:
    reader = Reader(store.db)
    if forwarded:
        return recognition.forwarded(read_mail(sys.stdin.buffer), reader)
    if messages == ("-",):
        return recognition.itself(read_mail(sys.stdin.buffer), reader)
    return [HandedIn(_only(reader, key), None) for key in messages]


def _only(reader: Reader, key: str) -> MessageRecord:
    found = reader.find(key)
    if len(found) == 1:
        return found[0]
    if not found:
        raise UnknownMessageError(f"{key}: no stored message has this id, Message-ID or queue id")
    ids = ", ".join(record.id for record in found[:_LISTED])
    raise UnknownMessageError(f"{key}: {len(found)} messages have it; name one by its id: {ids}")


def _change(store: Store, one: HandedIn, config: Config, *, undo: bool, forwarded: bool) -> str:
    now, record = datetime.now(UTC), one.record
    origin = record.trace.origin.ip or "an unknown origin"
    what = f"{record.id} from {origin}, {record.subject or 'no subject'}"
    if undo:
        gone = marks.unmark(store, record.id)
        drafts = [draft.id for draft in ledger.drafts_from(store.db, record.id)]
        rest = f"; its draft stays: hoptrail abuse dismiss {' '.join(drafts)}" if drafts else ""
        return f"{what}: {'no longer marked' if gone else 'was not marked'}{rest}"
    by = "a forwarded mail" if forwarded else "the command line"
    new = marks.mark(store, record.id, by=by, now=now, copy=one.copy)
    hours = (now - record.received_at).total_seconds() / 3_600
    late = f", {hours:.0f} hours old: nobody will be written to" if hours > config.abuse.stop_hours else ""
    unseen = record.evidence is None and one.copy is None
    copy = "; no copy was kept, so nobody will be written to: hand the message in with 'mark -'" if unseen else ""
    return f"{what}: {'marked' if new else 'marked already'}{late or copy}"
