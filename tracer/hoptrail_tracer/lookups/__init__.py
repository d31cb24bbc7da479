"""Look-ups about an address (DNS, block lists, RDAP, place), each with a budget, a bound and a cache."""
