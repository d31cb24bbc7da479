"""The nightly report sites, shown read-only: files of the reports' folder and nothing beside them."""

import os
import re
import stat
from datetime import date
from pathlib import Path

from starlette.responses import Response

FILE_MAX_BYTES = 64 << 20

_NIGHT = re.compile(r"\d{4}-\d{2}-\d{2}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,200}")
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".txt": "text/plain; charset=utf-8",
    ".csv": "text/csv; charset=utf-8",
    ".dot": "text/plain; charset=utf-8",
    ".graphml": "application/xml",
}
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src 'self'; form-action 'none'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
"""The pages name their one script and style sheet by hash in a policy of their own; a browser keeps both policies."""


def nights(folder: Path) -> list[date]:
    """The nights that have pages, newest first; none where there is no folder yet."""
    try:
        names = [entry.name for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return []
    return sorted((date.fromisoformat(name) for name in names if _NIGHT.fullmatch(name)), reverse=True)


def night_file(folder: Path, path: str) -> Response | None:
    """A file of the nights, such as `2026-05-04/index.html`; None for whatever else a path may lead to."""
    parts = path.split("/")
    if parts[-1] == "":
        parts[-1] = "index.html"
    kind = _TYPES.get(Path(parts[-1]).suffix)
    if kind is None or not all(map(_NAME.fullmatch, parts)):
        return None
    content = _read(folder, parts)
    return None if content is None else Response(content, media_type=kind, headers={"Content-Security-Policy": _POLICY})


def _read(folder: Path, parts: list[str]) -> bytes | None:
    """What is in a file, reached step by step through real folders: no link is followed."""
    opened = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        for part in parts[:-1]:
            below = os.open(part, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=opened)
            os.close(opened)
            opened = below
        file = os.open(parts[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=opened)
    except OSError:
        return None
    finally:
        os.close(opened)
    with os.fdopen(file, "rb") as content:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode) or status.st_size > FILE_MAX_BYTES:
            return None
        return content.read()
