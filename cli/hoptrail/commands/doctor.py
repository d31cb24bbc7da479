"""`hoptrail doctor`: what Hoptrail needs on this host, and how to mend what is missing."""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import click

from hoptrail.checks import Finding
from hoptrail.checks.access import User
from hoptrail.checks.host import (
    check_archive,
    check_privacy,
    check_reports,
    check_store,
    check_systemd,
    check_versions,
    check_web,
)
from hoptrail.checks.services import check_lookups, check_smarthost, check_spamd
from hoptrail.checks.socket import check_milter, check_sendmail, check_socket, find_postfix
from hoptrail.config import DEFAULT_PATH, ENVIRONMENT, Config, ConfigError, find_config, load_config

_USER = "hoptrail"  # as contrib/systemd makes it
_COLOURS = {"ok": "green", "warn": "yellow", "bad": "red"}


@click.command(name="doctor")
@click.option(
    "--config",
    "config_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help=f"The configuration file; else ${ENVIRONMENT}, else {DEFAULT_PATH} if it is there.",
)
@click.option(
    "--user", "user_name", help=f"The user the daemon runs as; else {_USER} if it exists, else the present one."
)
@click.option(
    "--postfix",
    "postfix_config",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Postfix's configuration folder, where it is not the usual one.",
)
@click.option("--json", "as_json", is_flag=True, help="Write the findings as one JSON list.")
def command(config_path: Path | None, user_name: str | None, postfix_config: Path | None, *, as_json: bool) -> None:
    """Check what Hoptrail needs on this host and say how to mend it. The exit code is 1 if anything is bad."""
    user = User.named(user_name or _USER)
    if user_name and user is None:
        raise click.BadParameter(f"no user {user_name!r} on this host", param_hint="--user")
    findings = []
    for finding in _findings(config_path, user or User.current(), postfix_config):
        findings.append(finding)
        if not as_json:
            _write(finding)
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings]))
    sys.exit(any(finding.state == "bad" for finding in findings))


def _findings(config_path: Path | None, user: User, postfix_config: Path | None) -> Iterator[Finding]:
    path = find_config(config_path)
    try:
        config = load_config(path)
    except ConfigError as error:
        for problem in error.problems:
            yield Finding("config", "bad", problem, "the checks that need it are left out")
        return
    if path:
        yield Finding("config", "ok", f"{path} is good")
    else:
        mend = f"hoptrail config show --sample > {DEFAULT_PATH}"
        yield Finding("config", "warn", f"{DEFAULT_PATH} does not exist: everything has its default", mend)
    yield from _with_config(config, user, postfix_config)


def _with_config(config: Config, user: User, postfix_config: Path | None) -> Iterator[Finding]:
    yield from check_versions(config)
    yield from check_store(config, user)
    yield from check_privacy(config, user)
    yield from check_archive(config, user)
    yield from check_reports(config, user)
    yield from check_web(config, user)
    yield from check_socket(config, find_postfix(postfix_config))
    yield from check_sendmail(config)
    yield from check_milter(config)
    yield from check_spamd(config)
    yield from check_lookups(config)
    yield from check_smarthost(config)
    yield from check_systemd()


def _write(finding: Finding) -> None:
    click.echo(f"{click.style(finding.state.ljust(4), fg=_COLOURS[finding.state])} {finding.topic}: {finding.text}")
    if finding.mend:
        click.echo(f"     -> {finding.mend}")
