"""The way from an older schema to the present one: files NNN-name.sql, applied in the order of their numbers.

A store's `user_version` is the number of its last step. Version 1 is the first release; schema.sql beside this folder
always is the result of all steps, and new stores are made from it.
"""

import re
from dataclasses import dataclass
from importlib.resources import files

FIRST_VERSION = 1

_STEP_NAME = re.compile(r"(\d{3})-[a-z0-9-]+\.sql")


@dataclass(frozen=True, slots=True)
class Step:
    """The SQL that makes a store of version `version` out of one of the version before."""

    version: int
    sql: str


def steps() -> tuple[Step, ...]:
    """Return every step there is, oldest first."""
    found = ((_STEP_NAME.fullmatch(entry.name), entry) for entry in files(__package__).iterdir())
    return tuple(
        sorted(
            (Step(int(match[1]), entry.read_text(encoding="utf-8")) for match, entry in found if match),
            key=lambda step: step.version,
        )
    )


def schema() -> str:
    """Return the SQL of a new store."""
    return files("hoptrail_store").joinpath("schema.sql").read_text(encoding="utf-8")
