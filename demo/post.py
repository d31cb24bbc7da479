"""How a letter gets from its file to Postfix: dates moved to now, from its own client's address."""

import re
from contextlib import closing
from datetime import datetime, timedelta
from email.utils import format_datetime

from world import Letter

from testbed.mta import PASSWORD
from testbed.places import TOP
from testbed.postfix import Postfix

MESSAGES = TOP / "demo/messages"
OK = 250


def letter_bytes(letter: Letter, now: datetime) -> bytes:
    """The message as it goes out: each {{now-SECONDS}} is a date, it is long enough, and lines end in CRLF."""

    def date(match: re.Match[bytes]) -> bytes:
        return format_datetime(now + timedelta(seconds=int(match[1]))).encode()

    text = re.sub(rb"\{\{now([+-]\d+)\}\}", date, (MESSAGES / letter.file).read_bytes())
    line = b"All work and no play makes a long picture. " * 2 + b"\n"
    text += line * (letter.padding_bytes // len(line))
    return text.replace(b"\n", b"\r\n")


def subject_line(letter: Letter) -> bytes:
    """The line of a letter's header by which it is known again."""
    found = re.search(rb"^Subject: .*$", (MESSAGES / letter.file).read_bytes(), re.MULTILINE)
    assert found, f"{letter.file} has no subject"
    return found[0]


def send(mta: Postfix, letter: Letter, now: datetime) -> tuple[int, str, int]:
    """Send a letter; Postfix's code and text for the whole message, and how many recipients it refused."""
    name = letter.client.name or "[UNAVAILABLE]"
    with closing(mta.smtp(submission=letter.login is not None)) as smtp:  # smtplib's own end would hide a Ctrl-C
        smtp.ehlo()
        if letter.login:
            smtp.starttls()
            smtp.ehlo()
        smtp.docmd("XCLIENT", f"ADDR={letter.client.ip} NAME={name} REVERSE_NAME={name}")
        smtp.ehlo(letter.client.helo)
        if letter.login:
            smtp.login(letter.login, PASSWORD)
        smtp.mail(letter.sender, [] if letter.sender.isascii() else ["SMTPUTF8", "BODY=8BITMIME"])
        refused = sum(smtp.rcpt(recipient)[0] != OK for recipient in letter.recipients)
        code, text = smtp.data(letter_bytes(letter, now))
        smtp.quit()
    return code, text.decode(errors="replace"), refused
