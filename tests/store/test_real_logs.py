"""What Postfix, Sendmail and Exim really log is read without one broken line, and gives the mail that was sent.

The testbed's MTAs speak to each other over loopback, which is no relay: its address stands for another in what they log.
logs/exim-4.96.log is what Debian's exim4-daemon-light logged at another place, with the same replaced.
"""

import re
import smtplib
from email import message_from_bytes
from pathlib import Path

import pytest

from hoptrail_store.importer import Import
from hoptrail_store.logs.run import LogNames
from hoptrail_store.reader import open_readonly
from hoptrail_store.settings import StoreSettings
from hoptrail_store.store import Store
from hoptrail_tracer.received import parse
from hoptrail_tracer.settings import SiteSettings
from testbed.exim import Exim
from testbed.postfix import Postfix
from testbed.sendmail import Sendmail

EXIM = Path(__file__).with_name("logs") / "exim-4.96.log"
MAIL = "Message-ID: <{}@client.example>\r\nSubject: hello\r\n\r\nHello.\r\n"


def imported(folder, log):
    (folder / "mail.log").write_text(log)
    with Store.open(StoreSettings(path=str(folder / "store.sqlite"))) as store:
        result = Import(
            (folder / "mail.log",),
            SiteSettings(hostname="mx.example.test"),
            log_names=LogNames(host="mx.example.test"),
        ).run(store)
    with open_readonly(folder / "store.sqlite") as reader:
        rows = reader.db.execute(
            "SELECT message_id, recipient, outcome, relay.text FROM message JOIN delivery ON delivery.message = number"
            " LEFT JOIN name AS relay ON relay.id = relay_name ORDER BY message_id, recipient"
        ).fetchall()
    return result, rows


@pytest.mark.mta
def test_the_log_of_a_postfix_gateway_gives_its_mail_with_the_next_relay(tmp_path):
    with (
        Postfix() as hub,
        Postfix(
            main=f"mydestination =\nrelay_domains = example.test\nrelay_transport = smtp:[127.0.0.1]:{hub.port}"
        ) as gate,
    ):
        with gate.smtp() as client:
            client.ehlo()
            client.docmd("XCLIENT", "ADDR=203.0.113.9 NAME=mail.example.net")
            client.ehlo("mail.example.net")
            client.sendmail("out@side.example", ["alice@example.test", "bob@example.test"], MAIL.format("one"))
            with pytest.raises(smtplib.SMTPRecipientsRefused):
                client.sendmail("out@side.example", ["x@elsewhere.example"], MAIL.format("two"))
        gate.wait_for_log(r": removed$")
        log = re.sub(r"relay=\S+, ", "relay=hub.example.test[192.0.2.7]:25, ", gate.log())
    result, rows = imported(tmp_path, log)
    assert rows == [
        ("<one@client.example>", "alice@example.test", "sent", "hub.example.test"),
        ("<one@client.example>", "bob@example.test", "sent", "hub.example.test"),
    ]
    assert (result.imported, result.refused) == (1, 1)


@pytest.mark.mta
def test_the_log_of_sendmail_gives_its_mail_and_its_refusals(tmp_path):
    with Sendmail() as mta:
        with mta.smtp() as client:
            client.sendmail("out@side.example", ["alice@example.test", "bob@example.test"], MAIL.format("one"))
            with pytest.raises(smtplib.SMTPRecipientsRefused):
                client.sendmail("out@side.example", ["nobody-here@example.test"], MAIL.format("two"))
        mta.wait_for_log(r"done; delay")
        log = mta.log()
    result, rows = imported(tmp_path, "\n".join(line for line in log.splitlines() if "sendmail[" in line))
    assert rows == [
        ("<one@client.example>", "alice@example.test", "sent", None),
        ("<one@client.example>", "bob@example.test", "sent", None),
    ]
    assert (result.imported, result.refused, result.broken_lines) == (1, 1, 0)


@pytest.mark.mta
@pytest.mark.parametrize("selector", ["", "+all"])
def test_the_log_of_a_running_exim_gives_deliveries_delays_and_refusals(tmp_path, selector):
    """As it logs by default, and with all it can be made to say."""
    closed = 1  # nobody listens on tcpmux
    with (
        Postfix() as hub,
        Exim(relays={"mx.example.test": hub.port, "later.example": closed}, log_selector=selector) as mta,
    ):
        with mta.smtp() as client:
            client.ehlo("mail.example.net")
            recipients = ["alice@example.test", "bob@mx.example.test", "x@later.example"]
            client.sendmail("out@side.example", recipients, MAIL.format("one"))
            client.sendmail("out@side.example", ["nobody-here@mx.example.test"], MAIL.format("two"))
            with pytest.raises(smtplib.SMTPRecipientsRefused):
                client.sendmail("out@side.example", ["nobody-here@example.test"], MAIL.format("three"))
        [mail] = hub.wait_for_mail("bob")
        mta.wait_for_log(r" \*\* nobody-here@mx\.example\.test")
        mta.wait_for_log(r" == x@later\.example")
        mta.wait_for_log(r" => alice")
        log = re.sub(r"H=127\.0\.0\.1 \[127\.0\.0\.1\]", "H=hub.example.test [192.0.2.7]", mta.log())
    result, rows = imported(tmp_path, re.sub(r"\[127\.0\.0\.1\]", "[203.0.113.9]", log))
    assert [row for row in rows if "@client.example>" in (row[0] or "")] == [
        ("<one@client.example>", "alice@example.test", "sent", None),
        ("<one@client.example>", "bob@mx.example.test", "sent", "hub.example.test"),
        ("<one@client.example>", "x@later.example", "deferred", None),
        ("<two@client.example>", "nobody-here@mx.example.test", "bounced", "hub.example.test"),
    ]
    assert (result.refused, result.broken_lines) == (1, 0)
    with open_readonly(tmp_path / "store.sqlite") as reader:
        delays = dict(reader.db.execute("SELECT recipient, delay_ms FROM delivery"))
    assert 0 <= delays["bob@mx.example.test"] < 60_000

    line = parse(message_from_bytes(mail).get_all("Received")[1])
    assert (line.helo, line.ip, line.by) == ("mail.example.net", "127.0.0.1", "mx.example.test")
    assert (line.software, line.protocol) == ("Exim 4.96", "esmtp")
    assert line.date is not None


def test_the_log_of_exim_gives_its_mail_its_bounce_and_its_refusals(tmp_path):
    result, rows = imported(tmp_path, EXIM.read_text())
    assert rows == [
        (None, "out@side.example", "sent", "store.example.test"),
        ("<four@x.example>", "bounce@example.test", "bounced", None),
        ("<four@x.example>", "later@example.test", "deferred", None),
        ("<one@x.example>", "alice@example.test", "sent", None),
        ("<one@x.example>", "bob@remote.example", "sent", "store.example.test"),
        ("<one@x.example>", "carol@remote.example", "sent", "store.example.test"),
        ("<two@x.example>", "alice@example.test", "sent", None),
    ]
    assert (result.imported, result.refused, result.broken_lines) == (4, 2, 0)
