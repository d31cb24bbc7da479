"""Networks in which large mailbox providers pass mail between their own machines, where no customer's host can stand.

They help a reader of such a mailbox, who has nothing to declare: without them the origin of all mail would be the
provider's inner relay. Networks from which a provider delivers for its customers do not belong here.
"""

from functools import lru_cache

from hoptrail_tracer.sitematch import HostList, host_list

INNER_NETWORKS: dict[str, HostList] = {
    "outlook.com": host_list(  # Exchange Online, a /32 for each region
        (
            *("2603:1086::/32", "2603:1096::/32", "2603:10a6::/32", "2603:10b6::/32", "2603:10c6::/32"),
            *("2603:10d6::/32", "2a01:111:f400::/48", "2a01:111:f403::/48"),
        )
    )
}
"""By the domain that `names.registrable` gives for the provider's hosts."""


def is_inner(domains: set[str], ip: str | None) -> bool:
    """Whether an address stands in the inner network of a provider that owns one of these domains."""
    return not domains.isdisjoint(INNER_NETWORKS) and any(_is_within(domain, ip) for domain in domains)


@lru_cache(maxsize=4096)
def _is_within(domain: str, ip: str | None) -> bool:
    return domain in INNER_NETWORKS and INNER_NETWORKS[domain].has(ip, None)
