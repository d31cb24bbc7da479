"""Exim's main log, of releases 4.x, in a file of its own or through syslog; its specification has a chapter on it."""

import re
from collections.abc import Iterator

from hoptrail_store.logs.events import About, Attempt, Broken, Client, Event, Outcome, Session
from hoptrail_store.logs.lines import EXIM, LogLine
from hoptrail_tracer.received.address import canonical

# 6-6-2 characters until 4.96, 6-11-4 since.
_ABOUT = re.compile(r"([0-9A-Za-z]{6}-(?:[0-9A-Za-z]{6}-[0-9A-Za-z]{2}|[0-9A-Za-z]{11}-[0-9A-Za-z]{4})) (\S+) ?(.*)")
# Through syslog the stamp may stand twice.
_OWN_STAMP = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{3})?(?: [+-]\d{4})? (?:\[\d+\] )?")
_HOST = re.compile(r"\bH=(?P<name>[^\s()\[\]]+)?\s*(?:\((?P<helo>[^\s()]*)\)\s*)?\[(?P<ip>[^\]\s]+)\]")
_FIELD = re.compile(r' (id\*?|A|S|P|U|T|C|QT|DT)=("(?:[^"\\]|\\.)*"|\S*)')
_GIVEN = re.compile(r"\bqueued as (\w+)|\bid=([\w-]+)|\b(\w{14}) Message accepted")
_TIME = re.compile(r"(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?")
_ADDRESS = re.compile(r"(?P<to>\S+)(?: \([^)]*\))*(?: <(?P<original>[^>\s]*)>)?")
_REJECTED = re.compile(r"(?P<host>.*?H=.*?\[[^\]\s]+\].*?) (?:temporarily )?rejected RCPT\b")
_UNITS_S = (604_800, 86_400, 3_600, 60, 1)

_OUTCOMES: dict[str, Outcome] = {
    "=>": "sent",
    "->": "sent",
    ">>": "sent",
    "*>": "sent",
    "==": "deferred",
    "**": "bounced",
}


def is_exim(program: str) -> bool:
    """Whether a syslog tag is Exim's."""
    return program in {EXIM, "exim4"} or program.startswith("exim-")


def events(line: LogLine) -> Iterator[Event]:
    """Yield what a line of Exim's says."""
    text = line.text
    if stamp := _OWN_STAMP.match(text):
        text = text[stamp.end() :]
    if rejected := _REJECTED.match(text):
        ip = _peer(rejected["host"]).ip
        yield Session(f"{line.pid or ''}{ip}", ip, refused=1)
        return
    found = _ABOUT.fullmatch(text)
    if found is None:
        return
    queue_id, flag, said = found.groups()
    if flag == "<=":
        yield _arrival(queue_id, said)
    elif flag in _OUTCOMES:
        yield _attempt(queue_id, _OUTCOMES[flag], said)
    elif flag == "Completed":
        yield About(queue_id, removed=True)


def _arrival(queue_id: str, said: str) -> Event:
    if not said:
        return Broken("an arrival without its sender")
    sender = said.partition(" ")[0]
    fields = dict(_FIELD.findall(said))
    peer = _peer(said)
    client = Client(ip=peer.ip, name=peer.name, helo=peer.helo, auth=fields.get("A"))
    message_id = fields.get("id") or fields.get("id*")
    recipients = said.rpartition(" for ")[2].split() if " for " in said else []
    return About(
        queue_id,
        client=client,
        sender="" if sender == "<>" else sender,
        size_bytes=int(fields["S"]) if fields.get("S", "").isdigit() else None,
        recipients=len(recipients) or None,
        message_id=f"<{message_id}>" if message_id else None,
        subject=_unquoted(fields["T"]) if fields.get("T", "").startswith('"') else None,
    )


def _attempt(queue_id: str, outcome: Outcome, said: str) -> Event:
    addressed = _ADDRESS.match(said)
    if addressed is None or (" R=" not in said and " T=" not in said and outcome == "sent"):
        return Broken("a delivery without its transport")
    fields = dict(_FIELD.findall(said))
    peer = _peer(said)
    reply = _unquoted(fields.get("C", "")) or (said.partition(": ")[2] if outcome != "sent" else "")
    given = _GIVEN.search(reply)
    return About(
        queue_id,
        attempts=(
            Attempt(
                addressed["original"] or addressed["to"].rstrip(":"),
                outcome,
                relay_name=peer.name,
                relay_ip=peer.ip,
                delay_s=_seconds(fields.get("QT", "")),
                reply=reply,
                next_id=next(filter(None, given.groups())) if given else None,
            ),
        ),
    )


def _peer(said: str) -> Client:
    found = _HOST.search(said)
    if found is None:
        return Client()
    ip = canonical(found["ip"])
    name = found["name"] if ip and not canonical(found["name"] or "") else None
    return Client(ip=ip, name=name, helo=found["helo"])


def _unquoted(text: str) -> str:
    return text.removeprefix('"').removesuffix('"').replace('\\"', '"').replace("\\\\", "\\")


def _seconds(text: str) -> float | None:
    found = _TIME.fullmatch(text)
    if not text or found is None:
        return None
    return sum(float(part or 0) * unit for part, unit in zip(found.groups(), _UNITS_S, strict=True))
