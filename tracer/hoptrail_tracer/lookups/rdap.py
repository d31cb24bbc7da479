"""A small RDAP client: asks the registry of an address about its network, and believes little of what comes back."""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from hoptrail_tracer.lookups.addresses import Address
from hoptrail_tracer.lookups.bootstrap import IANA_HOST, IANA_URLS, Bootstrap, parse_bootstrap, shipped_bootstrap
from hoptrail_tracer.lookups.cache import Cache
from hoptrail_tracer.lookups.errors import LookupsError, TemporaryError
from hoptrail_tracer.lookups.fetch import Fetcher
from hoptrail_tracer.lookups.rdap_answer import NetworkAnswer, parse_answer

log = logging.getLogger("hoptrail.lookups")

RDAP_JSON = "application/rdap+json"
BOOTSTRAP_DAYS = 7
NOT_FOUND = 404
OK = 200
SERVER_ERRORS = range(500, 600)


@dataclass(frozen=True, slots=True)
class Registration:
    """A registry's answer, and which server gave it in the end."""

    host: str
    answer: NetworkAnswer


class Rdap:
    """Asks registries, each known from IANA's table: the one last fetched, or the one that was shipped."""

    def __init__(self, fetcher: Fetcher, cache: Cache, test_servers: Sequence[str] = ()) -> None:
        self._fetcher = fetcher
        self._cache = cache
        self._test_servers = tuple(test_servers)
        self._bootstrap: Bootstrap | None = None

    @property
    def bootstrap(self) -> Bootstrap:
        """The table in use."""
        if self._bootstrap is None:
            self._bootstrap = self._remembered() or shipped_bootstrap()
        return self._bootstrap

    async def ask(self, address: Address) -> Registration | None:
        """Return the registration of the address' network, or None where its registry knows of none.

        With several test servers each is asked until one knows the address, as if it were that one's.
        """
        bases = self._test_servers or tuple(base for base in [self.bootstrap.base(address)] if base)
        for base in bases:
            page = await self._fetcher.get(f"{base}ip/{address}", RDAP_JSON, self.bootstrap.knows_host)
            if page.status == OK:
                return Registration(page.host, parse_answer(page.body, address))
            if page.status in SERVER_ERRORS:
                raise TemporaryError(f"{page.host} answered with status {page.status}")
            if page.status != NOT_FOUND:
                raise LookupsError(f"{page.host} answered with status {page.status}")
        return None

    async def refresh(self) -> bool:
        """Fetch IANA's table if the one remembered is over a week old; whether a table no older than that is in use.

        A failure is logged, and the table in use stays. With test servers no table is needed, and none is fetched.
        """
        if self._test_servers:
            return True
        if (remembered := self._remembered()) is not None:
            self._bootstrap = remembered
            return True
        try:
            pages = {
                family: await self._fetcher.get(url, "application/json", lambda host: host == IANA_HOST)
                for family, url in IANA_URLS.items()
            }
            tables = {family: json.loads(page.body) for family, page in pages.items()}
            self._bootstrap = parse_bootstrap(tables)
        except (LookupsError, ValueError, RecursionError) as error:
            log.warning("IANA's table of RDAP servers stays as it was: %s", error)
            return False
        for family, table in tables.items():
            self._cache.put("rdap-bootstrap", family, json.dumps(table), BOOTSTRAP_DAYS * 86_400)
        return True

    def _remembered(self) -> Bootstrap | None:
        texts = {family: self._cache.get("rdap-bootstrap", family) for family in IANA_URLS}
        if not all(texts.values()):
            return None
        return parse_bootstrap({family: json.loads(text or "") for family, text in texts.items()})
