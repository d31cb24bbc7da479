"""The small world of the demo: who sends which message from where, and what DNS and a registry say about them.

Every name and address is reserved for documentation, except the one that a spammer used in a famous message of 2003;
all questions about it go to servers on loopback.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

SPAMMER = "200.164.244.65"
LISTED = "203.0.113.66"


@dataclass(frozen=True, slots=True)
class Client:
    """A host that hands mail in. `name` is what DNS says of it, `helo` what it says of itself."""

    ip: str
    name: str | None
    helo: str


@dataclass(frozen=True, slots=True)
class Letter:
    """One message of ours and its envelope. `folder` is the Maildir++ subfolder where procmail should
    put it, "" the inbox; "%Y-%m" in it is the month.
    """

    file: str
    about: str
    client: Client
    sender: str
    recipients: tuple[str, ...] = ("alice@example.test",)
    login: str | None = None
    padding_bytes: int = 0
    folder: str = ""


PROVIDER = Client("198.51.100.25", "mail.example.net", "mail.example.net")
TRAIN = Client("203.0.113.50", "train-50.mobile.example", "[10.20.30.40]")
STRANGER = Client("203.0.113.77", "dsl-77.pool.example.com", "mx.bank.example")
SECOND_MX = Client("192.0.2.80", "mail.voxmail.com.br", "mail.voxmail.com.br")
NEWSLETTER = Client("198.51.100.90", "out.letters.example", "out.letters.example")
LOTTERY = Client(LISTED, "host-66.cheap.example", "lottery.example")
NOWHERE = Client("203.0.113.200", None, "nowhere.example")

LETTERS = (
    Letter("01-plain.eml", "plain mail", PROVIDER, "carol@example.net"),
    Letter("02-authenticated.eml", "a user logs in, on the train", TRAIN, "bob@example.test", login="bob@example.test"),
    Letter("03-relayed.eml", "five honest hops", PROVIDER, "orders@partner.example"),
    Letter("04-forged.eml", "a forged chain and forged fields", STRANGER, "security@bank.example", folder=".Forged"),
    Letter("05-loop.eml", "a loop of two forwards", PROVIDER, "reunion@alumni.example"),
    Letter("06-spam.eml", "the spam of a teaching lab", SECOND_MX, "jpaterr@yahoo.com", folder=".Spam.%Y-%m"),
    Letter(
        "07-some-refused.eml",
        "two of three recipients refused",
        NEWSLETTER,
        "news@letters.example",
        recipients=("old-one@example.test", "alice@example.test", "old-two@example.test"),
    ),
    Letter(
        "08-three-megabytes.eml", "3 MB", PROVIDER, "carol@example.net", padding_bytes=3_000_000, folder=".Unscored"
    ),
    Letter("09-smtputf8.eml", "SMTPUTF8", PROVIDER, "jürgen@bücher.example"),
    Letter("10-broken.eml", "a header that is broken in every line", PROVIDER, "nobody@example.net"),
    Letter("11-listed.eml", "spam from a listed address", LOTTERY, "winner@lottery.example", folder=".Listed"),
    Letter(
        "12-unknown-country.eml",
        "from nobody knows where",
        NOWHERE,
        "someone@nowhere.example",
        folder=".Unknown-country",
    ),
)

LISTS = {
    "zen.spamhaus.org": {LISTED: ["127.0.0.2", "127.0.0.4"], SPAMMER: "127.0.0.10"},
    "list.dnswl.org": {PROVIDER.ip: "127.0.5.2"},
}

# network -> AS number, country, operator: what Team Cymru's service says in the real world
OPERATORS = {
    "192.0.2.0/24": (64_500, "BR", "VOXMAIL"),
    "198.51.100.0/24": (64_501, "NL", "EXAMPLE-NET"),
    "203.0.113.0/25": (64_502, "DE", "EXAMPLE-POOL"),
    "200.164.0.0/16": (64_503, "BR", "VELOXZONE"),
}
CLIENTS = (PROVIDER, TRAIN, STRANGER, SECOND_MX, NEWSLETTER, LOTTERY, NOWHERE)

SPAMD_RULES = """
header DEMO_MORTGAGE Subject =~ /CHEAP M0RTGAGE/
score DEMO_MORTGAGE 6.0
body DEMO_PILLS /cheap pills, no prescription/i
score DEMO_PILLS 6.0
"""


def dns_records() -> Iterator[str]:
    """Names, reverse names, AS numbers and countries, as unbound takes them."""
    for client in CLIENTS:
        if client.name:
            yield f"{client.name}. A {client.ip}"
            yield f"{ip_address(client.ip).reverse_pointer}. PTR {client.name}."
    for ip in (*(client.ip for client in CLIENTS), SPAMMER):
        yield from _origin_records(ip)
    for number, country, operator in OPERATORS.values():
        yield f'AS{number}.asn.cymru.com. TXT "{number} | {country} | example | 2003-11-04 | {operator}, {country}"'


def _origin_records(ip: str) -> Iterator[str]:
    for network, (number, country, _operator) in OPERATORS.items():
        if ip_address(ip) in ip_network(network):
            place = ip_address(ip).reverse_pointer.removesuffix(".in-addr.arpa")
            yield f'{place}.origin.asn.cymru.com. TXT "{number} | {network} | {country} | example | 2003-11-04"'


def registry_answer() -> bytes:
    """What the loopback registry says about the spammer's network (RFC 9083)."""
    desk = [["version", {}, "text", "4.0"], ["fn", {}, "text", "Abuse desk"]]
    desk += [["org", {}, "text", "Veloxzone"], ["email", {}, "text", "abuse@veloxzone.example"]]
    answer = {
        "rdapConformance": ["rdap_level_0"],
        "objectClassName": "ip network",
        "handle": "200.164.0.0/16",
        "startAddress": "200.164.0.0",
        "endAddress": "200.164.255.255",
        "ipVersion": "v4",
        "name": "VELOXZONE",
        "country": "BR",
        "entities": [
            {"objectClassName": "entity", "handle": "VELOX", "roles": ["abuse"], "vcardArray": ["vcard", desk]}
        ],
    }
    return json.dumps(answer).encode()
