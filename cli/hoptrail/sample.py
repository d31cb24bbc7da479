"""The configuration in words: the commented sample file and the manual page, from what each option says of itself."""

import json
import textwrap
from collections.abc import Iterator
from dataclasses import Field, fields
from typing import Any, Literal, cast, get_args, get_origin

from hoptrail.config import DEFAULT_PATH, SECTIONS, Config

_WIDTH = 100

_HEAD = f"""\
# Hoptrail's configuration, {DEFAULT_PATH}. Each option stands here with its default: take the '#'
# away to change one. `hoptrail config check` says what is wrong with a file.
"""


def format_value(value: object) -> str:
    """Return a setting as TOML spells it."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(format_value, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def format_config(config: Config) -> str:
    """Return a configuration as TOML, every option with its value."""
    return "\n\n".join(
        "\n".join([f"[{section}]", *(f"{key} = {format_value(value)}" for key, value in _values(config, section))])
        for section in SECTIONS
    )


def sample() -> str:
    """Return the sample file: every option as a comment, explained."""
    return "\n".join([_HEAD, *(line for section in SECTIONS for line in _sample_section(section))]).rstrip() + "\n"


def manual() -> str:
    """Return the options as the part OPTIONS of the manual page, in Markdown."""
    return "\n".join(line for section in SECTIONS for line in _manual_section(section)).rstrip() + "\n"


def kind(option: Field[Any]) -> str:
    """Return what an option takes, in words: "whole number, 0 to 256"."""
    if get_origin(option.type) is Literal:
        return " or ".join(map(format_value, get_args(option.type)))
    names = {bool: "true or false", int: "whole number", float: "number", str: "string"}
    at_least, at_most = option.metadata["at_least"], option.metadata["at_most"]
    bounds = {
        (False, False): "",
        (True, False): f", at least {at_least}",
        (False, True): f", at most {at_most}",
        (True, True): f", {at_least} to {at_most}",
    }[at_least is not None, at_most is not None]
    name = names.get(cast("type", option.type), "list of strings")
    return f"{name}{bounds}"


def _values(config: Config, section: str) -> list[tuple[str, object]]:
    settings = getattr(config, section)
    return [(option.name, getattr(settings, option.name)) for option in fields(settings)]


def _about(section: str) -> str:
    """Return the first paragraph of the settings' docstring, without the section's name that it begins with."""
    text = " ".join((SECTIONS[section].__doc__ or "").split("\n\n", maxsplit=1)[0].split())
    about = text.removeprefix(f"[{section}]: ")
    return about[:1].upper() + about[1:]


def _sample_section(section: str) -> Iterator[str]:
    yield f"[{section}]"
    yield from _comment(_about(section))
    yield ""
    for option in fields(SECTIONS[section]):
        yield from _comment(f"{option.metadata['text']} ({kind(option)})")
        if option.metadata["example"]:
            yield f"# Example: {option.name} = {option.metadata['example']}"
        yield f"#{option.name} = {format_value(option.default)}"
        yield ""


def _comment(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)


def _manual_section(section: str) -> Iterator[str]:
    yield f"## [{section}]\n"
    yield f"{_about(section)}\n"
    for option in fields(SECTIONS[section]):
        yield f"**{option.name}** = {format_value(option.default)}"
        example = f" Example: `{option.metadata['example']}`." if option.metadata["example"] else ""
        yield f":   {option.metadata['text']} ({kind(option)}){example}\n"
