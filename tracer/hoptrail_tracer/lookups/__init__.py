"""Look-ups about an address (DNS, block lists, RDAP, place), each with a budget, a bound and a cache.

`Lookups` is loaded at first use: whoever only reads the settings does not wait for dnspython and httpx.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hoptrail_tracer.lookups.lookups import Lookups

__all__ = ["Lookups"]


def __getattr__(name: str) -> object:
    if name == "Lookups":
        from hoptrail_tracer.lookups.lookups import Lookups  # noqa: PLC0415 - see above

        return Lookups
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
