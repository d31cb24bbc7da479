"""A syslog socket whose lines go to a file: the one way in which Postfix and Sendmail log alike."""

import re
import socket
import threading
from pathlib import Path

PRIORITY = re.compile(rb"^<\d+>")
LINE_BYTES = 65_536


class SyslogFile:
    """Listens on a unix datagram socket and appends each line, without its priority, to a file."""

    def __init__(self, path: Path, log: Path) -> None:
        self._log = log.open("ab", buffering=0)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        path.chmod(0o666)
        self._thread = threading.Thread(target=self._copy, name="syslog", daemon=True)
        self._thread.start()

    def _copy(self) -> None:
        while line := self._socket.recv(LINE_BYTES):
            self._log.write(PRIORITY.sub(b"", line.rstrip(b"\n\0")) + b"\n")

    def close(self) -> None:
        """Stop listening; what was sent before is in the file."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
            last.sendto(b"", self._socket.getsockname())
        self._thread.join()
        self._socket.close()
        self._log.close()
