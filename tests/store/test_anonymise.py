"""With anonymisation on, nobody's local part and no whole address of a host is left in any byte of the store."""

import re
import zlib
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from hoptrail_store import trail
from hoptrail_store.anonymise import Mask, anonymous
from hoptrail_store.cache import StoreCache
from hoptrail_store.errors import UnavailableStoreError
from hoptrail_store.journal import Journal, segments
from hoptrail_store.reader import open_readonly
from hoptrail_store.recorder import drain
from hoptrail_store.records import RefusalCount
from hoptrail_store.reparse import reparse
from hoptrail_store.retention import prune
from hoptrail_store.rows import milliseconds
from hoptrail_store.settings import StoreSettings
from hoptrail_store.store import Store
from hoptrail_tracer.chain import trace
from hoptrail_tracer.model import AddressFacts, Connection, ZoneResult
from hoptrail_tracer.settings import SiteSettings
from store.samples import DAY

KEY = b"k" * 32
BOTH = Mask(KEY, truncates=True)
local_parts = st.from_regex(r"[a-z][a-z0-9._+-]{6,20}[a-z]", fullmatch=True)
addresses = st.one_of(
    st.integers((1 << 24) + 1, (224 << 24) - 2).map(IPv4Address),
    st.integers(0x2001_0DB8 << 96, (0x2001_0DB9 << 96) - 1).map(IPv6Address),
).filter(lambda address: not str(address).startswith("127.") and str(address) != cut(address))


def cut(address):
    packed = address.packed
    kept = packed[:3] if len(packed) == 4 else packed[:6]
    return str(ip_address(kept.ljust(len(packed), b"\0")))


def spelt(address):
    """How a dial-up host is named after its address."""
    if isinstance(address, IPv6Address):
        return f"{address.exploded.replace(':', '')}.v6.isp.example"
    a, b, c, d = address.packed
    return f"dsl-{d}-{c}-{b}-{a}.isp.example"


def spellings(address):
    if isinstance(address, IPv6Address):
        nibbles = address.exploded.replace(":", "")
        return {str(address), address.exploded, nibbles, ".".join(nibbles[::-1]), str(address).replace(":", "-")}
    octets = [str(octet) for octet in address.packed]
    return {
        *(joint.join(each) for joint in ".-_" for each in (octets, octets[::-1])),
        address.packed.hex(),
        "".join(octet.zfill(3) for octet in octets),
    }


def a_record(make, person, other, client, older):
    """A record that names two people and two hosts wherever one may be named."""
    said = f"[IPv6:{older}]" if older.version == 6 else f"[{older}]"
    line = (
        f" from {spelt(older)} ({spelt(older)} {said} ident={person}) (Authenticated sender: {person})"
        f" by relay.example.net (Postfix) with ESMTPSA id 4F1{person}2 for <{other}@example.org>"
        f" (envelope-from <{person}@example.net>); Mon, 04 May 2026 12:00:00 +0000"
    )
    fields = (
        ("Received", line),
        ("X-Originating-IP", f" [{older}]"),
        ("X-Authenticated-Sender", f" {person}@x.example"),
    )
    connection = Connection(
        str(client), spelt(client), spelt(client), 4711, "mx.example.org", f"PLAIN {person}", "TLSv1.3", "4dD1Zx",
        f"{person}@example.net", DAY,
    )  # fmt: skip
    traced = trace([line], connection=connection, site=SiteSettings(), fields=fields, now=DAY)
    return make(
        connection=connection,
        envelope_from=f"{person}@example.net",
        recipients=(f"{other}@example.org", f"{person}+tag@example.org", other),
        message_id=f"<{person}.1@[{client}]>",
        subject=f"Dear {person} at {client}",
        trace=traced,
        fields=tuple((name.encode(), value.encode()) for name, value in fields),
        facts=AddressFacts(
            str(client), spelt(client), name_confirmed=False, zones=(ZoneResult("bl.example", "error", (), f"{client} refused"),),
            missing=(("name_confirmed", f"whether {spelt(client)} has the address"), ("place", "late")),
        ),
        evidence=line.encode(),
    )  # fmt: skip


def every_byte(path):
    """All bytes of the store's files, and what is packed in its blobs."""
    found = b"".join(each.read_bytes() for each in path.parent.glob(f"{path.name}*"))
    with open_readonly(path) as reader:
        for (blob,) in reader.db.execute("SELECT data FROM trail"):
            unpacker = zlib.decompressobj(zdict=trail._DICTIONARY)
            found += unpacker.decompress(blob)
        assert not list(reader.db.query("SELECT 1 FROM evidence"))
    return found.lower()


def assert_hidden(path, people, hosts):
    content = every_byte(path)
    for person in people:
        assert person.encode() not in content
    for address in hosts:
        for spelling in spellings(address):
            assert spelling.lower().encode() not in content


@pytest.fixture
def key_file(tmp_path):
    path = tmp_path / "hash.key"
    path.write_bytes(KEY)
    return str(path)


def private(folder, when):
    (folder / "key").write_bytes(KEY)
    return StoreSettings(
        path=str(folder / "store.sqlite"),
        hash_local_parts=when,
        truncate_addresses=when,
        hash_key_file=str(folder / "key"),
        anonymise_days=7,
    )


@hypothesis_settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.tuples(local_parts, local_parts), st.tuples(addresses, addresses))
@pytest.mark.parametrize("when", ["at-once", "later"])
def test_nothing_of_people_is_left_in_any_byte(make_record, tmp_path_factory, when, people, hosts):
    settings = private(tmp_path_factory.mktemp("store"), when)
    path = Path(settings.path)
    record = a_record(make_record, *people, *hosts)
    with Store.open(settings) as store:
        store.put([record])
        if when == "later":
            assert prune(store, now_ms=milliseconds(DAY + timedelta(days=6))).anonymised == 0
            with open_readonly(path) as reader:
                assert reader.find(record.id)[0].recipients == record.recipients
            assert prune(store, now_ms=milliseconds(DAY + timedelta(days=8))).anonymised == 1
        assert_hidden(path, people, hosts)
        assert prune(store, now_ms=milliseconds(DAY + timedelta(days=9))).anonymised == 0
    with open_readonly(path) as reader:
        [kept] = reader.find(record.id)
    assert kept == anonymous(kept, BOTH)
    assert kept.connection.ip == cut(hosts[0])
    assert [hop.trust for hop in kept.trace.hops] == [hop.trust for hop in record.trace.hops]
    assert kept.score == record.score


@given(local_parts, st.binary(min_size=16, max_size=64))
def test_one_person_has_one_pseudonym_and_another_key_another(person, key):
    mask = Mask(KEY)
    address = f"{person}@Example.org"
    assert mask.person(address) == mask.person(address.upper()).replace("EXAMPLE.ORG", "Example.org")
    assert mask.person(address) != mask.person(f"{person}@example.net")
    assert mask.person(mask.person(address)) == mask.person(address)
    assert re.fullmatch(r"~[a-z2-7]{20}@Example\.org", mask.person(address))
    if key != KEY:
        assert Mask(key).person(address) != mask.person(address)


@pytest.mark.parametrize(
    ("name", "hidden"),
    [
        ("mx1.example.net", "mx1.example.net"),
        ("smtp-out-3.example.net", "smtp-out-3.example.net"),
        ("[203.0.113.9]", "[203.0.113.0]"),
        ("[IPv6:2001:db8:1:2::9]", "[IPv6:2001:db8:1::]"),
        ("dsl-203-0-113-9.isp.example", "dsl-x.isp.example"),
        ("9.113.0.203.isp.example", "x.isp.example"),
        ("host9-113.isp.example", "hostx.isp.example"),
        ("cb007109.isp.example", "x.isp.example"),
        ("p203000113009.isp.example", "px.isp.example"),
        ("ec2-198-51-100-7.cloud.example", "ecx.cloud.example"),
    ],
)
def test_name_that_spells_an_address_is_cut(make_record, name, hidden):
    record = make_record()
    record = replace(record, connection=replace(record.connection, ip="203.0.113.9", helo=name))
    assert anonymous(record, Mask(truncates=True)).connection.helo == hidden


def test_addresses_stay_where_only_people_are_hidden(make_record):
    kept = anonymous(make_record(), Mask(KEY))
    assert kept.connection.ip == "203.0.113.1"
    assert kept.trace.hops[1].received.ip == "203.0.113.2"
    assert "sender" not in kept.envelope_from
    assert (kept.subject, kept.evidence, kept.fields) == (None, None, ())


def test_people_stay_where_only_addresses_are_cut(make_record):
    kept = anonymous(make_record(), Mask(truncates=True))
    assert (kept.envelope_from, kept.connection.ip, kept.connection.port) == ("sender@example.net", "203.0.113.0", None)


@pytest.mark.parametrize("content", [None, b"short"])
def test_store_without_its_key_is_not_written(tmp_path, make_record, content):
    settings = private(tmp_path, "at-once")
    key = Path(settings.hash_key_file)
    key.unlink()
    if content:
        key.write_bytes(content)
    with pytest.raises(UnavailableStoreError, match=r"hash_key_file.*head -c 32"):
        Store.open(settings)
    with pytest.raises(UnavailableStoreError):
        Journal(settings).record(make_record())
    assert not segments(settings)


def test_nobody_is_in_the_journal_who_is_hidden_at_once(tmp_path, make_record):
    settings = private(tmp_path, "at-once")
    record = a_record(make_record, "alice.smith", "bob.jones", IPv4Address("203.0.113.9"), IPv4Address("198.51.100.7"))
    with closing(Journal(settings)) as journal:
        journal.record(record)
    [segment] = segments(settings)
    assert not any(text in segment.read_bytes() for text in (b"alice", b"bob", b"203.0.113.9", b"198.51.100.7"))
    drain(settings)
    with open_readonly(settings.path) as reader:
        assert [row["how"] for row in reader.db.query("SELECT how FROM anonymised")] == [3]


def test_refusals_are_kept_by_no_smaller_network_than_addresses(tmp_path):
    hour = DAY.replace(minute=0, second=0, microsecond=0)
    counts = [RefusalCount("mx", network, hour, 1, 2, 3) for network in ("2001:db8:1:2::/64", "2001:db8:1:3::/64")]
    for when in ("at-once", "later"):
        folder = tmp_path / when
        folder.mkdir()
        with Store.open(private(folder, when)) as store:
            store.count_refusals(counts)
            prune(store, now_ms=milliseconds(DAY + timedelta(days=8)))
            assert list(store.db.query("SELECT network, sessions, refused FROM refusal")) == [
                {"network": "2001:db8:1::/48", "sessions": 2, "refused": 6}
            ]


def test_questions_about_addresses_are_not_stored_where_addresses_are_cut_at_once(tmp_path):
    settings = private(tmp_path, "at-once")
    Store.open(settings).close()
    with closing(Journal(settings)) as journal, StoreCache(settings, journal) as cache:
        cache.put("ptr", "203.0.113.9", "x", 60)
        assert cache.get("ptr", "203.0.113.9") == "x"
    drain(settings)
    with open_readonly(settings.path) as reader:
        assert not list(reader.db.query("SELECT 1 FROM lookup"))


def test_what_was_stored_before_the_option_is_hidden_in_the_next_night(tmp_path, make_record):
    settings = private(tmp_path, "at-once")
    record = a_record(make_record, "alice.smith", "bob.jones", IPv4Address("203.0.113.9"), IPv4Address("198.51.100.7"))
    with Store.open(StoreSettings(path=settings.path)) as store:
        store.put([record])
    with Store.open(settings) as store:
        assert prune(store, now_ms=milliseconds(DAY + timedelta(hours=1))).anonymised == 1
        assert_hidden(Path(settings.path), {"alice.smith", "bob.jones"}, {IPv4Address("203.0.113.9")})


def test_reparse_leaves_a_trace_whose_lines_are_gone(tmp_path, make_record):
    settings = private(tmp_path, "at-once")
    record = a_record(make_record, "alice.smith", "bob.jones", IPv4Address("203.0.113.9"), IPv4Address("198.51.100.7"))
    with Store.open(settings) as store:
        store.put([record])
        before = store.db.execute("SELECT data FROM trail").fetchall()
        assert reparse(store, SiteSettings()).changed == 0
        assert store.db.execute("SELECT data FROM trail").fetchall() == before


def test_every_text_beside_a_message_is_one_that_is_hidden_or_tells_nothing(settings):
    hidden = {
        "message": {"envelope_from", "message_id", "subject"},
        "client": {"auth"},
        "recipient": {"address"},
        "facts": {"missing"},
        "listing": {"text"},
        "delivery": {"recipient", "reply"},
    }
    telling_nothing = {
        "message": {"id", "source", "origin_basis", "rules", "unscored"},
        "client": {"queue_id"},
        "anomaly": {"code"},
        "facts": {"country"},
        "listing": {"verdict", "codes"},
        "delivery": {"outcome", "dsn", "next_id"},
    }
    with Store.open(settings) as store:
        for table in store.db.tables:
            if table.name == "message" or "message" in {key.column for key in table.foreign_keys}:
                texts = {name for name, kind in table.columns_dict.items() if kind is str}
                assert texts == hidden.get(table.name, set()) | telling_nothing.get(table.name, set()), table.name


def test_delivery_told_by_a_log_is_hidden_too(tmp_path, make_record):
    settings = private(tmp_path, "later")
    record = make_record()
    with Store.open(settings) as store:
        store.put([record])
        with store.transaction() as names:
            store.db.execute(
                "INSERT INTO delivery VALUES (1, 'alice.smith@example.org', 'sent', 1, 1, NULL, ?, NULL, ?, NULL)",
                (names.id("198.51.100.77"), "250 ok alice.smith"),
            )
        assert prune(store, now_ms=milliseconds(DAY + timedelta(days=8))).anonymised == 1
        assert_hidden(Path(settings.path), {"alice.smith"}, {IPv4Address("198.51.100.77")})
