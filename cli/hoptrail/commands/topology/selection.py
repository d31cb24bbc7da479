"""Which mail a command about the map looks at: spans of UTC days, filtered, or collections."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from hoptrail.config import Config
from hoptrail_reports.errors import NoMailError, UnknownCollectionError, UnknownRelayError
from hoptrail_reports.shown import shown
from hoptrail_reports.topology.collections import collection_traffic, find_collection
from hoptrail_reports.topology.colours import Thresholds
from hoptrail_reports.topology.engine import Selection, selected_traffic
from hoptrail_reports.topology.traffic import Direction, Traffic
from hoptrail_store.archive.parts import archived_parts
from hoptrail_store.reader import day_span, open_readonly

DAY = click.DateTime(["%Y-%m-%d"])
Days = tuple[date, date]
NEAR_SHOWN: Final = 5

F = TypeVar("F", bound=Callable[..., object])


class SpanType(click.ParamType[Days | str]):
    """Days as YYYY-MM-DD..YYYY-MM-DD, both included, or one day, or the name of a collection."""

    name = "span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Days | str:  # noqa: ANN401
        """Return the first and the last day, or the name."""
        beginning, dots, end = str(value).partition("..")
        try:
            first, last = date.fromisoformat(beginning), date.fromisoformat(end or beginning)
        except ValueError:
            if dots:
                self.fail(f"{value!r}: write YYYY-MM-DD, YYYY-MM-DD..YYYY-MM-DD or a collection's name", param, ctx)
            return str(value)
        if last < first:
            self.fail(f"{value!r} ends before it begins", param, ctx)
        return first, last


SPAN = SpanType()


@dataclass(frozen=True, slots=True)
class Chosen:
    """Some mail's traffic, with what a heading says of it and the way in which it was followed from its root."""

    title: str
    traffic: Traffic
    direction: Direction


def filters(function: F) -> F:
    """Give a command the options that tell mail apart; they come as `Filter` takes them."""
    for option in reversed(
        (
            click.option(
                "--spam/--not-spam", default=None, help="Only mail that SpamAssassin called spam, or only other."
            ),
            click.option(
                "--sender-domain", metavar="DOMAIN", help="Only mail whose envelope sender is of this domain."
            ),
            click.option(
                "--recipient-domain", metavar="DOMAIN", help="Only mail whose first recipient is of this domain."
            ),
            click.option("--imported/--not-imported", default=None, help="Only mail of mailboxes, or only other mail."),
            click.option("--host", "hosts", multiple=True, help="Only mail of this host of the archive. Repeatable."),
        )
    ):
        function = option(function)
    return function


def given(**options: object) -> dict[str, Any]:
    """The filters that were given, out of the values of `filters`' options."""
    return {name: value for name, value in options.items() if value is not None and value != ()}


def days(since: datetime | None, until: datetime | None) -> Days:
    """The days of --since and --until: without both the last one that is over, without one of them a single day."""
    first = since.date() if since else (until.date() if until else datetime.now(UTC).date() - timedelta(days=1))
    last = until.date() if until else first
    if last < first:
        raise click.UsageError(f"--until {last} lies before --since {first}")
    return first, last


def selected(
    config: Config,
    span: Days,
    *,
    root: str | None = None,
    direction: Direction = "to",
    filtered: Mapping[str, Any] | None = None,
) -> Traffic:
    """The traffic of a span's mail in the store and the archive, seen from a root.

    Raises NoMailError where there is none, with the days that have some, and UnknownRelayError, with names like it.
    """
    selection = Selection(day_span(span[0])[0], day_span(span[1])[1], **(filtered or {}))
    traffic = selected_traffic(config.store, selection, root=root, direction=direction)
    if traffic.messages:
        return traffic
    if root is not None:
        traffic = selected_traffic(config.store, selection)
    if traffic.messages:
        raise unknown_relay(root or "", span, traffic.relays)
    raise NoMailError(f"no mail of {span_text(span)}{' fits' if filtered else ''}; {_days_with_mail(config)}")


def chosen(config: Config, wanted: Days | str) -> Chosen:
    """What a span of days or the name of a collection stands for. Raises as `selected`, and UsageError."""
    if not isinstance(wanted, str):
        return Chosen(span_text(wanted), selected(config, wanted), "to")
    with open_readonly(config.store.path) as reader:
        try:
            found = find_collection(reader.db.conn, wanted)
        except UnknownCollectionError as error:
            raise click.UsageError(f"{error}; a day is YYYY-MM-DD") from error
        return Chosen(wanted, collection_traffic(reader.db.conn, wanted), found.recipe.direction)


def span_text(span: Days) -> str:
    """A span for a person."""
    first, last = span
    return f"{first}" + (f" to {last}" if last != first else "")


def direction(*, onwards: bool) -> Direction:
    """Whether the ways that led to a root are followed, or those that went on from it."""
    return "from" if onwards else "to"


def thresholds(config: Config) -> Thresholds:
    """The shares of all mail that tell a link's colour."""
    return Thresholds(config.reports.backbone_share, config.reports.rare_share)


def unknown_relay(name: str, span: Days, relays: Iterable[str]) -> UnknownRelayError:
    """The error that says so, and which names are like it."""
    known, text = [*relays], name.lower()
    holding = sorted((relay for relay in known if text and text in relay), key=len)
    near = [*dict.fromkeys([*holding, *get_close_matches(text, known, n=NEAR_SHOWN, cutoff=0.6)])][:NEAR_SHOWN]
    like_it = f"; like it: {', '.join(map(shown, near))}" if near else ""
    return UnknownRelayError(f"{name}: no mail of {span_text(span)} passed a relay of this name{like_it}")


def _days_with_mail(config: Config) -> str:
    """A sentence that names the days that have mail."""
    with open_readonly(config.store.path) as reader:
        found = set(reader.days())
    if config.store.archive:
        found |= {part.day for part in archived_parts(Path(config.store.archive), date.min, date.max)}
    if not found:
        return "the store is empty: run the milter, or `hoptrail import`"
    if len(found) == 1:
        return f"there is mail of {min(found)} only"
    return f"there is mail of {len(found)} days from {min(found)} to {max(found)}"
