"""The Received line that the MTA will write, made for spamd: a milter sees the message before the MTA prepends its own.

Without it SpamAssassin would take the sender's own lines for the border of the network.
"""

import re
from email.utils import format_datetime

from hoptrail_tracer.model import Connection

_UNSAFE = re.compile(r"[^!-~]|[()\[\]<>\\;]")  # what could end a token, a comment or the line


def envelope_lines(connection: Connection) -> bytes:
    """Return Return-Path and Received for the top of the message that spamd sees, with CRLF.

    Sendmail's form of Received, which SpamAssassin reads with every detail; the date is our own clock's, since {b} is
    the time of the connection and may lie in the future of a slow one.
    """
    helo = _token(connection.helo or connection.rdns or "unknown")
    name = f"{_token(connection.rdns)} " if connection.rdns else ""
    ip = connection.ip or "127.0.0.1"
    address = f"[IPv6:{ip}]" if ":" in ip else f"[{ip}]"
    user = " (authenticated)" if connection.auth else ""
    protocol = "ESMTP" + ("S" if connection.tls else "") + ("A" if connection.auth else "")
    sender = _token(connection.envelope_from or "")
    date = format_datetime(connection.date) if connection.date else ""
    return (
        f"Return-Path: <{sender}>\r\n"
        f"Received: from {helo} ({name}{address}){user}\r\n"
        f"\tby {_token(connection.by or 'localhost')} with {protocol} id {_token(connection.id or 'unknown')}\r\n"
        f"\t(envelope-from <{sender}>); {date}\r\n"
    ).encode("ascii")


def _token(text: str) -> str:
    return _UNSAFE.sub("_", text)
