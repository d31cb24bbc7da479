"""Text from mail made fit to be shown: printable, and not endless. Escaping is left to whoever knows the format."""


def shown(text: str, limit: int = 253) -> str:
    """The text with everything unprintable (controls, bidirectional overrides, surrogates) replaced, cut at `limit`."""
    cut = text if len(text) <= limit else text[: limit - 1] + "\N{HORIZONTAL ELLIPSIS}"
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in cut)


def shortened(text: str, length: int) -> str:
    """The text with its middle left out where it is longer than `length`: both ends of a host name tell something."""
    if len(text) <= length:
        return text
    head = max(1, (length - 1) * 3 // 5)
    tail = max(0, length - 1 - head)
    return text[:head] + "\N{HORIZONTAL ELLIPSIS}" + (text[-tail:] if tail else "")


def counted(number: int, singular: str, plural: str | None = None) -> str:
    """A number with its noun: "1 relay", "1,204 relays"."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def duration(seconds: float | None) -> str:
    """A time span for people: "0 s", "48 s", "5 min", "2.5 h", "3 d"; a dash where there is none."""
    if seconds is None:
        return "\N{EN DASH}"
    for size_s, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if abs(seconds) >= 2 * size_s:
            return f"{seconds / size_s:.1f}".removesuffix(".0") + f" {unit}"
    return f"{seconds:.1f}".removesuffix(".0") + " s"


def percent(share: float) -> str:
    """A share for people, with as many digits as mean something: "31%", "0.4%", "<0.1%", "0%"."""
    if not share:
        return "0%"
    if 0 < share < 0.001:  # noqa: PLR2004 - what the text says
        return "<0.1%"
    return f"{share:.1%}" if share < 0.1 else f"{share:.0%}"  # noqa: PLR2004
