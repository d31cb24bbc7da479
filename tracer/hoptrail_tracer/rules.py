"""The rules of trust by name, with their numbers in docs/tracing.md; every reason begins with the name of its rule."""

from enum import StrEnum


class Rule(StrEnum):
    """What decides about a hop. A name never changes its meaning: people search for it."""

    FIRST_STRANGER = "first-stranger"  # 1
    LOOPBACK = "loopback"  # 2
    TRUSTED_NETWORK = "trusted-network"  # 3
    TRUSTED_HOST = "trusted-host"  # 3, by a looked-up name
    PRIVATE_HANDOFF = "private-handoff"  # 4
    AUTHENTICATED = "authenticated"  # 4
    OWN_DOMAIN = "own-domain"  # 4
    OWN_NEIGHBOUR = "own-neighbour"  # 4
    SUBMISSION_HOST = "submission-host"  # 5
    BOUNDARY_ADDRESS = "boundary-address"  # 6
    FETCH_MARKER = "fetch-marker"  # 7
    ORIGINATING_FIELD = "originating-field"  # 8
    CORROBORATED = "corroborated"  # 8
    DECLARE_BEHIND_NAT = "declare-behind-nat"  # 10
    CHAIN_TEST = "chain-test"  # 11
    NEW_RELAY = "new-relay"  # 12
    FORWARDER = "forwarder"  # 13
    MAILING_LIST = "mailing-list"  # 13
    EXCLUDED = "excluded"  # 13
    UNDECLARED_RECEIVER = "undeclared-receiver"  # 14
    OWN_HOP = "own-hop"  # 15
    TOP_LINE = "top-line"
    SAME_HOST = "same-host"
    LOCAL_PICKUP = "local-pickup"
    UNREADABLE = "unreadable"
    NO_ADDRESS = "no-address"
    USUAL_SHAPE = "usual-shape"
    CONTRADICTED = "contradicted"

    def says(self, sentence: str) -> str:
        """A reason for a person, beginning with the name of this rule."""
        return _BEGINNINGS[self] + sentence


_BEGINNINGS = {rule: f"{rule}: " for rule in Rule}
