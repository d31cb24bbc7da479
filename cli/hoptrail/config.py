"""The one configuration: a TOML file read into the settings that each package declares.

Whatever is wrong with it is said at once, with file, line and key, and nothing is read half.
"""

import difflib
import math
import os
import stat
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, cast, get_args, get_origin

from hoptrail.tomllines import TomlLines
from hoptrail_milter.settings import HarvestSettings, MilterSettings, ScoreSettings
from hoptrail_reports.settings import AbuseSettings, ReportSettings
from hoptrail_store.settings import StoreSettings
from hoptrail_tracer.errors import SiteError
from hoptrail_tracer.lookups.settings import LookupSettings
from hoptrail_tracer.settings import SiteSettings
from hoptrail_tracer.sitematch import compile_site
from hoptrail_web.settings import WebSettings

DEFAULT_PATH = Path("/etc/hoptrail/hoptrail.toml")
ENVIRONMENT = "HOPTRAIL_CONFIG"

_BYTES_MAX = 1 << 20  # thousands of networks fit; a wrong file named by mistake is not read whole


@dataclass(frozen=True, slots=True)
class Config:
    """Every section of the file; what it does not say has its default."""

    site: SiteSettings = field(default_factory=SiteSettings)
    lookups: LookupSettings = field(default_factory=LookupSettings)
    store: StoreSettings = field(default_factory=StoreSettings)
    milter: MilterSettings = field(default_factory=MilterSettings)
    score: ScoreSettings = field(default_factory=ScoreSettings)
    harvest: HarvestSettings = field(default_factory=HarvestSettings)
    reports: ReportSettings = field(default_factory=ReportSettings)
    abuse: AbuseSettings = field(default_factory=AbuseSettings)
    web: WebSettings = field(default_factory=WebSettings)


SECTIONS: Mapping[str, type] = MappingProxyType({each.name: cast("type", each.type) for each in fields(Config)})
"""The settings of each section, by its name, in the order of the sample file."""


class ConfigError(Exception):
    """The configuration is refused; each of `problems` is a line `FILE:LINE: [SECTION] KEY: what to do`."""

    def __init__(self, *problems: str) -> None:
        """Take the problems, at least one."""
        super().__init__("\n".join(problems))
        self.problems = problems


def find_config(given: Path | None) -> Path | None:
    """Return the file to read: the one given, else HOPTRAIL_CONFIG's, else the default one if it is there."""
    if given is None and (named := os.environ.get(ENVIRONMENT)):
        given = Path(named)
    if given is None and DEFAULT_PATH.exists():
        given = DEFAULT_PATH
    return given


def load_config(path: Path | None) -> Config:
    """Return what the file says, all defaults for None; raises ConfigError."""
    return Config() if path is None else parse_config(_read(path), str(path))


def parse_config(text: str, name: str) -> Config:
    """Return what a file of this text says; `name` stands in errors. Raises ConfigError."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        what, _, where = str(error).partition(" (at ")
        number = where.removeprefix("line ").partition(",")[0]
        place = f"{name}:{number}" if number.isdigit() else f"{name}:{text.count(chr(10)) + 1}"
        raise ConfigError(f"{place}: not TOML: {what}") from error
    lines = TomlLines(text)
    problems: list[str] = []
    sections: dict[str, Any] = {}
    for key, value in document.items():
        if key in SECTIONS and isinstance(value, dict):
            sections[key] = _section(key, value, name, lines, problems)
        else:
            line = lines.section(key) if isinstance(value, dict) else lines.key("", key)
            problems.append(f"{name}:{line}: {_unknown_section(key, value)}")
    if problems:
        raise ConfigError(*problems)
    return Config(**sections)


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_mode & stat.S_IWOTH:
                raise ConfigError(f"{path}: anybody may change this file: chmod o-w {path}")
            content = file.read(_BYTES_MAX + 1)
        if len(content) > _BYTES_MAX:
            raise ConfigError(f"{path}: longer than {_BYTES_MAX} bytes; is this the right file?")
        return content.decode()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}:{line}: not UTF-8, which TOML demands") from error


def _section(section: str, given: Mapping[str, object], name: str, lines: TomlLines, problems: list[str]) -> object:
    options = {option.name: option for option in fields(SECTIONS[section])}
    values = {}
    for key, value in given.items():
        try:
            values[key] = _value(section, options, key, value)
        except ValueError as error:
            problems.append(f"{name}:{lines.key(section, key)}: [{section}] {key}: {error}")
    return SECTIONS[section](**values)


def _value(section: str, options: Mapping[str, Field[Any]], key: str, value: object) -> object:
    """Return the value of one option as its type wants it; raises ValueError with a sentence for a person."""
    if key not in options:
        raise ValueError(_unknown_key(section, options, key))
    option = options[key]
    typed: Any = _typed(option.type, value)
    at_least, at_most = option.metadata["at_least"], option.metadata["at_most"]
    if at_least is not None and typed < at_least:
        raise ValueError(f"{value} is too little, {at_least:g} is the least")
    if at_most is not None and typed > at_most:
        raise ValueError(f"{value} is too much, {at_most:g} is the most")
    if check := option.metadata["check"]:
        check(typed)
    if section == "site":
        _check_site(key, typed)
    return typed


def _check_site(key: str, value: Any) -> None:  # noqa: ANN401 - of the option's type
    try:
        compile_site(SiteSettings(**{key: value}))
    except SiteError as error:
        raise ValueError(str(error)) from error


def _typed(wanted: Any, value: object) -> object:  # noqa: ANN401 - an annotation, of which typing has no type
    if get_origin(wanted) is Literal:
        if value in get_args(wanted):
            return value
        raise ValueError(f"{value!r} is none of {', '.join(map(repr, get_args(wanted)))}")
    if get_origin(wanted) is tuple:
        if isinstance(value, list) and all(isinstance(one, str) for one in value):
            return tuple(value)
        raise ValueError(f'write a list of strings, ["..."], not {value!r}')
    if wanted is float:
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
    elif type(value) is wanted:  # not isinstance: a bool is an int
        return value
    raise ValueError(f"write {_KINDS[wanted]}, not {value!r}")


_KINDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: 'a string, "..."',
}


def _unknown_section(key: str, value: object) -> str:
    if not isinstance(value, dict):
        return f"{key}: every option stands in a section" + _belongs(key)
    return f"[{key}]: no such section{_meant(key, SECTIONS)}; there are {', '.join(SECTIONS)}"


def _unknown_key(section: str, options: Mapping[str, Field[Any]], key: str) -> str:
    hint = _meant(key, options) or _belongs(key)
    return f"no such option{hint}; `hoptrail config show --sample` has all of [{section}]"


def _meant(key: str, known: Mapping[str, object]) -> str:
    return "".join(f"; did you mean {near}?" for near in difflib.get_close_matches(key, known, n=1))


def _belongs(key: str) -> str:
    homes = [section for section, _, option in every_option() if option.name == key]
    return f"; this one belongs to [{'] or ['.join(homes)}]" if homes else ""


def every_option() -> Iterator[tuple[str, type, Field[Any]]]:
    """Yield each option there is with its section's name and settings."""
    for section, settings in SECTIONS.items():
        for option in fields(settings):
            yield section, settings, option
