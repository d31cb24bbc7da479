"""The callbacks through pymilter's TestCtx: what is negotiated, and that no exception gets past them."""

import io

import Milter
import pytest
from Milter.testctx import TestCtx

from hoptrail_milter.callbacks import SmtpClient
from hoptrail_milter.clients import Clients
from hoptrail_milter.counters import Board
from hoptrail_milter.log import open_log
from hoptrail_milter.services import Services
from testbed.daemon import settings_in

TestCtx.__test__ = False
ALL_STEPS = 0x1FFFFF
ANSWERED = Milter.P_NR_CONN | Milter.P_NR_HELO | Milter.P_NR_MAIL | Milter.P_NR_HDR | Milter.P_NR_BODY
MAIL = b"Received: from x (x [203.0.113.9]) by y; Mon, 04 May 2026 12:00:00 +0000\nX-Hoptrail-Id: forged\n\nbody\n"


def offer(monkeypatch, steps):
    """What the MTA offers; a list of its own, since negotiating changes it."""
    monkeypatch.setattr(TestCtx, "default_opts", [Milter.CURR_ACTS, steps, 0, 0])


@pytest.fixture
def services(tmp_path, monkeypatch):
    (tmp_path / "store").mkdir()
    settings = settings_in(tmp_path)
    offer(monkeypatch, ALL_STEPS)
    services = Services(settings, Board(1).worker(0), open_log(settings.milter))
    monkeypatch.setattr(Milter, "factory", lambda: SmtpClient(services))
    yield services
    services.close()


@pytest.mark.usefixtures("services")
def test_nothing_is_asked_for_that_is_not_used():
    ctx = TestCtx()
    assert ctx._negotiate() == Milter.CONTINUE
    unwanted = Milter.P_NODATA | Milter.P_NOBODY | Milter.P_NOEOH | Milter.P_NOUNKNOWN
    assert ctx._protocol & (ANSWERED | unwanted) == ANSWERED | unwanted
    assert not ctx._protocol & Milter.P_NR_RCPT
    assert ctx._opts[0] == Milter.ADDHDRS | Milter.CHGHDRS | Milter.SETSYMLIST


@pytest.mark.usefixtures("services")
def test_macros_are_asked_for_by_name():
    ctx = TestCtx()
    ctx._negotiate()
    assert ctx._symlist[Milter.M_ENVRCPT] == {b"{rcpt_mailer}"}


def test_message_is_stamped(services, monkeypatch):
    offer(monkeypatch, ALL_STEPS & ~ANSWERED)  # TestCtx takes no answer for a refusal
    ctx = TestCtx()
    ctx._setsymval("i", "4dD1Zx")
    ctx._connect("client.example.net", "helo", "198.51.100.7")
    assert ctx._feedFile(io.BytesIO(MAIL)) == Milter.CONTINUE
    assert "queue=4dD1Zx" in str(ctx._msg["X-Hoptrail-Id"])
    assert services.counters["messages"] == 1
    ctx._close()


@pytest.mark.usefixtures("services")
def test_callbacks_without_an_answer_say_so():
    ctx = TestCtx()
    ctx._negotiate()
    assert ctx.getpriv().connect("x", 2, ("198.51.100.7", 1)) == Milter.NOREPLY


@pytest.mark.usefixtures("services")
def test_an_mta_that_offers_nothing_is_answered_the_old_way(monkeypatch):
    offer(monkeypatch, 0)
    ctx = TestCtx()
    ctx._negotiate()
    assert ctx.getpriv().connect("x", 2, ("198.51.100.7", 1)) == Milter.CONTINUE


@pytest.mark.parametrize(("step", "lost"), [("connect", 0), ("helo", 0), ("mail", 1), ("header", 1), ("end", 1)])
def test_fault_at_any_step_is_met_at_the_end_and_the_mail_flows(services, monkeypatch, caplog, step, lost):
    offer(monkeypatch, ALL_STEPS & ~ANSWERED)

    def broken(*_args, **_kwargs):
        raise RuntimeError("ours")

    monkeypatch.setattr(f"hoptrail_milter.session.Session.{step}", broken)
    ctx = TestCtx()
    ctx._setsymval("i", "4dD1Zx")
    ctx._connect("client.example.net", "helo", "198.51.100.7")
    assert ctx._feedFile(io.BytesIO(MAIL)) == Milter.CONTINUE
    assert services.counters["lost"] == lost
    assert services.counters["faults"] >= 1
    assert "RuntimeError: ours" in caplog.text


def test_a_macro_that_is_no_utf8_is_as_good_as_absent(services, monkeypatch):
    offer(monkeypatch, ALL_STEPS & ~ANSWERED)
    ctx = TestCtx()
    ctx._connect("client.example.net", "helo", "198.51.100.7")

    def strict(_name):
        return b"\xff".decode()

    monkeypatch.setattr(ctx, "getsymval", strict)
    assert ctx._feedFile(io.BytesIO(MAIL)) == Milter.CONTINUE
    assert services.counters["faults"] == 0


def test_an_mta_that_is_gone_at_the_edits_is_no_fault_of_ours(services, monkeypatch, caplog):
    offer(monkeypatch, ALL_STEPS & ~ANSWERED)

    def gone(*_args):
        raise Milter.error("cannot add header")

    ctx = TestCtx()
    monkeypatch.setattr(ctx, "addheader", gone)
    ctx._connect("client.example.net", "helo", "198.51.100.7")
    assert ctx._feedFile(io.BytesIO(MAIL)) == Milter.CONTINUE
    assert (services.counters["faults"], services.counters["recorded"]) == (0, 1)
    assert "edit-failed" in caplog.text
    assert "Traceback" not in caplog.text


def test_connect_is_answered_only_where_harvesters_are_acted_upon(tmp_path, monkeypatch):
    (tmp_path / "store").mkdir()
    offer(monkeypatch, ALL_STEPS)
    settings = settings_in(tmp_path, harvest={"action": "refuse", "refusals": 5})
    services = Services(settings, Board(1).worker(0), open_log(settings.milter), Clients(1))
    monkeypatch.setattr(Milter, "factory", lambda: SmtpClient(services))
    try:
        answers = []
        for _ in range(2):
            ctx = TestCtx()
            ctx._negotiate()
            assert not ctx._protocol & Milter.P_NR_CONN
            monkeypatch.setattr(ctx, "setreply", lambda *reply: answers.append(reply[0]))
            answers.append(ctx.getpriv().connect("x", 2, ("198.51.100.7", 1)))
            services.harvest.count("198.51.100.8", None, accepted=0, refused=5, has_user=False)
        assert answers == [Milter.CONTINUE, "421", Milter.TEMPFAIL]
    finally:
        services.close()
