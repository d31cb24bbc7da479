"""The `hoptrail` command: finds the sub-command, and turns every expected failure into one line and an exit code."""

import importlib
import sys
from dataclasses import dataclass

import click

from hoptrail_tracer.printable import printable

FAILED = 1
MISUSED = 2  # also a configuration that is refused
INTERRUPTED = 130  # as a shell says of SIGINT


@dataclass(frozen=True, slots=True)
class Entry:
    """A sub-command: the module that holds it, and its line in `hoptrail --help`."""

    module: str
    text: str


COMMANDS = {
    "trace": Entry("trace", "Say where a message came from, hop by hop."),
    "import": Entry("import_", "Take mailboxes and logs into the store."),
    "show": Entry("show", "Show a stored message."),
    "status": Entry("status", "Sum up the store and the running milter."),
    "nightly": Entry("nightly", "Write last night's report and abuse drafts."),
    "topology": Entry("topology", "Draw the map of relays."),
    "abuse": Entry("abuse", "Review and send abuse reports."),
    "web": Entry("web", "Review drafts in a browser."),
    "milter": Entry("milter", "Run the daemon beside the MTA."),
    "doctor": Entry("doctor", "Check what Hoptrail needs on this host."),
    "config": Entry("config", "Check and show the configuration."),
    "archive": Entry("archive", "Move closed days to the archive."),
    "reparse": Entry("reparse", "Trace stored messages again."),
}

_EXTRAS = {
    "Milter": "milter",
    "milter": "milter",
    "aiospamc": "score",
    "networkx": "topology",
    "publicsuffixlist": "topology",
    "jinja2": "topology",
    "ibis": "topology",
    "pyarrow": "topology",
    "adbc_driver_sqlite": "topology",
    "pyspark": "spark",
    "maxminddb": "geo",
    "starlette": "web",
    "uvicorn": "web",
}
"""The extra of the package that brings a library; what is not here, every installation has."""

_ROOTS = (
    ("hoptrail.config", "ConfigError", MISUSED),
    ("hoptrail_tracer.errors", "TracerError", FAILED),
    ("hoptrail_store.errors", "StoreError", FAILED),
    ("hoptrail_milter.errors", "MilterError", FAILED),
    ("hoptrail_reports.errors", "ReportError", FAILED),
    ("hoptrail_web.errors", "WebError", FAILED),
)
"""Each package's root exception with the exit code. They are looked for among the modules already loaded, since an
exception can come from no other, and loading them all would make every command slow."""


class _LazyGroup(click.Group):
    """A group whose sub-commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in the order of the help."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of that name, None where there is none."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"hoptrail.commands.{COMMANDS[cmd_name].module}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list for --help without importing any of them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.text) for name, entry in COMMANDS.items()])


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog='Completion for bash: eval "$(_HOPTRAIL_COMPLETE=bash_source hoptrail)"; also zsh_source, fish_source.',
)
@click.version_option(package_name="hoptrail", message="hoptrail %(version)s")
def cli() -> None:
    """Record where mail really came from."""


def main() -> None:
    """Run the command line and leave with its exit code: 0 done, 1 failed, 2 misused or misconfigured."""
    try:
        sys.exit(cli.main(prog_name="hoptrail", standalone_mode=False))
    except click.UsageError as error:
        error.show()
        sys.exit(MISUSED)
    except BrokenPipeError:
        sys.stderr.close()  # the reader has gone; the interpreter would complain of it again at its end
        sys.exit(FAILED)
    except (click.Abort, KeyboardInterrupt):
        click.echo("hoptrail: stopped", err=True)
        sys.exit(INTERRUPTED)
    except Exception as error:
        expected = _expected(error)
        if expected is None:
            raise
        message, code = expected
        for line in message.splitlines():
            click.echo(f"hoptrail: {printable(line)}", err=True)
        sys.exit(code)


def _expected(error: Exception) -> tuple[str, int] | None:
    """Return what to say of an error and the exit code; None for a fault of ours, which shows its trace."""
    if isinstance(error, click.ClickException):
        return error.format_message(), error.exit_code
    if isinstance(error, ModuleNotFoundError) and (extra := _EXTRAS.get((error.name or "").partition(".")[0])):
        return f"this needs {error.name}: pip install 'hoptrail[{extra}]'", FAILED
    for module, name, code in _ROOTS:
        if module in sys.modules and isinstance(error, getattr(sys.modules[module], name)):
            return str(error), code
    if isinstance(error, OSError):
        return (f"{error.filename}: {error.strerror}" if error.filename and error.strerror else str(error)), FAILED
    return None
