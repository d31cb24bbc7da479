"""The daemon's log: one line an event, `event key=value ...`, to standard error or syslog.

Values from outside are quoted and escaped, so that no sender writes lines into the log. A fault that repeats is logged
once, then counted until it has been quiet or a minute has passed.
"""

import logging
import logging.handlers
import os
import re
import sys
import time
from collections.abc import Callable
from threading import Lock
from typing import Final

from hoptrail_milter.settings import MilterSettings

VALUE_MAX_CHARS: Final = 300
REPEAT_S: Final = 60.0
KINDS_MAX: Final = 1_000  # kinds of fault remembered at a time; beyond that they are forgotten, and logged once more

_PLAIN = re.compile(r"[\w.:/@<>+,=\[\]-]+", re.ASCII)
_PRIORITIES: Final = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6), (0, 7))
_SYSLOG_SOCKET = "/dev/log"


class Log:
    """Writes structured lines; safe on any thread."""

    def __init__(self, logger: logging.Logger, clock: Callable[[], float] = time.monotonic) -> None:
        """Write to `logger`; `clock` counts seconds for what repeats."""
        self._logger = logger
        self._clock = clock
        self._lock = Lock()
        self._seen: dict[str, tuple[float, int]] = {}  # kind of fault: when it was last logged, how often since

    def info(self, event: str, **values: object) -> None:
        """Log something ordinary."""
        if self._logger.isEnabledFor(logging.INFO):
            self._logger.info(line(event, values))

    def warning(self, event: str, **values: object) -> None:
        """Log what an admin should see."""
        self._logger.warning(line(event, values))

    def alert(self, event: str, **values: object) -> None:
        """Log what an admin must mend."""
        self._logger.error(line(event, values))

    def fault(self, event: str, error: BaseException | str, **values: object) -> None:
        """Log a fault of our own: in full the first time, then once a minute with the number of times in between."""
        text = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
        since = self._repeated(f"{event} {text}")
        if since is not None:
            trace = None if isinstance(error, str) or since else error
            self._logger.error(line(event, {"error": text, **values, "repeated": since or None}), exc_info=trace)

    def seldom(self, event: str, about: str, **values: object) -> None:
        """Log what an admin should see of `about`, once a minute with the number of times in between."""
        since = self._repeated(f"{event} {about}")
        if since is not None:
            self._logger.warning(line(event, {**values, "repeated": since or None}))

    def _repeated(self, kind: str) -> int | None:
        """Return how often something happened since it was logged, None where it is too early to log it again."""
        with self._lock:
            now = self._clock()
            logged_at, since = self._seen.get(kind, (-REPEAT_S, 0))
            if now - logged_at < REPEAT_S:
                self._seen[kind] = (logged_at, since + 1)
                return None
            if len(self._seen) >= KINDS_MAX:
                self._seen.clear()
            self._seen[kind] = (now, 0)
        return since


def open_log(settings: MilterSettings) -> Log:
    """Return the log that `settings` ask for; without a syslog socket, standard error's. The store's goes there too."""
    logger = logging.getLogger("hoptrail")
    logger.propagate = False
    logger.setLevel(settings.log_level.upper())
    handler: logging.Handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_for_journal() if _is_journal() else _plain("hoptrail-milter[%(process)d]: %(levelname)s "))
    if settings.log == "syslog":
        try:
            handler = logging.handlers.SysLogHandler(_SYSLOG_SOCKET, logging.handlers.SysLogHandler.LOG_MAIL)
            handler.setFormatter(_plain("hoptrail-milter[%(process)d]: "))
        except OSError as error:
            sys.stderr.write(f"hoptrail-milter: {_SYSLOG_SOCKET}: {error}; the log goes to standard error\n")
    for old in list(logger.handlers):
        logger.removeHandler(old)
        old.close()
    logger.addHandler(handler)
    return Log(logger)


def _plain(beginning: str) -> logging.Formatter:
    return logging.Formatter(f"{beginning}%(message)s")


class _JournalFormatter(logging.Formatter):
    """Each line with its priority, as sd-daemon(3) has it, so that `journalctl -p err` finds what must be mended."""

    def format(self, record: logging.LogRecord) -> str:
        priority = next(number for level, number in _PRIORITIES if record.levelno >= level)
        return "\n".join(f"<{priority}>{text}" for text in super().format(record).splitlines())


def _for_journal() -> logging.Formatter:
    return _JournalFormatter("%(message)s")  # name, process and time are the journal's


def _is_journal() -> bool:
    """Whether standard error goes to systemd's journal: JOURNAL_STREAM names its device and inode (systemd.exec(5))."""
    try:
        status = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def line(event: str, values: dict[str, object]) -> str:
    """Return `event` and its values as one line of text."""
    return " ".join([event, *(f"{key}={_show(value)}" for key, value in values.items() if value is not None)])


def _show(value: object) -> str:
    text = str(value)[:VALUE_MAX_CHARS]
    return text if _PLAIN.fullmatch(text) else ascii(text)
