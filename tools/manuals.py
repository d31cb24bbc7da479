"""Write what the manual pages and the sample configuration say of commands and options, from the program itself.

From each page in Markdown the one that man(1) reads is written beside it.

    .venv/bin/python tools/manuals.py [--check]

With --check nothing is written; the exit code is 1 where something would be.
"""
# ruff: noqa: INP001 - a tool, not a package

import sys
from collections.abc import Iterator
from inspect import cleandoc
from pathlib import Path

import click
from docutils import nodes
from docutils.core import publish_doctree, publish_from_doctree
from myst_parser.docutils_ import Parser

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


def roff(page: Path, text: str) -> str:
    """Return a page in Markdown as man(1) reads it; its name and section are those of the file."""
    settings = {"myst_enable_extensions": ["deflist"], "output_encoding": "unicode"}
    document = publish_doctree(text, str(page), parser=Parser(), settings_overrides=settings)
    naming, *sections = (node for node in document.children if isinstance(node, nodes.section))
    name, section = page.stem.rsplit(".", 1)
    about = naming.astext().partition(" - ")[2]
    facts = {"subtitle": about, "manual_section": section, "manual_group": "Hoptrail"}
    document.children = [nodes.title("", name), nodes.docinfo("", *map(fact, facts, facts.values())), *sections]
    document.setup_child(document.children[0])
    man = str(publish_from_doctree(document, writer="manpage", settings_overrides=settings))
    return man.replace(".SH Name\n", ".SH NAME\n")  # as all other headings


def fact(name: str, value: str) -> nodes.field:
    """Return something about a page, as docutils has it."""
    return nodes.field("", nodes.field_name("", name), nodes.field_body("", nodes.paragraph("", value)))


def written() -> Iterator[tuple[Path, str]]:
    """Yield each file with what should stand in it."""
    pages = {page: page.read_text("utf-8") for page in sorted((TOP / "docs/man").glob("*.md"))}
    pages[COMMAND_PAGE] = between(pages[COMMAND_PAGE], "# COMMANDS", "# EXIT STATUS", commands())
    pages[CONFIG_PAGE] = between(pages[CONFIG_PAGE], "# OPTIONS", "# FILES", manual())
    yield from pages.items()
    yield from ((page.with_suffix(""), roff(page, text)) for page, text in pages.items())
    yield SAMPLE, sample()


def main() -> None:
    """Write or check."""
    stale = [(path, text) for path, text in written() if not path.exists() or path.read_text("utf-8") != text]
    for path, text in stale:
        if "--check" in sys.argv:
            click.echo(f"{path.relative_to(TOP)} is not what the program says: run tools/manuals.py", err=True)
        else:
            path.write_text(text, "utf-8")
    sys.exit(bool(stale) and "--check" in sys.argv)


if __name__ == "__main__":
    main()
