"""Write what the manual pages and the sample configuration say of commands and options, from the program itself.

    .venv/bin/python tools/manuals.py [--check]

With --check nothing is written; the exit code is 1 where something would be.
"""
# ruff: noqa: INP001 - a tool, not a package

import sys
from collections.abc import Iterator
from inspect import cleandoc
from pathlib import Path

import click

from hoptrail.main import COMMANDS, cli
from hoptrail.sample import manual, sample

TOP = Path(__file__).resolve().parents[1]
COMMAND_PAGE = TOP / "docs/man/hoptrail.1.md"
CONFIG_PAGE = TOP / "docs/man/hoptrail.toml.5.md"
SAMPLE = TOP / "contrib/hoptrail.toml"


def between(text: str, begin: str, end: str, new: str) -> str:
    """Return `text` with `new` between two of its headings."""
    head, _, rest = text.partition(f"{begin}\n\n")
    return f"{head}{begin}\n\n{new}\n{end}{rest.partition(end)[2]}"


def commands() -> str:
    """Return the section COMMANDS in Markdown."""
    context = click.Context(cli, info_name="hoptrail")
    return "\n".join(line for name in COMMANDS for line in described(name, cli.get_command(context, name), context))


def described(name: str, command: click.Command | None, parent: click.Context) -> Iterator[str]:
    """Yield the lines about one command and those below it."""
    assert command is not None
    context = click.Context(command, parent, info_name=name)
    if isinstance(command, click.Group) and not command.invoke_without_command:
        for below in command.list_commands(context):
            yield from described(below, command.get_command(context, below), context)
        return
    arguments = [part for part in command.collect_usage_pieces(context) if part != "[OPTIONS]"]
    yield " ".join(["##", f"**{context.command_path}**", *(f"*{part}*" for part in arguments)]) + "\n"
    yield f"{cleandoc(command.help or '')}\n"
    for option in command.params:
        if isinstance(option, click.Option) and not option.hidden:
            yield from described_option(option, context)
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            yield from described(below, command.get_command(context, below), context)


def described_option(option: click.Option, context: click.Context) -> Iterator[str]:
    """Yield the lines about one option."""
    names = ", ".join(f"**{name}**" for name in (*option.opts, *option.secondary_opts))
    value = "" if option.is_flag else f" *{option.make_metavar(context)}*"
    yield f"{names}{value}"
    yield f":   {option.help or ''}\n"


def written() -> Iterator[tuple[Path, str]]:
    """Yield each file with what should stand in it."""
    yield COMMAND_PAGE, between(COMMAND_PAGE.read_text("utf-8"), "# COMMANDS", "# EXIT STATUS", commands())
    yield CONFIG_PAGE, between(CONFIG_PAGE.read_text("utf-8"), "# OPTIONS", "# FILES", manual())
    yield SAMPLE, sample()


def main() -> None:
    """Write or check."""
    stale = [(path, text) for path, text in written() if path.read_text("utf-8") != text]
    for path, text in stale:
        if "--check" in sys.argv:
            click.echo(f"{path.relative_to(TOP)} is not what the program says: run tools/manuals.py", err=True)
        else:
            path.write_text(text, "utf-8")
    sys.exit(bool(stale) and "--check" in sys.argv)


if __name__ == "__main__":
    main()
