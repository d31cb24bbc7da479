"""Clients that try out recipients: recognised by what the MTA refused to their network, slowed or refused at connect.

Off by default. Whoever may be innocent is left alone: one's own networks, whom one forwards for or gets lists from,
submission, networks that users authenticated from, and any that also delivers mail in quantity.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import BoundedSemaphore
from typing import Final, Literal

from hoptrail_milter.clients import Clients, Recipients, network_key, network_text
from hoptrail_milter.settings import HarvestSettings
from hoptrail_tracer.settings import SiteSettings
from hoptrail_tracer.sitematch import host_list

# Each slowed client holds a process of the MTA, of which Postfix has 100. Beyond this many a worker lets them pass.
SLOWED_MAX: Final = 20
SHOWN_MAX: Final = 20
_LOOPBACK: Final = ("127.0.0.0/8", "::1")

Verdict = Literal["pass", "slow", "refuse"]


@dataclass(frozen=True, slots=True)
class Harvester:
    """A client network that harvests, with its recipients of the last while."""

    network: str
    recipients: Recipients


class Harvest:
    """What is done about harvesting under one configuration."""

    def __init__(
        self,
        settings: HarvestSettings,
        site: SiteSettings,
        clients: Clients,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Judge by the tables in `clients`; `clock` runs alike in all workers and is never set."""
        self._settings = settings
        self._clients = clients
        self._clock = clock
        self._slowed = BoundedSemaphore(SLOWED_MAX)
        # The first entry that fits decides: `never` comes first, so that it can take back what follows.
        self._never = host_list(
            (*settings.never, *site.networks, *site.hosts, *site.internal, *site.msas, *site.forwarders, *site.lists,
             *_LOOPBACK)
        )  # fmt: skip

    def count(self, ip: str | None, name: str | None, *, accepted: int, refused: int, has_user: bool) -> None:
        """Count one session, unless it is of a host never acted upon, whose neighbours it shall not harm either.

        What was refused to a user who authenticated is a typing error.
        """
        key = network_key(ip, self._settings.ipv4_bits) if ip else None
        if key is not None and not self._never.has(ip, name):
            period, _ = self._now()
            self._clients.add(key, period, accepted, 0 if has_user else refused, has_user=has_user)

    def harvester(self, ip: str | None, name: str | None, port: str | None) -> Harvester | None:
        """Return the client's network where it harvests and may be acted upon; `port` is the MTA's own."""
        if ip is None or port in self._settings.never_ports:
            return None
        key = network_key(ip, self._settings.ipv4_bits)
        if key is None:
            return None
        recipients = self._clients.read(key, *self._now())
        if not self._is_harvesting(recipients) or self._never.has(ip, name):
            return None
        return Harvester(network_text(key, self._settings.ipv4_bits), recipients)

    def act(self) -> Verdict:
        """Do what the configuration says about a harvester that has connected; holds the caller where it is slowed."""
        if self._settings.action == "slow" and self._slowed.acquire(blocking=False):
            try:
                time.sleep(self._settings.delay_s)
            finally:
                self._slowed.release()
            return "slow"
        return "refuse" if self._settings.action == "refuse" else "pass"

    def worst(self) -> list[Harvester]:
        """Return the networks that harvest now, those with most refusals first, whether they are acted upon or not."""
        now = self._now()
        keys = self._clients.keys(1 + self._settings.refusals // 256)  # spread over the workers, of which 256 may be
        found = [(key, self._clients.read(key, *now)) for key in keys]
        found = sorted((pair for pair in found if self._is_harvesting(pair[1])), key=lambda pair: -pair[1].refused)
        bits = self._settings.ipv4_bits
        return [Harvester(network_text(key, bits), recipients) for key, recipients in found[:SHOWN_MAX]]

    def _is_harvesting(self, recipients: Recipients) -> bool:
        settings = self._settings
        return (
            recipients.refused >= settings.refusals
            and recipients.refused >= settings.share * (recipients.refused + recipients.accepted)
            and recipients.accepted < settings.spare_accepted
            and not recipients.has_user
        )

    def _now(self) -> tuple[int, float]:
        """Return the number of the window that runs now, and the share of the one before that still counts."""
        windows = self._clock() / self._settings.window_s
        return int(windows) + 1, 1 - windows % 1
