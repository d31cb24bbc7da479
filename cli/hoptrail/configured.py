"""The option --config of every command that has a configuration."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import click

from hoptrail.config import DEFAULT_PATH, ENVIRONMENT, Config, find_config, load_config

P = ParamSpec("P")
R = TypeVar("R")


def configured(function: Callable[Concatenate[Config, P], R]) -> Callable[P, R]:
    """Give a command the option --config, and the loaded configuration as its first argument."""

    @click.option(
        "--config",
        "config_path",
        type=click.Path(dir_okay=False, path_type=Path),
        help=f"The configuration file; else ${ENVIRONMENT}, else {DEFAULT_PATH} if it is there.",
    )
    @wraps(function)
    def with_config(*args: P.args, config_path: Path | None, **kwargs: P.kwargs) -> R:  # type: ignore[valid-type]
        return function(load_config(find_config(config_path)), *args, **kwargs)

    return with_config  # type: ignore[return-value]
