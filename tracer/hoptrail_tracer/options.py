"""Options of a settings dataclass: a default with its explanation, bounds and example.

Every package declares its settings as frozen dataclasses whose fields are made by `option`; the command reads one TOML
file into them, and the same text becomes the commented sample, `hoptrail config show` and the man page.
"""

from collections.abc import Callable
from dataclasses import field
from typing import Any


def option(
    default: object,
    text: str,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    example: str | None = None,
    check: Callable[[Any], object] | None = None,
) -> Any:  # noqa: ANN401 - as dataclasses.field: the type checker takes the annotation of the field it stands for
    """A dataclass field that carries what `hoptrail config show` says of it.

    `text` is one or two sentences for a postmaster; `example` a TOML value shown where the default is empty. `check`
    is called with a value from the file and raises ValueError, with a sentence that says what to write instead.
    """
    return field(
        default=default,
        metadata={"text": text, "at_least": at_least, "at_most": at_most, "example": example, "check": check},
    )
