"""Where Hoptrail reads a Received line otherwise than SpamAssassin does, and why: each difference put into a class.

    python bench/received_differences.py chains.jsonl.xz ...

Each line of a file is a JSON object with `received`, a list of lines, and `spamassassin`, what SpamAssassin's parser
made of each: `status` (ok, skip, unparseable) and ip, rdns, helo, by, ident, envfrom, id, auth. The table that this
prints stands in docs/parsing.md. The exit status is 1 if a difference belongs to no class.
"""

import json
import lzma
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hoptrail_tracer.model import Kind, Received
from hoptrail_tracer.received import parse

ATTRIBUTES = {
    "envfrom": "envelope_from",
    **{name: name for name in ("ip", "rdns", "helo", "by", "ident", "id", "auth")},
}
STATUS = {"ok": "parsed", "skip": "skipped", "unparseable": "unparseable"}


@dataclass(frozen=True, slots=True)
class Difference:
    """One field of one line as SpamAssassin and as Hoptrail read it; `status` is a field like the others."""

    line: str
    field: str
    theirs: str
    ours: str
    read: Received


def neutralised(text: str) -> str:
    """`text` as SpamAssassin writes it: characters that its own format needs become "!"."""
    return re.sub(r"[\s\0#\[\]()<>|]", "!", text)


def is_address(text: str) -> bool:
    return re.fullmatch(r"\[?[\d.]{7,}\]?\.?", text) is not None


HELO_WRITERS = re.compile(
    r"PowerMTA|KumoMTA|Axigen|XMail|nmail|LSMTP|Mercury|MERCUR|WinRoute|Worldmail|Microsoft Exchange Internet Mail",
    re.IGNORECASE,
)

# Field, what is different and who is right, and how it is recognised. The first class that fits counts.
CLASSES: tuple[tuple[str, str, Callable[[Difference], bool]], ...] = (
    (
        "all",
        "same value: SpamAssassin shows brackets and other characters of its own format as `!`",
        lambda d: neutralised(d.ours) == d.theirs,
    ),
    ("by, rdns", "same value without the root's dot", lambda d: d.theirs.rstrip(".") == d.ours != ""),
    ("ident", "same value without the `IDENT:` before it", lambda d: d.theirs == f"IDENT:{d.ours}"),
    (
        "rdns",
        "Exchange looks nothing up: its name is the HELO",
        lambda d: (
            (d.field == "rdns" and not d.ours and "Microsoft SMTP Server" in d.line)
            or ("with mapi" in d.line and d.field == "rdns")
        ),
    ),
    (
        "rdns",
        "a name before `with HTTPS` between Microsoft's own hosts was not looked up",
        lambda d: d.field == "rdns" and d.read.kind is Kind.INTERNAL,
    ),
    (
        "auth",
        "HTTPS between Microsoft's own hosts is no authentication",
        lambda d: d.field == "auth" and d.read.kind is Kind.INTERNAL,
    ),
    ("rdns", "an address is no name", lambda d: d.field == "rdns" and not d.ours and is_address(d.theirs)),
    (
        "rdns",
        "`unverified` and `nodnsquery` say that there is no name",
        lambda d: d.field == "rdns" and d.theirs in {"unverified", "nodnsquery"},
    ),
    (
        "rdns",
        "software that writes HELO before the address",
        lambda d: d.field == "rdns" and not d.ours and HELO_WRITERS.search(d.line) is not None,
    ),
    ("rdns", "one label is no name out of the DNS", lambda d: d.field == "rdns" and not d.ours and "." not in d.theirs),
    (
        "rdns",
        "`name ([ip])` without Exim's or qmail's marks: Sendmail's order, the name is the HELO",
        lambda d: d.field == "rdns" and not d.ours and d.theirs == d.read.helo and "[" in d.line,
    ),
    (
        "rdns, helo",
        "Exim's `rdns (helo) [ip]`",
        lambda d: d.field in {"rdns", "helo"} and re.match(r"from (?:\S+ )?\(\S+\) \[", d.line) is not None,
    ),
    (
        "rdns",
        "a looked-up name that SpamAssassin leaves out",
        lambda d: d.field == "rdns" and not d.theirs and d.ours in d.line,
    ),
    (
        "helo",
        "`unknown` stands for the missing name, nobody said it",
        lambda d: d.field == "helo" and d.theirs == "unknown",
    ),
    (
        "helo",
        "a browser or an API says no HELO",
        lambda d: d.field == "helo" and not d.ours and (d.read.kind is Kind.HTTP or "with REST" in d.line),
    ),
    (
        "helo",
        "the name without the comment that touches it",
        lambda d: d.field == "helo" and d.theirs.startswith(d.ours + "!") and d.ours != "",
    ),
    (
        "helo",
        "a byte that is no character is kept as it came",
        lambda d: d.field == "helo" and any(0xDC80 <= ord(char) <= 0xDCFF for char in d.ours),
    ),
    (
        "ip, helo",
        "a literal in the HELO is taken for the address",
        lambda d: d.field in {"ip", "helo"} and re.search(r"(?:HELO |helo=)\[", d.line) is not None,
    ),
    ("ip", "the proxy connected; for whom is what it says", lambda d: d.field == "ip" and "proxying for" in d.line),
    (
        "helo",
        "all words before the address, or a mark that is not of the word",
        lambda d: d.field == "helo" and d.theirs in {d.ours.split(" ")[0], ""},
    ),
    (
        "id",
        "an id that SpamAssassin misses (`mapi id`, `ID`, `id:`, under three characters)",
        lambda d: d.field == "id" and not d.theirs,
    ),
    ("id", "`id` without value; the next word is `for`", lambda d: d.field == "id" and d.theirs == "for"),
    (
        "envfrom",
        "`from <sender>` behind the recipient, as XMail and nMail write it",
        lambda d: d.field == "envfrom" and not d.theirs,
    ),
    ("envfrom", "cut at the comment's end", lambda d: d.field == "envfrom" and d.theirs.startswith(d.ours + "!")),
    ("auth", "`via HTTP` is webmail as `with HTTP` is", lambda d: d.field == "auth" and d.ours.startswith("HTTP")),
    (
        "auth",
        "`(user@ip with login)` names the mechanism",
        lambda d: d.field == "auth" and d.ours in {"login", "plain"},
    ),
    (
        "by",
        "the host without the comment or address that touches it",
        lambda d: d.field == "by" and d.theirs.strip("!").startswith(d.ours) and d.ours != "",
    ),
    ("by", "a line that names no host after `by`", lambda d: d.field == "by" and not d.ours),
    (
        "status",
        "SpamAssassin cannot read it, and it names no address (some are masked): skipped",
        lambda d: d.theirs == "unparseable" and d.ours == "skipped",
    ),
    (
        "status",
        "SpamAssassin cannot read it, and it names an address: parsed",
        lambda d: d.theirs == "unparseable" and d.ours == "parsed",
    ),
    (
        "status",
        "SpamAssassin skips it, and it names an address: parsed",
        lambda d: d.theirs == "skipped" and d.read.ip is not None,
    ),
    (
        "status",
        "mail fetched with POP is no handover: skipped",
        lambda d: d.ours == "skipped" and d.read.kind is Kind.FETCH,
    ),
    (
        "status",
        "half a line, without from, by and date: unparseable",
        lambda d: d.ours == "unparseable" and " by " not in d.line,
    ),
)


def differences(line: str, theirs: dict[str, str]) -> Iterator[Difference]:
    """The fields of `line` that the two read differently; beyond the status, only where both read an address."""
    read = parse(line)
    shown = " ".join(line.split())
    if STATUS[theirs["status"]] != read.status:
        yield Difference(shown, "status", STATUS[theirs["status"]], read.status, read)
    elif theirs["status"] == "ok":
        for field, attribute in ATTRIBUTES.items():
            ours = getattr(read, attribute) or ""
            if theirs[field] != ours:
                yield Difference(shown, field, theirs[field], ours, read)


def lines(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    with lzma.open(path, "rt", encoding="utf-8") if path.suffix == ".xz" else path.open(encoding="utf-8") as file:
        for message in map(json.loads, file):
            yield from zip(message["received"], message["spamassassin"], strict=True)


def main(paths: list[str]) -> int:
    counts = {path: Counter() for path in paths}
    unclassified: list[Difference] = []
    totals = dict.fromkeys(paths, 0)
    unparseable = dict.fromkeys(paths, 0)
    for path in paths:
        for line, theirs in lines(Path(path)):
            totals[path] += 1
            unparseable[path] += parse(line).status == "unparseable"
            for difference in differences(line, theirs):
                index = next((at for at, (_, _, fits) in enumerate(CLASSES) if fits(difference)), None)
                if index is None:
                    unclassified.append(difference)
                else:
                    counts[path][index] += 1
    columns = [Path(path).name.partition(".")[0] for path in paths]
    print("| field | difference |", " | ".join(columns), "|")
    print("|---|---|" + "---:|" * len(columns))
    for index, (field, text, _) in enumerate(CLASSES):
        print(f"| {field} | {text} |", " | ".join(str(counts[path][index]) for path in paths), "|")
    print("| | unparseable, of", ", ".join(str(totals[path]) for path in paths), "lines |", end=" ")
    print(" | ".join(str(unparseable[path]) for path in paths), "|")
    for difference in unclassified:
        print(f"UNCLASSIFIED {difference.field}: theirs {difference.theirs!r}, ours {difference.ours!r}")
        print(f"  {difference.line}")
    return 1 if unclassified else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
