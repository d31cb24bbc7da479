"""The manual pages and the sample configuration say what the program does."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from hoptrail.main import cli

TOP = Path(__file__).resolve().parents[2]


def test_pages_and_sample_are_what_the_program_says():
    command = [sys.executable, TOP / "tools/manuals.py", "--check"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


PAGES = sorted(page.with_suffix("") for page in (TOP / "docs/man").glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_page_for_man_has_its_name_section_and_summary_and_no_markdown(page):
    name, section = page.name.rsplit(".", 1)
    text = page.read_text("utf-8")
    assert f'.TH "{name}" "{section}" "" "" "Hoptrail"\n.SH NAME\n{name} \\- ' in text
    assert not re.search(r"\*\*|`|^:   |^#", text, re.MULTILINE)


def options(command: click.Command) -> Iterator[str]:
    """The long options of a command and of those below it."""
    context = click.Context(command)
    for option in command.params:
        if isinstance(option, click.Option):
            yield from (name for name in (*option.opts, *option.secondary_opts) if name.startswith("--"))
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            yield from options(command.get_command(context, name))


def below(command: click.Command) -> list[str]:
    return command.list_commands(click.Context(command)) if isinstance(command, click.Group) else []


@pytest.mark.parametrize("name", ["abuse", "milter", "nightly", "topology", "trace"])
def test_page_of_a_command_names_each_option_and_each_command_below_it(name):
    [page] = (TOP / "docs/man").glob(f"hoptrail-{name}.*.md")
    text = page.read_text("utf-8")
    command = cli.get_command(click.Context(cli), name)
    assert set(options(command)) <= set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text))
    assert set(below(command)) <= set(re.findall(rf"^    hoptrail {name} ([a-z]+)", text, re.MULTILINE))
