"""How the nightly reports are written, and where; the settings of the abuse drafts stand beside them."""

from dataclasses import dataclass

from hoptrail_reports.abuse.settings import AbuseSettings
from hoptrail_tracer.options import option

__all__ = ["AbuseSettings", "ReportSettings"]


@dataclass(frozen=True, slots=True)
class ReportSettings:
    """[reports]: the nightly pages. A day is a UTC day, so that days of many hosts add up and each has 24 hours."""

    directory: str = option(
        "/var/lib/hoptrail/reports",
        "Where the pages go: a folder a day, and `latest`, a link to the newest. Any web server can show it, "
        "and so can a browser without one.",
    )
    keep_days: int = option(100, "Days after which a night's pages are deleted; 0 keeps them for ever.", at_least=0)
    spark: str = option(
        "",
        "The master of a Spark cluster, spark://HOST:7077, that adds archived days up (docs/fleet.md). Empty: this "
        "host does, which is faster up to some hundred million hops.",
    )
    relay_pages: int = option(
        300, "At most this many relays get a page of their own: those with most mail.", at_least=0, at_most=20_000
    )
    row_servers: int = option(
        10,
        "The map names at most this many servers in a row; the others are folded by domain, never left out.",
        at_least=1,
        at_most=100,
    )
    row_domains: int = option(
        4,
        "The map shows at most this many folded domains in a row, then one node for all others.",
        at_least=0,
        at_most=100,
    )
    backbone_share: float = option(
        0.99, "A link that at least this share of all messages took is drawn as backbone (blue).", at_least=0, at_most=1
    )
    rare_share: float = option(
        0.05, "A link that less than this share of all messages took is drawn as rare (red).", at_least=0, at_most=1
    )
    new_after_days: int = option(
        28, "A relay counts as new when it was not seen for this many days.", at_least=1, at_most=400
    )
