"""The templates and what they may use: escaping is always on."""

from datetime import date, datetime
from importlib.resources import files

from jinja2 import Environment, FunctionLoader, StrictUndefined

from hoptrail_reports.shown import counted, duration, percent
from hoptrail_tracer.printable import printable

_TEXT_MAX = 500


def environment() -> Environment:
    """The templates with their filters. `shown` is for whatever a stranger wrote."""
    folder = files("hoptrail_web").joinpath("templates")
    found = Environment(
        loader=FunctionLoader(lambda name: folder.joinpath(name).read_text(encoding="utf-8")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {
        "shown": _shown,
        "counted": counted,
        "duration": duration,
        "percent": percent,
        "count": lambda number: f"{number:,}",
        "moment": _moment,
        "long_date": _long_date,
    }
    return found


def _shown(text: object) -> str:
    found = printable("" if text is None else str(text))
    return found if len(found) <= _TEXT_MAX else found[:_TEXT_MAX] + "\N{HORIZONTAL ELLIPSIS}"


def _moment(at: datetime | None) -> str:
    return "\N{EN DASH}" if at is None else f"{at:%Y-%m-%d %H:%M:%S} UTC"


def _long_date(day: date) -> str:
    return f"{day:%A}, {day.day} {day:%B} {day.year}"
