import contextlib
import io
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from hoptrail.main import main


@dataclass
class Done:
    code: int
    out: str
    err: str


@pytest.fixture
def hoptrail(monkeypatch):
    """Runs the command in this process, as a shell would see it."""
    monkeypatch.delenv("HOPTRAIL_CONFIG", raising=False)
    monkeypatch.setattr("hoptrail.config.DEFAULT_PATH", Path("/nonexistent/hoptrail.toml"))

    def run(*arguments: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["hoptrail", *map(str, arguments)])
        out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8")
        code = 0
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                main()
            except SystemExit as end:
                code = int(end.code or 0)
        texts = []
        for stream in (out, err):
            stream.flush()
            texts.append(stream.buffer.getvalue().decode())
        return Done(code, *texts)

    return run
