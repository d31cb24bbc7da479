"""`hoptrail web`: the page on which drafts are reviewed, on this host only."""

import logging
from dataclasses import replace
from pathlib import Path

import click

from hoptrail.config import Config
from hoptrail.configured import configured


@click.command(name="web")
@click.option("--listen", metavar="ADDRESS:PORT|unix:PATH", help="Another place than [web] listen.")
@configured
def command(config: Config, *, listen: str | None) -> None:
    """Show the review page: go through last night's drafts in a browser, with the keyboard.

    It listens on this host only, and prints a link that logs in once. From elsewhere: ssh -L 8425:127.0.0.1:8425 HOST,
    and open the link on your own machine.
    """
    from hoptrail_web.desk import Desk  # noqa: PLC0415 - what only this command needs
    from hoptrail_web.endpoint import check_listening  # noqa: PLC0415
    from hoptrail_web.server import run  # noqa: PLC0415

    settings = config.web
    if listen is not None:
        try:
            check_listening(listen)
        except ValueError as error:
            raise click.UsageError(f"--listen {error}") from None
        settings = replace(settings, listen=listen)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    desk = Desk(config.store, config.abuse, config.site)
    run(settings, desk, Path(config.reports.directory), lambda link: click.echo(f"Review at {link}"))
