"""The socket of the review page: on this host, and nowhere else."""

import ipaddress
import os
import socket
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hoptrail_web.errors import WebError

_BACKLOG = 64


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A loopback address with its port, or the path of a unix socket."""

    host: str = ""
    port: int = 0
    path: str = ""

    @property
    def url(self) -> str:
        """What a browser opens; for a unix socket what it would be behind a proxy."""
        return "http://localhost/" if self.path else f"http://{_bracketed(self.host)}:{self.port}/"


def parse_endpoint(text: str) -> Endpoint:
    """The place that `text` names; raises ValueError with what to write instead."""
    if text.startswith("unix:"):
        path = text.removeprefix("unix:")
        if not path.startswith("/"):
            raise ValueError(f"{text!r}: write an absolute path, unix:/run/hoptrail/web.sock")
        return Endpoint(path=path)
    host, colon, port = text.rpartition(":")
    host = "127.0.0.1" if host == "localhost" else host.strip("[]")
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not colon or not loopback:
        raise ValueError(
            f"{text!r}: the page is shown on this host only: write 127.0.0.1:PORT, [::1]:PORT or unix:/PATH"
        )
    if not port.isascii() or not port.isdigit() or int(port) >= 1 << 16:
        raise ValueError(f"{text!r}: {port!r} is no port: write 127.0.0.1:8425")
    return Endpoint(host, int(port))


def check_listening(text: str) -> None:
    """Refuse what the page cannot listen on."""
    parse_endpoint(text)


def listen(endpoint: Endpoint) -> socket.socket:
    """The bound, listening socket; raises WebError that says who holds the place."""
    sock = socket.socket(_family(endpoint), socket.SOCK_STREAM)
    try:
        if endpoint.path:
            _make_way(Path(endpoint.path))
            before = os.umask(0o117)  # the owner and the group, nobody else
            try:
                sock.bind(endpoint.path)
            finally:
                os.umask(before)
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((endpoint.host, endpoint.port))
        sock.listen(_BACKLOG)
    except OSError as error:
        sock.close()
        place = endpoint.path or f"{_bracketed(endpoint.host)}:{endpoint.port}"
        raise WebError(f"{place}: cannot listen there: {error.strerror}; choose another place with --listen") from error
    return sock


def _family(endpoint: Endpoint) -> socket.AddressFamily:
    if endpoint.path:
        return socket.AF_UNIX
    return socket.AF_INET6 if ":" in endpoint.host else socket.AF_INET


def _make_way(path: Path) -> None:
    """Remove a socket that nobody answers at any more; raises WebError where somebody does."""
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise WebError(f"{path}: is there and no socket; choose another path with --listen")
        with socket.socket(socket.AF_UNIX) as asked:
            try:
                asked.connect(str(path))
            except ConnectionRefusedError:
                path.unlink()
            else:
                raise WebError(f"{path}: another `hoptrail web` answers there")


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
