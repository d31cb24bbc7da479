"""`hoptrail milter`: the daemon beside the MTA."""

from pathlib import Path

import click

from hoptrail.config import DEFAULT_PATH, ENVIRONMENT, find_config, load_config
from hoptrail_milter.daemon import run
from hoptrail_milter.settings import DaemonSettings


@click.command(name="milter")
@click.option(
    "--config",
    "config_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help=f"The configuration file; else ${ENVIRONMENT}, else {DEFAULT_PATH} if it is there.",
)
def command(config_path: Path | None) -> None:
    """Run the daemon beside the MTA, in the foreground.

    SIGHUP reads the configuration again without losing a session; with a bad file the old one stays. SIGTERM lets open
    sessions finish, for as long as [milter] stop_grace_s.
    """

    def read() -> DaemonSettings:
        config = load_config(find_config(config_path))
        return DaemonSettings(config.site, config.lookups, config.store, config.milter, config.score, config.harvest)

    run(read(), read)
