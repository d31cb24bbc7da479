"""Lines made to cost time: each stays far below what the milter may spend, and grows with its length only."""

import dataclasses
import time

import pytest

from hoptrail_tracer.received import LONGEST_LINE, notes, parse, writer
from hoptrail_tracer.received.names import LONGEST_VALUE

# 5 ms a KiB is the promise; what is seen is below 1.5. Processor time, so that a busy machine does not matter.
MOST_S = 5e-3 * LONGEST_LINE / 1024

PIECES = {
    "opened-comments": ("", "("),
    "empty-comments": ("", "()"),
    "nested-comments": ("from x ", "(" * 1000 + ")" * 1000),
    "comments-everywhere": ("from x (y [203.0.113.9]) by z ", "(a) "),
    "comments-behind-the-protocol": ("from x by y with z ", "(a) "),
    "comments-before-by": ("from x ", "(a) "),
    "comments-and-no-end": ("from x (", "(a) "),
    "opened-comments-with-closed-ones": ("from x " + "(" * 20000, "()"),
    "brackets": ("from x (", "[a] "),
    "at-signs": ("from x (", "a@"),
    "words": ("from ", "a "),
    "one-word": ("from ", "a"),
    "by": ("from x ", "by y "),
    "by-behind-addresses": ("from x ", "[203.0.113.9] by y "),
    "protocol-words": ("from x by y with ", "a "),
    "semicolons": ("from x by y ", "; "),
    "dates-that-are-none": ("from x by y; ", "31 Feb 2003 10:00:00 "),
    "months": ("from x by y; ", "Jan 1 "),
    "digits": ("from x (", "1"),
    "dots": ("from x (", "1."),
    "colons": ("from x (", ":"),
    "angles": ("from x by y for ", "<a "),
    "quotes": ("", '"a '),
    "envelopes": ("from x by y ", "(envelope-from "),
    "tls-words": ("from x by y with z (a) ", "tls a "),
    "helo": ("from x (", "helo="),
    "nul-bytes": ("from x", "\0"),
    "no-ascii": ("from ", "é"),
}


@pytest.mark.parametrize(("head", "piece"), PIECES.values(), ids=PIECES)
def test_hostile_line_costs_no_more_than_its_length(head, piece):
    line = (head + piece * LONGEST_LINE)[:LONGEST_LINE]
    start = time.process_time()
    parse(line)
    assert time.process_time() - start < MOST_S


def test_long_words_are_not_remembered():
    before = [len(function.__self__) for function in (notes._remembered, writer.read_cached)]
    parse(f"from x.example ([203.0.113.9]) ({'a' * 5000}) by mx.example.org ({'b' * 5000}) with ESMTP id 7")
    assert [len(function.__self__) for function in (notes._remembered, writer.read_cached)] == before


@pytest.mark.parametrize(
    "line",
    [
        "from %s (%s [203.0.113.9]) by %s (%s) with %s id %s for <%s>; Mon, 04 May 2026 12:00:00 +0000",
        "from %s (HELO %s) (203.0.113.9) by %s with %s; Mon, 04 May 2026 12:00:00 +0000",
        "from [203.0.113.9] (ident=%s helo=%s) by %s with %s id %s; Mon, 04 May 2026 12:00:00 +0000",
    ],
)
def test_no_value_is_longer_than_a_command(line):
    received = parse(line.replace("%s", "a.b" * 2500))
    values = [getattr(received, field.name) for field in dataclasses.fields(received)]
    assert max(len(value) for value in values if isinstance(value, str)) == LONGEST_VALUE
    assert received.ip == "203.0.113.9"


@pytest.mark.parametrize("digits", [1, 5, 4_301, 20_000])
@pytest.mark.parametrize(
    "line",
    [
        "from x (y [203.0.113.9]:%s) by z; Mon, 04 May 2026 12:00:00 +0000",
        "from x (y [203.0.113.9 port:%s]) by z; Mon, 04 May 2026 12:00:00 +0000",
        "from x ([203.0.113.9]:%s helo=y) by z; Mon, 04 May 2026 12:00:00 +0000",
        "from x (203.0.113.9:%s) by z; Mon, 04 May 2026 12:00:00 +0000",
        "from [203.0.113.9]:%s by z; Mon, 04 May 2026 12:00:00 +0000",
        "from x (port=%s HELO y) by z; %s May 2026 12:00:00 +0000",
        "from x by z; Mon, 04 May %s 12:00:00 +0000",
        "from x by z; Mon, 04 May 2026 %s:00:00.%s +%s",
    ],
)
def test_a_number_of_any_length_is_read_or_left_out(line, digits):
    received = parse(line.replace("%s", "9" * digits))
    assert received.port in {None, 9}
    assert received.by == "z"
