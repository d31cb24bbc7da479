"""Which mail a command about the map looks at: spans of UTC days."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import click

from hoptrail.config import Config
from hoptrail_reports.topology.colours import Thresholds
from hoptrail_reports.topology.engine import selected_traffic, whole_days
from hoptrail_reports.topology.traffic import Direction, Traffic

DAY = click.DateTime(["%Y-%m-%d"])
Days = tuple[date, date]


class SpanType(click.ParamType[Days]):
    """Days as YYYY-MM-DD..YYYY-MM-DD, both included, or one day."""

    name = "span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Days:  # noqa: ANN401
        """Return the first and the last day."""
        beginning, _, end = str(value).partition("..")
        try:
            first, last = date.fromisoformat(beginning), date.fromisoformat(end or beginning)
        except ValueError:
            self.fail(f"{value!r}: write YYYY-MM-DD or YYYY-MM-DD..YYYY-MM-DD", param, ctx)
        if last < first:
            self.fail(f"{value!r} ends before it begins", param, ctx)
        return first, last


SPAN = SpanType()


def days(since: datetime | None, until: datetime | None) -> Days:
    """The days of --since and --until: without both the last one that is over, without one of them a single day."""
    first = since.date() if since else datetime.now(UTC).date() - timedelta(days=1)
    last = until.date() if until else first
    if last < first:
        raise click.UsageError(f"--until {last} lies before --since {first}")
    return first, last


def selected(config: Config, span: Days, *, root: str | None = None, direction: Direction = "to") -> Traffic:
    """The traffic of a span's mail in the store and the archive, seen from a root."""
    return selected_traffic(config.store, whole_days(*span), root=root, direction=direction)


def direction(*, onwards: bool) -> Direction:
    """Whether the ways that led to a root are followed, or those that went on from it."""
    return "from" if onwards else "to"


def thresholds(config: Config) -> Thresholds:
    """The shares of all mail that tell a link's colour."""
    return Thresholds(config.reports.backbone_share, config.reports.rare_share)
