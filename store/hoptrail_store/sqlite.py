"""sqlite-utils' `Database`, imported without pandas and NumPy.

sqlite-utils loads both where they are installed, to know the types of their values. We store none of those, and a host
that has them for its reports would pay with 60 MB in the milter and with half a second in each command.
"""

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEAVY: Final = ("pandas", "numpy")


@contextmanager
def _hidden(names: tuple[str, ...]) -> "Iterator[None]":
    """Make modules that are not loaded yet look absent for the block."""
    hidden = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None is Python's own word for absent
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


with _hidden(_HEAVY):
    from sqlite_utils import Database

__all__ = ["Database"]
