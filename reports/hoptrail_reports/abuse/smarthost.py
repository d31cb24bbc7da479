"""One SMTP conversation with the site's smarthost (RFC 5321), in steps, so that a break tells what it left in doubt."""

import re
import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from hoptrail_reports.abuse.settings import AbuseSettings, parse_smarthost
from hoptrail_reports.errors import ReportError
from hoptrail_reports.shown import shown

_OTHERS: Final = 0o077
_GO_ON: Final = 354
_PASSWORD_MAX: Final = 1_024
_LAST_ANSWER_S: Final = 600.0  # RFC 5321 section 4.5.3.2.6: giving up sooner makes duplicates, and here doubts
_NO_8BIT: Final = 451
_LEADING_DOT = re.compile(rb"^\.", re.MULTILINE)


class SendError(ReportError):
    """Nothing can be sent: the smarthost is not configured, not to be reached, or does not take mail from us."""


class BrokenOffError(ReportError):
    """The connection broke after the text had gone out: nobody knows whether the smarthost took it."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The smarthost's answer to one command."""

    code: int
    text: str

    @property
    def taken(self) -> bool:
        """Whether it said yes."""
        return 200 <= self.code < 300  # noqa: PLR2004 - RFC 5321 section 4.2.1

    @property
    def temporary(self) -> bool:
        """Whether it may say yes later."""
        return 400 <= self.code < 500  # noqa: PLR2004 - as above

    @property
    def permanent(self) -> bool:
        """Whether it will always say no. What is no SMTP at all is none of the three."""
        return 500 <= self.code < 600  # noqa: PLR2004 - as above

    def __str__(self) -> str:
        """The answer as a log has it."""
        return f"{self.code} {self.text}"


@contextmanager
def connected(settings: AbuseSettings, hostname: str) -> Iterator[smtplib.SMTP]:
    """Give a conversation that was greeted, encrypted and authenticated as the settings say; raises SendError."""
    if not settings.smarthost:
        raise SendError("no smarthost: set [abuse] smarthost, as in '127.0.0.1:25'")
    host, port = parse_smarthost(settings.smarthost)
    if settings.smarthost_user and settings.smarthost_tls == "none" and not _is_loopback(host):
        raise SendError("a password is not sent without TLS: set [abuse] smarthost_tls to 'starttls' or 'tls'")
    try:
        smtp = _connect(settings, host, port, hostname)
    except (OSError, smtplib.SMTPException) as error:
        raise SendError(f"{settings.smarthost}: {words(error)}") from error
    try:
        yield smtp
    finally:
        try:
            smtp.quit()
        except (OSError, smtplib.SMTPException):
            smtp.close()


def _connect(settings: AbuseSettings, host: str, port: int, hostname: str) -> smtplib.SMTP:
    timeout_s = settings.smarthost_timeout_s
    if settings.smarthost_tls == "tls":
        smtp: smtplib.SMTP = smtplib.SMTP_SSL(host, port, hostname, timeout=timeout_s, context=_context(settings))
    else:
        smtp = smtplib.SMTP(host, port, hostname, timeout=timeout_s)
    try:
        if settings.smarthost_tls == "starttls":
            smtp.starttls(context=_context(settings))
        smtp.ehlo_or_helo_if_needed()
        if settings.smarthost_user:
            smtp.login(settings.smarthost_user, _password(settings.smarthost_password_file))
    except BaseException:
        smtp.close()
        raise
    return smtp


def offer(smtp: smtplib.SMTP, return_path: str, recipient: str, text: bytes) -> tuple[Reply, bool]:
    """Announce one message; returns the answer, and whether it is about the recipient. Raises OSError."""
    options = []
    if not text.isascii():
        if not smtp.has_extn("8bitmime"):
            return Reply(_NO_8BIT, "the smarthost does not offer 8BITMIME, which this report needs"), False
        options.append("BODY=8BITMIME")
    smtp.rset()  # Postfix goes on with a message whose text its restrictions refused
    reply = _reply(smtp.mail(return_path, options))
    if not reply.taken:
        return reply, False
    return _reply(smtp.rcpt(recipient)), True


def hand_over(smtp: smtplib.SMTP, text: bytes) -> Reply:
    """Send the text of a message that was taken so far. Raises OSError before it went out, BrokenOffError after."""
    smtp.putcmd("DATA")
    reply = _reply(smtp.getreply())
    if reply.code != _GO_ON:
        return reply
    ending = b".\r\n" if text.endswith(b"\r\n") else b"\r\n.\r\n"
    try:
        smtp.send(_LEADING_DOT.sub(b"..", text) + ending)
        if smtp.sock:
            smtp.sock.settimeout(max(smtp.timeout, _LAST_ANSWER_S))
        reply = _reply(smtp.getreply())
    except (OSError, smtplib.SMTPException) as error:
        raise BrokenOffError(f"the connection broke after the text had gone out: {words(error)}") from error
    if not (reply.taken or reply.temporary or reply.permanent):
        raise BrokenOffError(f"the answer to the text was none that SMTP knows: {reply}")
    return reply


def words(error: Exception) -> str:
    """What went wrong, for a person: smtplib's errors carry the server's answer as bytes."""
    if isinstance(error, smtplib.SMTPResponseException):
        return str(_reply((error.smtp_code, error.smtp_error)))
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not valid: {error.verify_message}"
    return shown(str(error) or type(error).__name__)


def _reply(answer: tuple[int, bytes | str]) -> Reply:
    code, text = answer
    decoded = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return Reply(code, shown(" ".join(decoded.split()), 400))


def _context(settings: AbuseSettings) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=settings.smarthost_ca_file or None)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _password(name: str) -> str:
    if not name:
        raise SendError("no password: set [abuse] smarthost_password_file")
    path = Path(name)
    if path.stat().st_mode & _OTHERS:
        raise SendError(f"{name}: others may read it: chmod 600 {name}")
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.readline(_PASSWORD_MAX).rstrip("\r\n")
