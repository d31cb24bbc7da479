"""An SMTP server on loopback that breaks where it is told to: what no honest one does on demand."""

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self


class WilfulSmtp:
    """Answers each command by `answers` (verb -> line), else kindly. An empty line hangs up instead of answering.

    The verb of a message's end is ".". `texts` are the messages that came whole, whatever was answered to them.
    """

    def __init__(self, **answers: str) -> None:
        self._answers = {{"TEXT": "."}.get(verb, verb): line for verb, line in answers.items()}
        self.texts: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with client, suppress(OSError):
                self._talk(client)

    def _talk(self, client: socket.socket) -> None:
        stream = client.makefile("rwb", buffering=0)
        stream.write(b"220 here\r\n")
        while line := stream.readline(4_096):
            verb = line.split(maxsplit=1)[0].decode("ascii", "replace").upper() if line.strip() else ""
            kind = {"DATA": "354 go on", "EHLO": "250-here\r\n250 8BITMIME", "QUIT": "221 bye"}.get(verb, "250 fine")
            if not self._answer(stream, verb, kind):
                return
            if verb == "DATA" and self._answers.get(verb, kind).startswith("354"):
                text = b""
                while not text.endswith(b"\r\n.\r\n"):
                    text += stream.readline(4_096)
                self.texts.append(text)
                if not self._answer(stream, ".", "250 taken"):
                    return

    def _answer(self, stream: object, verb: str, kind: str) -> bool:
        line = self._answers.get(verb, kind)
        if line:
            stream.write(line.encode() + b"\r\n")
        return bool(line)
