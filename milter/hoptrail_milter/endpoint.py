"""Where a socket is, as libmilter writes it: `unix:/path`, `inet:port@host`, `inet6:port@host`; and `tls:port@host`."""

import re
from dataclasses import dataclass
from typing import Literal

# sun_path holds 108 bytes with its closing NUL; libmilter cuts nothing, it fails without saying why.
UNIX_PATH_MAX = 107

_TCP = re.compile(r"(inet6?|tls):(\d{1,5})@(\S+)")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One socket's address; `path` for unix, `host` and `port` for the others."""

    kind: Literal["unix", "inet", "inet6", "tls"]
    path: str = ""
    host: str = ""
    port: int = 0

    def __str__(self) -> str:
        """Return the notation that `parse_endpoint` reads and libmilter understands."""
        return f"unix:{self.path}" if self.kind == "unix" else f"{self.kind}:{self.port}@{self.host}"


def parse_endpoint(text: str) -> Endpoint:
    """Return the address that `text` names; raises ValueError with what to write instead."""
    kind, colon, rest = text.partition(":")
    if kind == "unix" and colon:
        if not rest.startswith("/"):
            raise ValueError(f"{text!r}: write an absolute path, unix:/run/hoptrail/NAME.sock")
        if len(rest.encode()) > UNIX_PATH_MAX:
            raise ValueError(f"{text!r}: a unix socket's path may have {UNIX_PATH_MAX} bytes; choose a shorter one")
        return Endpoint("unix", path=rest)
    found = _TCP.fullmatch(text)
    if not found or not 0 < int(found[2]) < 1 << 16:
        raise ValueError(f"{text!r}: write unix:/path, inet:port@host, inet6:port@host or, for spamd, tls:port@host")
    return Endpoint(found[1], host=found[3], port=int(found[2]))  # type: ignore[arg-type]  # the pattern names the kinds


def check_listening(text: str) -> None:
    """Refuse what the daemon cannot listen on; an empty text is left to the option's own meaning."""
    if text and parse_endpoint(text).kind == "tls":
        raise ValueError(f"{text!r}: TLS is for spamd only; write unix:/path or inet:port@host")


def check_asked(text: str) -> None:
    """Refuse what is no address of a server; empty means that there is none."""
    if text:
        parse_endpoint(text)
