"""The templates and what they may use: escaping is always on, and no page may load anything."""

import base64
import hashlib
from datetime import UTC, date, datetime
from importlib.resources import files

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from hoptrail_reports.pages.world import country_name
from hoptrail_reports.shown import duration, percent, shown
from hoptrail_reports.topology.delays import DelayStats


def environment() -> Environment:
    """The templates with what they may use; escaping is always on."""
    package = files("hoptrail_reports.pages")
    loader = FunctionLoader(lambda name: package.joinpath(name).read_text(encoding="utf-8"))
    found = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    sheet = files("hoptrail_reports.topology").joinpath("map.css").read_text(encoding="utf-8")
    sheet += package.joinpath("page.css").read_text(encoding="utf-8")
    script = package.joinpath("page.js").read_text(encoding="utf-8")
    found.globals |= {
        "sheet": Markup(sheet),  # noqa: S704 - our own files
        "script": Markup(script),  # noqa: S704
        "policy": f"default-src 'none'; style-src {_source(sheet)}; script-src {_source(script)}; "
        "base-uri 'none'; form-action 'none'",
    }
    found.filters |= {
        "shown": shown,
        "percent": percent,
        "duration": duration,
        "count": lambda number: f"{number:,}",
        "spread": _spread,
        "clock": _clock,
        "country": country_name,
        "long_date": _long_date,
    }
    return found


def _source(text: str) -> str:
    """The Content-Security-Policy source that allows exactly this style sheet or script."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _spread(delays: DelayStats) -> str:
    if delays.mean_s is None:
        return duration(None)
    deviation = delays.variance**0.5 if delays.variance is not None else None
    return f"{duration(delays.mean_s)} ± {duration(deviation)}"


def _clock(moment: int | None) -> str:
    return duration(None) if moment is None else datetime.fromtimestamp(moment, UTC).strftime("%H:%M:%S")


def _long_date(day: date) -> str:
    return f"{day:%A}, {day.day} {day:%B} {day.year}"
