"""Files of chains, one JSON object a line: read as a stream, traced, and written as one object a line."""

import gzip
import lzma
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, TextIO, cast

from hoptrail_tracer.chain import trace
from hoptrail_tracer.chainlines import ChainLineError, parse_chain_line
from hoptrail_tracer.document import format_document, trace_document
from hoptrail_tracer.settings import SiteSettings

_OPENERS: dict[str, Callable[[Path], object]] = {".gz": gzip.open, ".xz": lzma.open}

MAX_LINE_BYTES = 64 << 20
"""A chain of 1,000 lines of 64 KiB, the tracer's own bounds."""


def open_chains(path: str) -> BinaryIO:
    """A file of chains as bytes, unpacked if its name ends in .gz or .xz; `-` is standard input."""
    if path == "-":
        return sys.stdin.buffer
    opener = _OPENERS.get(Path(path).suffix)
    return cast("BinaryIO", opener(Path(path))) if opener is not None else Path(path).open("rb")


def trace_chains(source: BinaryIO, name: str, site: SiteSettings, *, out: TextIO, err: TextIO) -> int:
    """Write one JSON object for each line of `source`, in order, and return how many lines were no chains.

    Such a line is named on `err` and gets `{"error": ...}` in the output, so that the lines of both stay side by side.
    """
    bad = 0
    for number, line in _numbered_lines(source):
        try:
            chain = parse_chain_line(line)
        except ChainLineError as error:
            bad += 1
            document = {"error": f"{name}:{number}: {error}"}
            err.write(f"hoptrail: {name}:{number}: {error}\n")
        else:
            traced = trace(chain.received, connection=chain.connection, site=site, fields=chain.fields)
            document = trace_document(traced)
        out.write(format_document(document) + "\n")
    return bad


def _numbered_lines(source: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Lines that hold something, with their numbers; of one beyond the bound only the beginning, which is no JSON."""
    number = 0
    while line := source.readline(MAX_LINE_BYTES):
        number += 1
        rest = line
        while len(rest) == MAX_LINE_BYTES and not rest.endswith(b"\n"):
            rest = source.readline(MAX_LINE_BYTES)
        if line.strip():
            yield number, line
