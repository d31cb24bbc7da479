import asyncio
from ipaddress import ip_address

import pytest

from hoptrail_tracer.lookups import Lookups
from hoptrail_tracer.lookups.errors import LookupsError
from hoptrail_tracer.lookups.place import Database, Place
from hoptrail_tracer.lookups.settings import LookupSettings
from testbed.mmdb import write_mmdb

GEOLITE = {"autonomous_system_number": 64500, "autonomous_system_organization": "EXAMPLE-AS"}
IPINFO = {"asn": "AS64501", "as_name": "Other Networks", "country_code": "de"}
COUNTRY = {"country": {"iso_code": "NL", "names": {"en": "Netherlands"}}}


@pytest.fixture
def asn_file(tmp_path):
    path = tmp_path / "asn.mmdb"
    write_mmdb(path, {"203.0.113.0/24": GEOLITE, "198.51.100.0/24": IPINFO, "2001:db8::/32": GEOLITE | COUNTRY})
    return path


@pytest.mark.parametrize(
    ("ip", "place"),
    [
        ("203.0.113.9", Place(64500, "EXAMPLE-AS", None)),
        ("198.51.100.9", Place(64501, "Other Networks", "DE")),
        ("2001:db8::5", Place(64500, "EXAMPLE-AS", "NL")),
        ("192.0.2.1", Place()),
    ],
)
def test_database_of_each_maker_is_read(asn_file, ip, place):
    assert Database(str(asn_file)).place(ip_address(ip)) == place


@pytest.mark.parametrize(
    "row",
    [
        {"asn": "none"},
        {"asn": 0},
        {"asn": "9" * 50},
        {"country": "Netherlands"},
        {"country": {"iso_code": 5}},
        {"as_name": 5},
    ],
)
def test_row_that_makes_no_sense_gives_nothing(tmp_path, row):
    write_mmdb(tmp_path / "odd.mmdb", {"203.0.113.0/24": row})
    assert Database(str(tmp_path / "odd.mmdb")).place(ip_address("203.0.113.9")) == Place()


def test_file_renamed_into_place_is_taken_up(asn_file, tmp_path):
    now = [0.0]
    database = Database(str(asn_file), lambda: now[0])
    write_mmdb(tmp_path / "new", {"203.0.113.0/24": IPINFO})
    (tmp_path / "new").rename(asn_file)
    assert database.place(ip_address("203.0.113.9")).asn == 64500
    now[0] = 61
    assert database.place(ip_address("203.0.113.9")).asn == 64501


@pytest.mark.parametrize("content", [b"", b"not a database", None])
def test_new_file_that_cannot_be_read_leaves_the_old_one(asn_file, tmp_path, content):
    now = [0.0]
    database = Database(str(asn_file), lambda: now[0])
    asn_file.rename(tmp_path / "old")
    if content is not None:
        asn_file.write_bytes(content)
    now[0] = 61
    assert database.place(ip_address("203.0.113.9")).asn == 64500


@pytest.mark.parametrize("content", [b"", b"not a database", None])
def test_configured_file_that_cannot_be_read_is_refused_at_start(tmp_path, content):
    path = tmp_path / "broken.mmdb"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(LookupsError, match=r"broken\.mmdb"):
        Lookups(LookupSettings(mmdb=(str(path),)))


@pytest.mark.services
def test_several_files_and_cymru_complete_each_other(world, tmp_path):
    write_mmdb(tmp_path / "asn.mmdb", {"203.0.113.0/24": {"asn": 64502}})

    async def main():
        lookups = Lookups(world.settings(mmdb=(str(tmp_path / "asn.mmdb"),), cymru=True))
        found = await lookups.facts("203.0.113.9")
        await lookups.aclose()
        return found.asn, found.as_name, found.country

    assert asyncio.run(main()) == (64502, "EXAMPLE-AS Example Networks, NL", "NL")


@pytest.mark.services
def test_nobody_is_asked_for_what_the_files_hold(world, tmp_path):
    write_mmdb(tmp_path / "all.mmdb", {"203.0.113.0/24": {"asn": 64502, "country_code": "FR", "as_name": "X"}})

    async def main():
        lookups = Lookups(
            world.settings(
                mmdb=(str(tmp_path / "all.mmdb"),), cymru=True, nameservers=("127.0.0.1@1",), dns_timeout_s=0.2
            )
        )
        found = await lookups.facts("203.0.113.9")
        await lookups.aclose()
        return found

    found = asyncio.run(main())
    assert (found.asn, found.country) == (64502, "FR")
    assert "place" not in dict(found.missing)
