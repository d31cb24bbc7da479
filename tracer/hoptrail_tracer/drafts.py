"""Drafts of frozen values, for the places where so many are made that it shows.

A frozen dataclass fills its slots through object.__setattr__, one call a field. A draft has the same slots, fills them
directly, and becomes what it is a draft of when its `__class__` is set to that.
"""

from dataclasses import fields
from typing import Any, TypeVar

T = TypeVar("T")


def draft_of(frozen: type[T]) -> type[T]:
    """A class with the slots of a frozen dataclass, filled from as many values in the order of its fields."""
    names = tuple(field.name for field in fields(frozen))  # type: ignore[arg-type]
    fill = "; ".join(f"self.{name} = {name}" for name in names)
    made: dict[str, Any] = {}
    exec(f"def __init__(self, {', '.join(names)}): {fill}", made)  # noqa: S102 - as dataclasses does, from names alone
    return type(f"{frozen.__name__}Draft", (), {"__slots__": names, "__init__": made["__init__"]})
