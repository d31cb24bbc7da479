"""Drafts of frozen values, for the places where so many are made that it shows.

A frozen dataclass fills its slots through object.__setattr__, one call a field. A draft has the same slots, fills them
directly, and becomes what it is a draft of when its `__class__` is set to that.
"""

from dataclasses import fields, make_dataclass
from typing import TypeVar

T = TypeVar("T")


def draft_of(frozen: type[T]) -> type[T]:
    """A class with the fields of a frozen dataclass with slots, in their order and without defaults."""
    names = [(field.name, field.type) for field in fields(frozen)]  # type: ignore[arg-type]
    return make_dataclass(f"{frozen.__name__}Draft", names, slots=True)
