"""Who may see the page: a token in a file opens a session, and a session signs each form.

A session is a cookie that says when it ends, signed with the token: nothing is kept, and a new token ends them all. The
forms of a session carry another signature, which no other site can know (OWASP's signed double-submit pattern).
"""

import hashlib
import hmac
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from hoptrail_web.errors import WebError

_TOKEN_BYTES = 32
_LINK_S = 600
"""How long the link that the command prints opens a session, once."""
_GUESSES, _GUESSES_S = 5, 60
"""Wrong tokens in a minute after which all have to wait: guessing 256 bits is hopeless, filling a log is not."""


def read_token(path: Path) -> str:
    """The token in a file, made where there is none; raises WebError where others may read it."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return _kept_token(path)
    except OSError as error:
        raise WebError(
            f"{path}: cannot be made: {error.strerror}; set [web] token_file to a file of this user"
        ) from error
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    with os.fdopen(descriptor, "w") as file:
        file.write(token + "\n")
    return token


def _kept_token(path: Path) -> str:
    try:
        with path.open() as file:
            if os.fstat(file.fileno()).st_mode & 0o077:
                raise WebError(f"{path}: others may read or change the token: chmod 600 {path}")
            token = file.read(1024).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise WebError(f"{path}: the token cannot be read: {error}") from error
    if len(token) < _TOKEN_BYTES:
        raise WebError(f"{path}: is too short for a token; delete it, and the next start makes another")
    return token


@dataclass(slots=True)
class Access:
    """Opens and checks sessions. `clock` gives seconds since 1970."""

    token: str
    session_s: int
    clock: Callable[[], float]
    _link: tuple[str, float] | None = None
    _wrong: list[float] = field(default_factory=list)

    def link_key(self) -> str:
        """A key that opens one session, once, within ten minutes."""
        key = secrets.token_urlsafe(_TOKEN_BYTES)
        self._link = key, self.clock() + _LINK_S
        return key

    def waits(self) -> bool:
        """Whether too many wrong tokens came of late."""
        now = self.clock()
        self._wrong = [at for at in self._wrong if now - at < _GUESSES_S]
        return len(self._wrong) >= _GUESSES

    def opens(self, given: str) -> bool:
        """Whether what was given is the token, or the key of the link, which is then used up."""
        encoded = given.encode("utf-8", "replace")
        if hmac.compare_digest(encoded, self.token.encode()):
            return True
        if self._link and self.clock() < self._link[1] and hmac.compare_digest(encoded, self._link[0].encode()):
            self._link = None
            return True
        self._wrong.append(self.clock())
        return False

    def new_session(self) -> str:
        """The cookie of a new session."""
        said = f"{int(self.clock()) + self.session_s}.{secrets.token_urlsafe(16)}"
        return f"{said}.{self._signature('session', said)}"

    def is_session(self, cookie: str | None) -> bool:
        """Whether a cookie is of a session that still lasts."""
        said, _, signature = (cookie or "").rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._signature("session", said).encode()):
            return False
        return int(said.partition(".")[0]) > self.clock()

    def form_key(self, session: str) -> str:
        """What the forms of a session carry."""
        return self._signature("form", session)

    def is_form_key(self, session: str, given: str) -> bool:
        """Whether a form is one of the session's own."""
        return hmac.compare_digest(given.encode("utf-8", "replace"), self.form_key(session).encode())

    def _signature(self, use: str, said: str) -> str:
        return hmac.new(self.token.encode(), f"{use}:{said}".encode("utf-8", "replace"), hashlib.sha256).hexdigest()
