"""The session with plain values: what it decides, without libmilter and without a network."""

import pytest

from hoptrail_milter.counters import Board
from hoptrail_milter.log import open_log
from hoptrail_milter.message import OWN_FIELDS_MAX
from hoptrail_milter.services import Services
from hoptrail_milter.session import Macros, Session
from hoptrail_store.recorder import drain
from hoptrail_store.store import Store
from testbed.daemon import settings_in

RECEIVED = (
    b" from a.example.net (a.example.net [203.0.113.9]) by b.example.net with SMTP; Mon, 04 May 2026 12:00:00 +0000"
)


@pytest.fixture
def open_services(tmp_path):
    opened = []

    def build(**sections):
        (tmp_path / "store").mkdir(exist_ok=True)
        settings = settings_in(tmp_path, **sections)
        services = Services(settings, Board(1).worker(0), open_log(settings.milter))
        opened.append(services)
        return services

    yield build
    for services in opened:
        services.close()


def begin(services, *, ip="198.51.100.7", name="client.example.net", recipients=("<b@example.test>",)):
    session = Session(services)
    session.connect(name, ip, 12345)
    session.helo("helo.example.net")
    session.mail("<a@example.net>", ("SIZE=1000",))
    for recipient in recipients:
        session.recipient(recipient, is_refused=False)
    return session


def stored(services):
    drain(services.settings.store)
    with Store.open(services.settings.store) as store:
        return list(store.db.query("SELECT * FROM message"))


def test_accepted_message_is_stamped_and_recorded(open_services):
    services = open_services()
    session = begin(services)
    session.header("Received", RECEIVED)
    outcome = session.end(Macros(queue_id="4dD1Zx", host="mx.example.test"))
    assert outcome.reply == "accept"
    assert [name for name, _ in outcome.additions][:1] == ["X-Hoptrail-Origin"]
    assert "queue=4dD1Zx" in outcome.additions[3][1]
    assert [row["size_bytes"] for row in stored(services)] == [1000]


def test_own_fields_from_outside_are_removed_last_first(open_services):
    session = begin(open_services())
    for name in ("X-Hoptrail-Id", "Subject", "x-hoptrail-ID", "X-Hoptrail-Other"):
        session.header(name, b" forged")
    assert session.end(Macros()).removals == [("X-Hoptrail-Id", 2), ("X-Hoptrail-Id", 1)]


def test_more_own_fields_than_an_mta_can_delete_refuse_the_message(open_services):
    services = open_services()
    for end in (lambda session: session.end(Macros()), lambda session: session.give_up(None)):
        session = begin(services)
        for _ in range(OWN_FIELDS_MAX):
            session.header("X-Hoptrail-Id", b" forged")
        assert end(session).reply == "accept"
        session.header("X-Hoptrail-Path", b" forged")
        assert end(session).reply == "flooded"


def test_observing_changes_nothing_and_records_all_the_same(open_services):
    services = open_services(milter={"observe_only": True})
    session = begin(services)
    session.header("X-Hoptrail-Id", b" forged")
    outcome = session.end(Macros())
    assert (outcome.reply, outcome.removals, outcome.additions) == ("accept", [], [])
    assert len(stored(services)) == 1


def test_a_second_message_knows_nothing_of_the_first(open_services):
    session = begin(open_services())
    session.header("X-Hoptrail-Id", b" forged")
    session.mail("<c@example.net>")
    session.recipient("<d@example.test>", is_refused=False)
    assert session.end(Macros()).removals == []


def test_fault_still_removes_forged_fields_and_counts_the_loss(open_services):
    services = open_services()
    session = begin(services)
    session.header("X-Hoptrail-Origin", b" forged")
    outcome = session.give_up("4dD1Zx")
    assert (outcome.reply, outcome.removals) == ("accept", [("X-Hoptrail-Origin", 1)])
    assert services.counters["lost"] == 1


def test_fault_is_a_temporary_failure_where_the_postmaster_wants_it(open_services):
    session = begin(open_services(milter={"on_fault": "tempfail"}))
    assert session.give_up(None).reply == "tempfail"


@pytest.mark.parametrize(("on_fault", "reply"), [("accept", "accept"), ("tempfail", "tempfail")])
def test_store_that_cannot_be_written_loses_the_record_not_the_mail(open_services, tmp_path, on_fault, reply):
    services = open_services(store={"path": str(tmp_path / "nowhere/store.sqlite")}, milter={"on_fault": on_fault})
    assert begin(services).end(Macros(queue_id="4dD1Zx")).reply == reply
    assert (services.counters["lost"], services.counters["recorded"]) == (1, 0)


def test_refused_recipients_start_nothing(open_services):
    services = open_services()
    session = begin(services, recipients=())
    session.recipient("<nobody@example.test>", is_refused=True)
    assert session._message.facts is None
    session.close()
    assert services.counters["recipients_refused"] == 1


def test_name_that_the_mta_could_not_confirm_is_no_reverse_name(open_services):
    services = open_services()
    for name, resolve in (("[198.51.100.7]", None), ("unknown", None), ("liar.example.net", "FORGED")):
        session = begin(services, name=name)
        assert "; name=unknown;" in session.end(Macros(client_resolve=resolve)).additions[0][1].replace("\n", "")


@pytest.mark.parametrize("ip", [None, "", "unknown", "203.0.113.999"])
def test_client_without_an_address_harms_nothing(open_services, ip):
    session = begin(open_services(), ip=ip)
    assert session.end(Macros()).reply == "accept"
    session.close()


def test_ipv4_mapped_address_is_taken_as_ipv4(open_services):
    session = begin(open_services(), ip="::ffff:203.0.113.9")
    assert "; ip=203.0.113.9;" in session.end(Macros()).additions[0][1]


@pytest.mark.parametrize(
    "value",
    [b"\xff\xfe", b"", b"=?x?q?=", b"=?nocharset?b?!!!?=", b"=?utf-8?b?//8=?=", b"x" * 100_000, b"=?utf-8?b?A?="],
)
@pytest.mark.parametrize("name", ["Subject", "Received", "Message-ID", "Authentication-Results", "X-Originating-IP"])
def test_no_field_value_breaks_the_session(open_services, name, value):
    session = begin(open_services())
    session.header(name, b" " + value)
    assert session.end(Macros(queue_id="\udcff", auth_user="\udcff")).reply == "accept"
    assert session._services.counters["recorded"] == 1


def test_end_without_anything_before_it_harms_nothing(open_services):
    session = Session(open_services())
    session.body(b"x")
    session.header("a", b"b")
    session.recipient("<x>", is_refused=False)
    assert session.end(Macros()).reply == "accept"
