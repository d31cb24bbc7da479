"""`hoptrail show`: one stored message, as it was seen when it came."""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict

import click

from hoptrail.config import Config
from hoptrail.configured import configured
from hoptrail.transcripts import write_transcript
from hoptrail_store.anonymise import Mask
from hoptrail_store.journal import waiting_bytes
from hoptrail_store.logs.deliveries import Delivery, deliveries_of
from hoptrail_store.reader import Reader, open_readonly
from hoptrail_store.records import MessageRecord, Score
from hoptrail_store.rows import journal_read
from hoptrail_tracer.document import trace_document
from hoptrail_tracer.model import AddressFacts
from hoptrail_tracer.printable import printable
from hoptrail_tracer.transcript import Found


@click.command(name="show")
@click.argument("key", metavar="ID|QUEUE-ID|MESSAGE-ID")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object for each message.")
@click.option("--raw", is_flag=True, help="Write the message itself, where it was kept as evidence.")
@configured
def command(config: Config, *, key: str, as_json: bool, raw: bool) -> None:
    """Show a stored message: its id stands in X-Hoptrail-Id, its queue id in the MTA's log.

    The exit code is 1 where the store has no such message. An MTA may use a queue id again; then all are shown.
    """
    with open_readonly(config.store.path) as reader:
        records = reader.find(key) or _find_hidden(reader, config, key)
        deliveries = {record.id: deliveries_of(reader.db.conn, record.id) for record in records}
        later = (
            "" if records or not _is_some_waiting(config, reader) else "; some mail is still to be stored, try again"
        )
    if not records:
        raise click.ClickException(f"{key}: no such message in {config.store.path}{later}")
    for record in records:
        if raw:
            _write_raw(record)
        elif as_json:
            click.echo(json.dumps(_document(record, deliveries[record.id])))
        else:
            _write_text(record, deliveries[record.id])


def _is_some_waiting(config: Config, reader: Reader) -> bool:
    try:
        return waiting_bytes(config.store, journal_read(reader.db.conn)) > 0
    except OSError:  # the journal is not everybody's to read
        return False


def _find_hidden(reader: Reader, config: Config, key: str) -> list[MessageRecord]:
    """Find a message by a Message-ID whose local part is hashed in the store."""
    mask = Mask.later(config.store)
    return reader.find(mask.person(key) or "") if mask and mask.key and "@" in key else []


def _write_raw(record: MessageRecord) -> None:
    if record.evidence is None:
        raise click.ClickException(f"{record.id}: not kept whole; only spam is, for some days ([store] evidence_days)")
    sys.stdout.buffer.write(record.evidence)


def _write_text(record: MessageRecord, deliveries: Sequence[Delivery]) -> None:
    for name, value in (*_lines(record), *(("Delivery", _delivery_text(each)) for each in deliveries)):
        click.echo(f"{click.style(f'{name}:'.ljust(12), bold=True)} {printable(value)}")
    click.echo()
    values = [value.decode("utf-8", "surrogateescape") for name, value in record.fields if name.lower() == b"received"]
    write_transcript(record.trace, values, Found(record.facts) if record.facts else None)


def _lines(record: MessageRecord) -> Iterator[tuple[str, str]]:
    yield "Id", record.id
    yield "Received", f"{record.received_at:%Y-%m-%d %H:%M:%S} UTC by {record.host} ({record.source})"
    if record.connection and record.connection.id:
        yield "Queue id", record.connection.id
    yield "Message-ID", record.message_id or "none"
    yield "Subject", record.subject or "none"
    yield "From", f"<{record.envelope_from}>" if record.envelope_from is not None else "unknown"
    yield "To", ", ".join(record.recipients) or "unknown"
    if record.refused_recipients:
        yield "Refused", f"{record.refused_recipients} recipients"
    yield "Size", f"{record.size_bytes:,} bytes"
    if record.score:
        yield "Score", _score_text(record.score)
    if record.facts:
        yield "Origin", _facts_text(record.facts)
    if record.evidence is not None:
        yield "Evidence", f"{len(record.evidence):,} bytes kept: --raw writes them"


def _score_text(score: Score) -> str:
    if score.unscored:
        return f"unscored: {score.unscored}"
    verdict = "spam" if score.is_spam else "no spam"
    return f"{score.points} of {score.required}, {verdict}: {', '.join(score.rules) or 'no rules'}"


def _facts_text(facts: AddressFacts) -> str:
    parts = [
        facts.ip,
        facts.name or "no name",
        f"AS{facts.asn} {facts.as_name or ''}".strip() if facts.asn else "",
        facts.country or "",
        *(f"{zone.zone}={zone.verdict}" for zone in facts.zones),
        *(f"{what}: {why}" for what, why in facts.missing),
    ]
    return ", ".join(filter(None, parts))


def _delivery_text(delivery: Delivery) -> str:
    relay = delivery.relay_name or delivery.relay_ip
    parts = [
        f"<{delivery.recipient}> {delivery.outcome}",
        f"to {relay}" + (f" [{delivery.relay_ip}]" if delivery.relay_name else "") if relay else "",
        f"after {delivery.delay_s:g} s" if delivery.delay_s is not None else "",
        delivery.reply,
    ]
    return ", ".join(filter(None, parts))


def _document(record: MessageRecord, deliveries: Sequence[Delivery]) -> dict[str, object]:
    score, facts = record.score, record.facts
    return {
        "id": record.id,
        "host": record.host,
        "source": record.source,
        "received_at": record.received_at.isoformat(),
        "queue_id": record.connection.id if record.connection else None,
        "message_id": record.message_id,
        "subject": record.subject,
        "envelope_from": record.envelope_from,
        "recipients": list(record.recipients),
        "refused_recipients": record.refused_recipients,
        "size_bytes": record.size_bytes,
        "score": score
        and {
            "points": score.points,
            "required": score.required,
            "spam": score.is_spam,
            "rules": list(score.rules),
            "unscored": score.unscored,
        },
        "facts": facts
        and {
            "ip": facts.ip,
            "name": facts.name,
            "name_confirmed": facts.name_confirmed,
            "asn": facts.asn,
            "as_name": facts.as_name,
            "country": facts.country,
            "zones": [
                {"zone": zone.zone, "verdict": zone.verdict, "codes": list(zone.codes), "text": zone.text}
                for zone in facts.zones
            ],
            "missing": dict(facts.missing),
        },
        "evidence_bytes": None if record.evidence is None else len(record.evidence),
        "deliveries": [asdict(each) | {"at": each.at.isoformat()} for each in deliveries],
        "trace": trace_document(record.trace),
    }
