"""The message as a report shows it: within bounds, fit for SMTP, and with its recipients hidden.

Everything else stands byte for byte as it came. What SMTP cannot carry is changed: every line end becomes CRLF, NULs
go, and a line too long is broken.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hoptrail_reports.abuse import mime
from hoptrail_reports.abuse.leaks import leaks
from hoptrail_reports.abuse.munge import munge
from hoptrail_reports.shown import counted

LINE_MAX: Final = 998
"""RFC 5321 section 4.5.3.1.6: octets of a line, without its CRLF."""
_LINE_END = re.compile(rb"\r\n|\r|\n")
_HEADER_END = re.compile(rb"\r\n\r\n")


@dataclass(frozen=True, slots=True)
class Evidence:
    """The bytes a report shows, CRLF line ends throughout, and what was done to them, in words."""

    raw: bytes
    notes: tuple[str, ...] = ()
    munged: bool = True


def prepare(
    raw: bytes, recipients: Sequence[str], *, limit_bytes: int, cut_from_bytes: int | None = None, munged: bool = True
) -> Evidence:
    """The evidence for one report; `cut_from_bytes` is the message's size where `raw` is only its beginning.

    Where a second reading still finds a recipient in what is munged, the body is left out; where that does not help,
    everything is.
    """
    notes = []
    text = _LINE_END.sub(b"\r\n", raw.replace(b"\0", b""))
    if b"\0" in raw:
        notes.append(f"{counted(raw.count(0), 'NUL byte')} left out.")
    text = _within_lines(text)
    if len(text) > limit_bytes or cut_from_bytes is not None:
        size_bytes = cut_from_bytes or len(raw)
        text = _cut(text, limit_bytes, size_bytes)
        notes.append(f"The message had {size_bytes:,} bytes; the end is left out.")
    if not munged:
        return Evidence(text, tuple(notes), munged=False)
    notes.insert(0, "Recipients are shown as 'x'.")
    text = munge(text, recipients)
    if leaks(text, recipients):
        text = (
            _HEADER_END.split(text, maxsplit=1)[0]
            + b"\r\n\r\n[ body left out: the recipients in it cannot be hidden ]\r\n"
        )
        notes.append("The body is left out, because the recipients in it cannot be hidden.")
    if leaks(text, recipients):
        return Evidence(b"", ("The message is left out, because the recipients in it cannot be hidden.",))
    return Evidence(text, tuple(notes))


def _within_lines(text: bytes) -> bytes:
    """Text whose lines SMTP carries: a longer one is broken."""
    if max(map(len, text.split(b"\r\n"))) <= LINE_MAX:
        return text
    return re.sub(rb"([^\r\n]{%d})(?=[^\r\n])" % (LINE_MAX - 1), rb"\1\r\n ", text)


def _cut(text: bytes, limit_bytes: int, size_bytes: int) -> bytes:
    """The beginning of a message up to a whole line, its open parts closed, and a last line that says so."""
    if len(text) > limit_bytes:
        text = text[: text.rfind(b"\r\n", 0, limit_bytes) + 2]
    elif not text.endswith(b"\r\n"):
        text += b"\r\n"
    closing = b"".join(b"\r\n--" + name + b"--\r\n" for name in reversed(mime.open_boundaries(text)))
    return text + closing + b"[ cut here: the message had %d bytes ]\r\n" % size_bytes
