"""`hoptrail web`: the page on which drafts are reviewed, on this host only."""

import logging
import sys
from dataclasses import replace
from pathlib import Path

import click

from hoptrail.account import become_owner
from hoptrail.config import Config
from hoptrail.configured import configured


@click.command(name="web")
@click.option("--listen", metavar="ADDRESS:PORT|unix:PATH", help="Another place than [web] listen.")
@click.option("--link", is_flag=True, help="Print a link that logs in once, even where no terminal shows it.")
@configured
def command(config: Config, *, listen: str | None, link: bool) -> None:
    """Show the review page: go through last night's drafts in a browser, with the keyboard.

    It listens on this host only. On a terminal it prints a link that logs in once, within ten minutes; elsewhere, as in
    a journal that others may read, only its address: log in there with the token in [web] token_file. From another
    machine: ssh -L 8425:127.0.0.1:8425 HOST, and open the link there. Run by root, it works as the owner of the store's
    folder.
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
    become_owner(Path(config.store.path).parent)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    desk = Desk(config.store, config.abuse, config.site)
    link = link or sys.stdout.isatty()
    hint = "" if link else f" with the token in {settings.token_file}; --link prints a link that logs in"
    run(settings, desk, Path(config.reports.directory), lambda url: click.echo(f"Review at {url}{hint}"), link=link)
