"""Hoptrail beside a real Postfix and a real Sendmail: what is recorded, stamped and removed."""

import re
import ssl

import pytest

from testbed.daemon import Daemon, Sent, delivered, header, running_daemon, send, unfolded
from testbed.places import wait_for
from testbed.postfix import Postfix
from testbed.sendmail import Sendmail

pytestmark = pytest.mark.mta

OURS = ["x-hoptrail-origin", "x-hoptrail-path", "x-hoptrail-dnsbl", "x-hoptrail-id"]
FIELD = re.compile(r"mx\.example\.test(; [A-Za-z0-9.:_/+,-]+=[A-Za-z0-9.:_/+,-]+)+")


@pytest.fixture(scope="module")
def daemon():
    with running_daemon() as running:
        yield running


@pytest.fixture(scope="module", params=[Postfix, Sendmail], ids=lambda kind: kind.name)
def mta(request, daemon):
    with request.param(milters=[daemon.socket], tls=True) as running:
        yield running


def row(daemon: Daemon, sent: Sent):
    rows = daemon.rows(
        "SELECT message.*, client.*, helo.text AS helo_text, ip.text AS ip_text, tls.text AS tls_text FROM message"
        " JOIN client ON message = number LEFT JOIN name AS helo ON helo.id = helo LEFT JOIN name AS ip ON ip.id = ip"
        " LEFT JOIN name AS tls ON tls.id = tls WHERE message_id = ?",
        f"<{sent.mark}>",
    )
    assert len(rows) == 1
    return rows[0]


def test_record_is_there_when_the_mta_acknowledges(mta, daemon):
    with mta.smtp() as smtp:
        smtp.ehlo("client.example.net")
        sent = send(
            smtp, b"Subject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\n", recipients=("alice@example.test", "bob@example.test")
        )
        stored = row(daemon, sent)
    assert sent.code == 250
    assert stored["queue_id"] in sent.text
    assert stored["helo_text"] == "client.example.net"
    assert stored["ip_text"] == "127.0.0.1"
    assert stored["envelope_from"] == "carol@example.net"
    assert stored["subject"] == "grüße"
    assert (
        daemon.rows("SELECT address FROM recipient WHERE message = ?", stored["number"])[1]["address"]
        == "bob@example.test"
    )


def test_fields_are_stamped_on_top_in_the_documented_grammar(mta):
    with mta.smtp() as smtp:
        sent = send(smtp)
    mail = delivered(mta, sent)
    fields = unfolded(mail)
    names = [name for name in fields if name not in {"return-path", "x-original-to", "delivered-to"}]
    assert names[:4] == OURS
    assert all(FIELD.fullmatch(fields[name][0]) for name in OURS)
    assert sent.text.find(fields["x-hoptrail-id"][0].rpartition("queue=")[2]) > 0
    assert re.search(rb"^X-Hoptrail-Path: mx", header(mail), re.MULTILINE)


def test_own_fields_from_outside_are_removed_in_any_case_and_number(mta):
    forged = b"".join(
        b"%s: invented %d\r\n" % (name, number)
        for number, name in enumerate([b"X-Hoptrail-Origin", b"x-hoptrail-origin", b"X-HOPTRAIL-ID", b"Subject"] * 3)
    )
    with mta.smtp() as smtp:
        sent = send(smtp, b"X-Hoptrail-Path : invented\r\n" + forged + b"X-Spam-Flag: NO\r\n")
    fields = unfolded(delivered(mta, sent))
    assert [fields[name] for name in OURS if "invented" in str(fields[name])] == []
    assert [len(fields[name]) for name in OURS] == [1, 1, 1, 1]
    assert fields["subject"] == ["invented 3", "invented 7", "invented 11"]
    assert fields["x-spam-flag"] == ["NO"]  # not ours while scoring is off


def test_foreign_authentication_results_are_left_alone(mta):
    with mta.smtp() as smtp:
        sent = send(smtp, b"Authentication-Results: mx.example.test; spf=pass\r\n" * 2)
    assert len(unfolded(delivered(mta, sent))["authentication-results"]) == 2


def test_chain_of_received_fields_is_traced_and_kept(mta, daemon):
    chain = (
        b"Received: from b.example.net (b.example.net [203.0.113.9])\r\n\tby c.example.net (Postfix) with ESMTPS id 1;"
        b"\r\n\tMon, 04 May 2026 12:00:00 +0000\r\n"
        b"Received: from a.example.net (a.example.net [198.51.100.7]) by b.example.net with SMTP id 2;"
        b" Mon, 04 May 2026 11:59:00 +0000\r\n"
    )
    with mta.smtp() as smtp:
        sent = send(smtp, chain)
    stored = row(daemon, sent)
    assert stored["hops"] == 3
    ips = [hop["ip"] for hop in daemon.rows("SELECT ip FROM hop_named WHERE id = ? ORDER BY position", stored["id"])]
    assert ips == ["127.0.0.1", "203.0.113.9", "198.51.100.7"]


def test_each_message_of_a_connection_has_its_own_record(mta, daemon):
    with mta.smtp() as smtp:
        first = send(smtp, b"X-Hoptrail-Id: forged\r\n", sender="<one@example.net>")
        second = send(smtp, sender="<two@example.net>", recipients=("bob@example.test",))
    assert row(daemon, first)["envelope_from"] == "one@example.net"
    assert row(daemon, second)["envelope_from"] == "two@example.net"
    assert len(unfolded(delivered(mta, second, "bob"))["x-hoptrail-id"]) == 1


def test_a_message_broken_off_leaves_nothing_and_the_next_is_clean(mta, daemon):
    before = daemon.rows("SELECT count(*) FROM message")[0][0]
    with mta.smtp() as smtp:
        smtp.docmd("MAIL FROM:<broken@example.net>")
        smtp.docmd("RCPT TO:<bob@example.test>")
        smtp.docmd("RSET")
        sent = send(smtp)
        smtp.docmd("MAIL FROM:<gone@example.net>")
        smtp.docmd("RCPT TO:<bob@example.test>")
    assert row(daemon, sent)["envelope_from"] == "carol@example.net"
    assert len(daemon.rows("SELECT address FROM recipient WHERE message = ?", row(daemon, sent)["number"])) == 1
    assert daemon.rows("SELECT count(*) FROM message")[0][0] == before + 1


def test_a_client_that_hangs_up_in_the_middle_of_data_leaves_nothing(mta, daemon):
    before = daemon.rows("SELECT count(*) FROM message")[0][0]
    smtp = mta.smtp()
    smtp.docmd("MAIL FROM:<broken@example.net>")
    smtp.docmd("RCPT TO:<bob@example.test>")
    smtp.docmd("DATA")
    smtp.send(b"Subject: half\r\n")
    smtp.close()
    wait_for(lambda: daemon.counter("sessions") == 0, "the session's end")
    assert daemon.rows("SELECT count(*) FROM message")[0][0] == before


def test_refused_recipients_are_counted_beside_the_accepted_one(mta, daemon):
    with mta.smtp() as smtp:
        sent = send(smtp, recipients=("no1@example.test", "alice@example.test", "no2@example.test"))
    stored = row(daemon, sent)
    assert stored["refused_recipients"] == 2
    assert [
        found["address"] for found in daemon.rows("SELECT * FROM recipient WHERE message = ?", stored["number"])
    ] == ["alice@example.test"]


def test_a_session_of_refused_recipients_costs_counters_only(mta, daemon):
    wait_for(lambda: daemon.counter("sessions") == 0, "earlier sessions' end")
    before = (daemon.counter("recipients_refused"), daemon.counter("messages"))
    with mta.smtp() as smtp:
        smtp.docmd("MAIL FROM:<harvester@example.net>")
        for number in range(3):
            assert smtp.docmd(f"RCPT TO:<nobody{number}@example.test>")[0] == 550
    wait_for(lambda: daemon.counter("sessions") == 0, "the session's end")
    assert (daemon.counter("recipients_refused"), daemon.counter("messages")) == (before[0] + 3, before[1])


def test_authenticated_mail_over_tls_is_recorded_as_such(mta, daemon):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with mta.smtp(submission=True) as smtp:
        smtp.starttls(context=context)
        smtp.login("alice@example.test", "correct horse")
        sent = send(smtp)
    stored = row(daemon, sent)
    assert stored["auth"].startswith("PLAIN alice") or stored["auth"].startswith("LOGIN alice")
    assert stored["tls_text"].startswith("TLSv1.")


def test_internationalised_mail_is_recorded(mta, daemon):
    with mta.smtp() as smtp:
        smtp.ehlo()
        if not smtp.has_extn("smtputf8"):
            assert mta.name == "sendmail"
            return
        smtp.command_encoding = "utf-8"
        sent = send(smtp, "Subject: grüße\r\n".encode(), sender="<jürgen@example.net>", options="SMTPUTF8")
    stored = row(daemon, sent)
    assert (stored["envelope_from"], stored["subject"]) == ("jürgen@example.net", "grüße")


def test_header_bytes_that_are_no_utf8_harm_nothing(mta, daemon):
    with mta.smtp() as smtp:
        sent = send(smtp, b"Subject: caf\xe9\r\nX-Odd: \xff\xfe\x80\r\n")
    assert row(daemon, sent)["subject"].startswith("caf")
    assert b"X-Odd: \xff\xfe\x80" in delivered(mta, sent)


def test_8bit_in_helo_and_sender_harms_nothing(mta, daemon):
    with mta.smtp() as smtp:
        smtp.send(b"HELO caf\xe9.example.net\r\n")
        smtp.getreply()
        smtp.send(b"MAIL FROM:<caf\xe9@example.net>\r\n")
        smtp.getreply()
        smtp.docmd("RSET")
        sent = send(smtp)
    assert sent.code == 250
    row(daemon, sent)


def test_nul_in_a_header_harms_nothing(mta, daemon):
    with mta.smtp() as smtp:
        sent = send(smtp, b"X-Nul: a\0b\r\nSubject: after\r\n")
    assert row(daemon, sent)["subject"] == "after"


def test_a_header_of_100_kib_harms_nothing(mta, daemon):
    folded = b"X-Long: " + b"\r\n ".join([b"x" * 900] * 114) + b"\r\n"
    with mta.smtp() as smtp:
        sent = send(smtp, folded + b"Subject: after\r\n")
    if mta.name == "sendmail":
        assert (sent.code, daemon.counter("faults")) == (552, 0)  # its own limit is 32 KiB
    else:
        assert row(daemon, sent)["subject"] == "after"


def test_thousands_of_header_fields_are_taken(mta, daemon):
    with mta.smtp() as smtp:
        sent = send(smtp, b"".join(b"X-%d: x\r\n" % number for number in range(1_000)) + b"Subject: last\r\n")
    assert row(daemon, sent)["subject"] == "last"


def test_a_message_without_a_body_is_recorded(mta, daemon):
    with mta.smtp() as smtp:
        sent = send(smtp, b"Subject: nothing\r\n", b"")
    assert row(daemon, sent)["subject"] == "nothing"


def test_three_megabytes_pass_and_their_size_is_known(mta, daemon):
    body = (b"x" * 70 + b"\r\n") * 43_700
    with mta.smtp() as smtp:
        sent = send(smtp, b"", body, options=f"SIZE={len(body)}")
    assert row(daemon, sent)["size_bytes"] >= len(body)
    assert delivered(mta, sent).count(b"x" * 70) == 43_700


def test_the_null_sender_is_recorded(mta, daemon):
    with mta.smtp() as smtp:
        sent = send(smtp, sender="<>")
    assert row(daemon, sent)["envelope_from"] == ""


def test_unknown_commands_harm_nothing(mta, daemon):
    with mta.smtp() as smtp:
        assert smtp.docmd("FROBNICATE")[0] == 500 or mta.name == "postfix"
        row(daemon, send(smtp))


@pytest.mark.usefixtures("mta")
def test_no_fault_was_met_in_all_this(daemon):
    assert (daemon.counter("faults"), daemon.counter("lost")) == (0, 0)
    assert daemon.counter("messages") == daemon.counter("recorded") > 0
