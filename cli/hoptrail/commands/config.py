"""`hoptrail config check|show`: what a configuration file says, and what it could say."""

from pathlib import Path

import click

from hoptrail.config import DEFAULT_PATH, Config, ConfigError, find_config, load_config
from hoptrail.configured import configured
from hoptrail.sample import format_config, sample


@click.group(name="config")
def command() -> None:
    """Check and show the configuration."""


@command.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), required=False)
def check(file: Path | None) -> None:
    """Say what is wrong with FILE, or with the configuration in use; exit code 2 if anything is."""
    path = find_config(file)
    if path is None:
        raise ConfigError(f"{DEFAULT_PATH}: no such file; `hoptrail config show --sample` prints one to begin with")
    load_config(path)
    click.echo(f"{path}: good")


@command.command()
@click.option("--defaults", "what", flag_value="defaults", help="The defaults instead of what is in use.")
@click.option("--sample", "what", flag_value="sample", help="A commented file to begin with.")
@configured
def show(config: Config, *, what: str | None) -> None:
    """Print the configuration in use, every option with its value."""
    if what == "sample":
        click.echo(sample(), nl=False)
    else:
        click.echo(format_config(Config() if what else config))
