"""Sendmail's log lines, of releases 8.8 to 8.18."""

import re
from collections.abc import Iterator

from hoptrail_store.logs.events import About, Attempt, Broken, Client, Event, Outcome, Session
from hoptrail_store.logs.lines import LogLine
from hoptrail_tracer.received.address import canonical

_PROGRAMS = re.compile(r"sendmail(?:-\w+)?|sm-mta|sm-msp(?:-queue)?|sm-\w+|sm\d+|newsendmail")
_ABOUT = re.compile(r"([0-9A-Za-z]{8,20}): (.*)")
_SAID = re.compile(r"(\w+)=(<.*?>(?:,<.*?>)*|.*?)(?:, (?=\w+=)|$)")
_RELAY = re.compile(r"(?P<name>[^\s\[]+)?\s*\[(?P<ip>[^\]]+)\](?P<forged> \(may be forged\))?")
_DELAY = re.compile(r"(?:(\d+)\+)?(\d+):(\d\d):(\d\d)")
_GIVEN = re.compile(r"\(([0-9A-Za-z]{8,20}) Message accepted|\bqueued as (\w+)|\bid=([\w-]+)")
_REFUSED = re.compile(
    r"(?:<.*>\.\.\. (?:User unknown|Unknown user|No such user)|ruleset=check_rcpt, .*\breject=\d"
    r"|Milter(?: \([^)]*\))?: to=<.*>, reject=\d|milter=\S+, action=rcpt, reject=\d)"
)


def is_sendmail(program: str) -> bool:
    """Whether a syslog tag is Sendmail's."""
    return _PROGRAMS.fullmatch(program) is not None


def events(line: LogLine) -> Iterator[Event]:
    """Yield what a line of Sendmail's says."""
    found = _ABOUT.fullmatch(line.text)
    if found is None or not any(letter.isdigit() for letter in found[1]):
        return
    queue_id, text = found.groups()
    if text.startswith("from="):
        yield from _sender(queue_id, text)
    elif text.startswith("to="):
        yield _attempts(queue_id, text)
    elif text.startswith("done; "):
        yield About(queue_id, removed=True)
    elif _REFUSED.match(text):
        said = dict(_SAID.findall(text))
        yield Session(queue_id, _relay(said.get("relay", ""))[0], refused=1)
        yield About(queue_id, refused=1)


def _sender(queue_id: str, text: str) -> Iterator[Event]:
    said = dict(_SAID.findall(text))
    if "relay" not in said and "size" not in said:
        yield Broken("a sender without its relay")
        return
    count = said.get("nrcpts", "")
    ip, name = _relay(said.get("relay", ""))
    yield Session(queue_id, ip, ends=True)
    if count == "0":
        yield About(queue_id, removed=True)  # no recipient was accepted: there is no message
        return
    yield About(
        queue_id,
        client=Client(ip=ip, name=name, auth=said.get("auth") or said.get("authid")),
        sender=said["from"].strip("<>"),
        size_bytes=int(said["size"]) if said.get("size", "").isdigit() else None,
        recipients=int(count) if count.isdigit() else None,
        message_id=said.get("msgid"),
    )


def _attempts(queue_id: str, text: str) -> Event:
    said = dict(_SAID.findall(text))
    stat = said.get("stat")
    if stat is None:
        return Broken("a delivery without its status")
    stat = text.partition(", stat=")[2] or stat
    outcome = _outcome(stat)
    if outcome is None:
        return About(queue_id)
    ip, name = _relay(said.get("relay", ""))
    given = _GIVEN.search(stat)
    return About(
        queue_id,
        attempts=tuple(
            Attempt(
                recipient.strip().strip("<>"),
                outcome,
                relay_name=name if ip else None,
                relay_ip=ip,
                delay_s=_seconds(said.get("delay", "")),
                dsn=said.get("dsn"),
                reply=stat,
                next_id=next(filter(None, given.groups())) if given else None,
            )
            for recipient in said["to"].split(",")
        ),
    )


def _outcome(stat: str) -> Outcome | None:
    if stat.startswith("Sent"):
        return "sent"
    if stat.startswith("queued"):
        return None
    return "deferred" if stat.startswith(("Deferred", "I/O error", "Operating system error")) else "bounced"


def _relay(text: str) -> tuple[str | None, str | None]:
    """Address and looked-up name; no name where the MTA did not believe it, nothing for a local user."""
    found = _RELAY.match(text.strip())
    ip = canonical(found["ip"]) if found else None
    if found is None or ip is None:
        return None, None
    name = found["name"] if found["name"] and not found["forged"] and "@" not in found["name"] else None
    return ip, name.rstrip(".") if name else None


def _seconds(delay: str) -> float | None:
    found = _DELAY.fullmatch(delay)
    if found is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)
