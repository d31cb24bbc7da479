"""Postfix's log lines, of releases 2.0 to 3.x, of several instances, with short and long queue ids."""

import re
from collections.abc import Iterator

from hoptrail_store.logs.events import About, Attempt, Broken, Client, Event, Outcome, Session
from hoptrail_store.logs.lines import LogLine
from hoptrail_tracer.received.address import canonical

_DELIVERERS = frozenset({"smtp", "lmtp", "local", "virtual", "pipe", "error", "discard", "relay", "retry"})
_PROGRAMS = _DELIVERERS | {"smtpd", "cleanup", "qmgr", "oqmgr", "nqmgr", "pickup", "bounce", "postscreen", "postsuper"}

# Short ids are hexadecimal; long ones begin with the time, whose first digit stays one until the year 2090.
_ABOUT = re.compile(r"([0-9A-F]{5,}|[0-9][0-9A-Za-z]{9,30}): (.*)")
_HOST = r"(?P<name>[^\s\[\],]*)\[(?P<ip>[^\]\s]*)\](?::\d+)?"
_CLIENT = re.compile(rf"client={_HOST}(?P<rest>.*)")
_SASL = re.compile(r"\bsasl_username=([^,\s]+)")
_ORIGINAL = re.compile(rf"\borig_queue_id=(?P<id>\w+), orig_client={_HOST}")
_FROM = re.compile(r"from=<(?P<sender>.*?)>, (?:status=(?P<status>\w+)|size=(?P<size>\d+), nrcpt=(?P<count>\d+))")
_TO = re.compile(r"to=<(?P<to>.*?)>, (?:orig_to=<.*?>, )?relay=(?P<relay>.*)")
_ATTEMPT = re.compile(
    r"(?P<relay>[^\s,]+|\S+\[[^\]]*\][^\s,]*), (?:conn_use=\d+, )?delay=(?P<delay>[\d.]+), "
    r"(?:delays=[\d./]+, )?(?:dsn=(?P<dsn>[\d.]+), )?status=(?P<status>\w+)(?: \((?P<reply>.*)\)?)?"
)
_RELAY = re.compile(_HOST)
_QUEUED_AS = re.compile(
    r"\bqueued as ([0-9A-Za-z]{5,31})\b|\bid=([0-9A-Za-z-]{14,26})\b|\b([0-9A-Za-z]{14}) Message accepted"
)
_REJECT = re.compile(rf"(?:milter-)?reject: (?P<stage>\S+) from {_HOST}: (?P<text>.*)")
_CONNECT = re.compile(rf"(?P<what>connect|disconnect) from {_HOST}")

_OUTCOMES: dict[str, Outcome] = {
    "sent": "sent",
    "deliverable": "sent",
    "deferred": "deferred",
    "undeliverable": "bounced",
    "bounced": "bounced",
    "expired": "expired",
}


def is_postfix(program: str) -> bool:
    """Whether a syslog tag is that of one of Postfix's programs, under whatever name the instance logs."""
    name, _, daemon = program.rpartition("/")
    return bool(name) and daemon in _PROGRAMS


def events(line: LogLine) -> Iterator[Event]:
    """Yield what a line of Postfix's says."""
    daemon = line.program.rpartition("/")[2]
    text = line.text
    if daemon in {"smtpd", "postscreen"}:
        yield from _session(line, text)
    found = _ABOUT.fullmatch(text)
    if found is None:
        return
    queue_id, said = found.groups()
    about = _queued(queue_id, said)
    if daemon in _DELIVERERS:
        about = _attempt(queue_id, said) if said.startswith("to=<") else None
    if about is not None:
        yield about


def _queued(queue_id: str, said: str) -> Event | None:
    if said.startswith("client="):
        return _client(queue_id, said)
    if said.startswith("from=<"):
        return _sender(queue_id, said)
    about = None
    if said.startswith("uid="):  # pickup: a user of this host
        about = About(queue_id, client=Client())
    elif said.startswith("message-id="):
        about = About(queue_id, message_id=said.removeprefix("message-id="))
    elif said == "removed":
        about = About(queue_id, removed=True)
    elif rejected := _REJECT.match(said):
        refused, gone = rejected["stage"] == "RCPT", rejected["stage"] == "END-OF-MESSAGE"
        about = About(queue_id, refused=int(refused), removed=gone)
    return about


def _session(line: LogLine, text: str) -> Iterator[Event]:
    key = f"{line.program}[{line.pid}]"
    if found := _CONNECT.match(text):
        yield Session(key, canonical(found["ip"]), ends=found["what"] == "disconnect")
        return
    said = _ABOUT.fullmatch(text)
    rejected = _REJECT.match(said[2] if said else text.removeprefix("NOQUEUE: "))
    if rejected and rejected["stage"] == "RCPT":
        ip = canonical(rejected["ip"])
        yield Session(key if line.program.endswith("smtpd") else f"{key}{ip}", ip, refused=1)


def _client(queue_id: str, said: str) -> Event:
    found = _CLIENT.match(said)
    if found is None:
        return Broken("a client that cannot be read")
    sasl, original = _SASL.search(found["rest"]), _ORIGINAL.search(found["rest"])
    return About(
        queue_id,
        client=Client(
            ip=canonical(found["ip"]),
            name=_known(found["name"]),
            auth=sasl[1] if sasl else None,
            original=original["id"] if original else None,
        ),
    )


def _sender(queue_id: str, said: str) -> Event:
    found = _FROM.match(said)
    if found is None:
        # The end of a line may be missing, and what it says with it, but never the sender's brackets.
        return Broken("a sender that cannot be read") if ">" not in said else About(queue_id)
    if found["status"]:
        return About(queue_id, sender=found["sender"])
    return About(queue_id, sender=found["sender"], size_bytes=int(found["size"]), recipients=int(found["count"]))


def _attempt(queue_id: str, said: str) -> Event:
    addressed = _TO.match(said)
    found = addressed and _ATTEMPT.match(addressed["relay"])
    if not addressed or not found:
        return Broken("a delivery without its status")
    reply = (found["reply"] or "").removesuffix(")")
    relay = _RELAY.fullmatch(found["relay"])
    ip = canonical(relay["ip"]) if relay else None
    given = _QUEUED_AS.search(reply)
    return About(
        queue_id,
        attempts=(
            Attempt(
                addressed["to"],
                _OUTCOMES.get(found["status"], "deferred"),
                relay_name=_known(relay["name"]) if relay and ip else None,
                relay_ip=ip,
                delay_s=float(found["delay"].strip(".") or 0) if found["delay"].count(".") <= 1 else None,
                dsn=found["dsn"],
                reply=reply,
                next_id=next(filter(None, given.groups())) if given else None,
            ),
        ),
    )


def _known(name: str) -> str | None:
    return None if not name or name == "unknown" or canonical(name) else name
