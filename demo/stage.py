"""The demo's screen: numbered steps, short sentences, and commands run in sight."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table

from testbed.places import TOP

HOPTRAIL = Path(sys.executable).with_name("hoptrail")
COMMAND_TIMEOUT_S = 120


class DemoError(Exception):
    """A step did not do what it says."""


class Stage:
    """What the audience sees."""

    def __init__(self) -> None:
        self.console = Console(highlight=False)
        self._steps = 0

    def step(self, title: str, *sentences: str) -> None:
        """Begin a step."""
        self._steps += 1
        self.console.print()
        self.console.rule(f"[bold cyan]{self._steps}. {title}", align="left")
        for sentence in sentences:
            self.console.print(sentence)

    def done(self, text: str) -> None:
        """Say what has been reached."""
        self.console.print(f"[green]✓[/] {text}", soft_wrap=True)

    def check(self, truth: object, text: str) -> None:
        """Say what has been found; DemoError where it is not so."""
        if not truth:
            raise DemoError(f"it is not so: {text}")
        self.done(text)

    def show_command(self, *arguments: str | Path, background: bool = False) -> str:
        """Write a command as one would type it, in the checkout's folder."""
        shown = " ".join(["hoptrail", *(str(argument).replace(f"{TOP}/", "") for argument in arguments)])
        self.console.print(f"[bold]$ {shown}{' &' * background}[/]", soft_wrap=True)
        return shown

    def hoptrail(self, *arguments: str | Path, env: Mapping[str, str] | None = None) -> None:
        """Run the command, its output in sight; DemoError where it fails."""
        shown = self.show_command(*arguments)
        self.console.file.flush()
        command = [HOPTRAIL, *arguments]
        done = subprocess.run(command, env={**os.environ, **(env or {})}, check=False, timeout=COMMAND_TIMEOUT_S)
        if done.returncode:
            raise DemoError(f"`{shown}` ended with {done.returncode}")


def table(*columns: str) -> Table:
    """A table without lines."""
    return Table(*columns, box=None, header_style="bold", pad_edge=False)
