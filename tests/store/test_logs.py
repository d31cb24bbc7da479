"""Logs of every MTA and in every envelope give each message once, with its way, and their bad lines by name."""

import bz2
import gzip
import json
import lzma
import os
from datetime import UTC, datetime
from functools import partial
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoptrail_store.importer import Import
from hoptrail_store.logs import exim, postfix, sendmail
from hoptrail_store.logs.deliveries import deliveries_of
from hoptrail_store.logs.events import About, Client
from hoptrail_store.logs.lines import Calendar, LogLine, line_parser
from hoptrail_store.logs.run import LogNames
from hoptrail_store.logs.tracking import Tracker
from hoptrail_store.reader import open_readonly
from hoptrail_store.settings import StoreSettings
from hoptrail_store.store import Store
from hoptrail_tracer.settings import SiteSettings

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
SITE = SiteSettings(hostname="mx1.example.org")

POSTFIX = """\
May  1 12:00:00 mx1 postfix/smtpd[11]: connect from gw.example.net[203.0.113.9]
May  1 12:00:01 mx1 postfix/smtpd[11]: 4dD1Zx0YqGz9v1: client=gw.example.net[203.0.113.9]
May  1 12:00:01 mx1 postfix/cleanup[12]: 4dD1Zx0YqGz9v1: message-id=<one@example.net>
May  1 12:00:01 mx1 postfix/qmgr[13]: 4dD1Zx0YqGz9v1: from=<a@example.net>, size=1234, nrcpt=2 (queue active)
May  1 12:00:02 mx1 postfix/smtpd[11]: 4dD1Zx0YqGz9v1: reject: RCPT from gw.example.net[203.0.113.9]: 550 5.1.1 <no@example.org>: Recipient address rejected: User unknown; from=<a@example.net> to=<no@example.org> proto=ESMTP helo=<gw>
May  1 12:00:03 mx1 postfix/smtpd[11]: disconnect from gw.example.net[203.0.113.9] ehlo=1 mail=1 rcpt=2/3 data=1 quit=1 commands=6/7
May  1 12:00:21 mx1 postfix/smtp[14]: 4dD1Zx0YqGz9v1: to=<b@example.org>, relay=store.example.org[192.0.2.7]:25, delay=20, delays=0.1/0/0.1/19.8, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 4dD1Zy0YqGz9v2)
May  1 12:00:41 mx1 postfix/smtp[15]: 4dD1Zx0YqGz9v1: to=<c@example.com>, orig_to=<c@example.org>, relay=mx.example.com[198.51.100.4]:25, delay=40, delays=0.1/0/0.1/39, dsn=2.0.0, status=sent (250 ok)
May  1 12:00:41 mx1 postfix/qmgr[13]: 4dD1Zx0YqGz9v1: removed
"""

SENDMAIL = """\
May  1 12:00:00 mx1 sm-mta[21]: 641C0001000021: from=<a@example.net>, size=1234, class=0, nrcpts=2, msgid=<one@example.net>, proto=ESMTP, daemon=MTA, relay=gw.example.net [203.0.113.9]
May  1 12:00:20 mx1 sm-mta[22]: 641C0001000021: to=<b@example.org>,<d@example.org>, ctladdr=<x>, delay=00:00:20, xdelay=00:00:01, mailer=esmtp, pri=120, relay=store.example.org. [192.0.2.7], dsn=2.0.0, stat=Sent (641C0002000023 Message accepted for delivery)
"""

EXIM = """\
2026-05-01 12:00:00 1uAbCd-000123-4X <= a@example.net H=gw.example.net (helo.example.net) [203.0.113.9] P=esmtps X=TLS1.3:TLS_AES_256:256 CV=no S=1234 id=one@example.net T="Hello, \\"world\\"" for b@example.org
2026-05-01 12:00:05 H=(spam) [198.51.100.66] F=<x@spam.example> rejected RCPT <no@example.org>: Unrouteable address
2026-05-01 12:00:20 1uAbCd-000123-4X => b@example.org R=dnslookup T=remote_smtp H=store.example.org [192.0.2.7] X=TLS1.3:x:256 CV=yes C="250 2.0.0 Ok: queued as 4dD1Zy0YqGz9v2" QT=20s DT=1s
2026-05-01 12:00:20 1uAbCd-000123-4X Completed QT=20s
"""


def take_in(folder, *texts, names=None, site=SITE, packer=bytes):
    """What an import of logs says, and the messages in the store, oldest first."""
    paths = []
    for number, text in enumerate(texts):
        path = folder / f"log{number}"
        path.write_bytes(packer(text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")))
        os.utime(path, (NOON.timestamp() + 3600,) * 2)
        paths.append(path)
    settings = StoreSettings(path=str(folder / "store.sqlite"))
    with Store.open(settings) as store:
        result = Import(tuple(paths), site, log_names=names or LogNames(UTC, "mx1.example.org")).run(store)
    return result, stored(folder)


def stored(folder):
    with open_readonly(folder / "store.sqlite") as reader:
        return list(reader.messages(datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)))


def links(folder):
    with open_readonly(folder / "store.sqlite") as reader:
        rows = reader.db.execute(
            "SELECT message.id, sender.text, root.text, position FROM message JOIN name AS root ON root.id = root_name"
            " JOIN hop ON hop.message = number JOIN name AS sender ON sender.id = sender_name"
            " ORDER BY received_ms, message.id, position"
        ).fetchall()
    found, newer = [], {}
    for message, sender, root, _ in rows:
        found.append((sender, newer.get(message, root)))
        newer[message] = sender
    return found


@pytest.mark.parametrize("text", [POSTFIX, SENDMAIL, EXIM], ids=["postfix", "sendmail", "exim"])
def test_a_message_leads_from_its_client_over_the_host_to_the_next_relay(tmp_path, text):
    _, messages = take_in(tmp_path, text)
    first = messages[0]
    assert (first.source, first.host, first.message_id) == ("log", "mx1.example.org", "<one@example.net>")
    assert (first.envelope_from, first.size_bytes) == ("a@example.net", 1234)
    assert (first.connection.ip, first.connection.rdns) == ("203.0.113.9", "gw.example.net")
    assert {("gw.example.net", "mx1.example.org"), ("mx1.example.org", "store.example.org")} <= set(links(tmp_path))
    assert (first.trace.hops[0].received.date - first.received_at).total_seconds() == 20


def test_each_relay_that_got_a_copy_is_a_way_and_the_client_handed_over_once(tmp_path):
    result, messages = take_in(tmp_path, POSTFIX)
    assert result.imported == 2
    assert links(tmp_path) == [
        ("mx1.example.org", "store.example.org"),
        ("gw.example.net", "mx1.example.org"),
        ("mx1.example.org", "mx.example.com"),
    ]
    assert [message.recipients for message in messages] == [("b@example.org", "c@example.com"), ()]


def test_deliveries_keep_relay_delay_status_and_the_next_queue_id(tmp_path):
    _, messages = take_in(tmp_path, POSTFIX)
    with open_readonly(tmp_path / "store.sqlite") as reader:
        [delivery] = deliveries_of(reader.db.conn, messages[0].id)
    assert (delivery.recipient, delivery.relay_ip, delivery.delay_s) == ("b@example.org", "192.0.2.7", 20.0)
    assert (delivery.dsn, delivery.outcome, delivery.next_id) == ("2.0.0", "sent", "4dD1Zy0YqGz9v2")


@pytest.mark.parametrize("text", [POSTFIX, EXIM], ids=["postfix", "exim"])
def test_refused_recipients_are_counted_for_the_clients_network(tmp_path, text):
    result, _ = take_in(tmp_path, text)
    with open_readonly(tmp_path / "store.sqlite") as reader:
        [count] = reader.refusals(NOON, datetime(2026, 5, 2, tzinfo=UTC))
    assert result.refused == count.refused == count.sessions == 1
    assert count.network in {"203.0.113.0/24", "198.51.100.0/24"}


@pytest.mark.parametrize("text", [POSTFIX, SENDMAIL, EXIM], ids=["postfix", "sendmail", "exim"])
def test_a_log_imported_twice_doubles_nothing(tmp_path, text):
    first, messages = take_in(tmp_path, text)
    again, same = take_in(tmp_path, text)
    assert (again.imported, again.known, again.refused) == (0, first.imported, 0)
    assert same == messages


def test_a_log_that_has_grown_adds_what_is_new(tmp_path):
    lines = POSTFIX.splitlines(keepends=True)
    take_in(tmp_path, "".join(lines[:7]))
    result, messages = take_in(tmp_path, POSTFIX)
    assert (result.imported, result.known) == (1, 1)
    assert len(messages) == 2
    assert sorted(links(tmp_path))[1:] == [
        ("mx1.example.org", "mx.example.com"),
        ("mx1.example.org", "store.example.org"),
    ]


def test_rotated_logs_are_read_in_the_order_of_time_whatever_their_names(tmp_path):
    lines = POSTFIX.splitlines(keepends=True)
    _, messages = take_in(tmp_path, "".join(lines[5:]), "".join(lines[:5]))
    assert [message.connection.ip for message in messages] == ["203.0.113.9", None]


def test_mail_that_the_milter_recorded_gets_its_next_relay_only(tmp_path):
    take_in(tmp_path, POSTFIX)
    with Store.open(StoreSettings(path=str(tmp_path / "store.sqlite"))) as store:
        store.tune("foreign_keys = ON")
        store.db.execute("DELETE FROM message WHERE received_ms > ?", (NOON.timestamp() * 1000 + 10_000,))
        store.db.execute("UPDATE message SET source = 'milter', digest = NULL, id = 'BYMILTER'")
        store.db.execute("DELETE FROM log_session")
    result, messages = take_in(tmp_path, POSTFIX)
    assert [message.source for message in messages] == ["milter", "log", "log"]
    assert result.refused == 0
    assert [message.connection.ip for message in messages] == ["203.0.113.9", None, None]


def test_mail_through_a_content_filter_is_one_message_with_a_step_inside_the_host(tmp_path):
    text = """\
May  1 12:00:01 mx1 postfix/smtpd[11]: AAAAA11111: client=gw.example.net[203.0.113.9]
May  1 12:00:01 mx1 postfix/cleanup[12]: AAAAA11111: message-id=<one@example.net>
May  1 12:00:01 mx1 postfix/qmgr[13]: AAAAA11111: from=<a@example.net>, size=1234, nrcpt=1 (queue active)
May  1 12:00:04 mx1 postfix/smtpd[16]: BBBBB22222: client=localhost[127.0.0.1]
May  1 12:00:04 mx1 postfix/cleanup[12]: BBBBB22222: message-id=<one@example.net>
May  1 12:00:04 mx1 postfix/qmgr[13]: BBBBB22222: from=<a@example.net>, size=1500, nrcpt=1 (queue active)
May  1 12:00:04 mx1 postfix/smtp[14]: AAAAA11111: to=<b@example.org>, relay=127.0.0.1[127.0.0.1]:10024, delay=3, delays=0/0/0/3, dsn=2.0.0, status=sent (250 2.0.0 from MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as BBBBB22222)
May  1 12:00:04 mx1 postfix/qmgr[13]: AAAAA11111: removed
May  1 12:00:09 mx1 postfix/smtp[14]: BBBBB22222: to=<b@example.org>, relay=store.example.org[192.0.2.7]:25, delay=5, delays=0/0/0/5, dsn=2.0.0, status=sent (250 ok)
May  1 12:00:09 mx1 postfix/qmgr[13]: BBBBB22222: removed
"""
    result, _ = take_in(tmp_path, text)
    assert result.imported == 1
    assert links(tmp_path) == [
        ("mx1.example.org", "store.example.org"),
        ("mx1.example.org", "mx1.example.org"),
        ("gw.example.net", "mx1.example.org"),
    ]


def test_a_declared_next_relay_is_trusted_and_another_one_vouched_for(tmp_path):
    site = SiteSettings(hostname="mx1.example.org", networks=("192.0.2.0/24",))
    _, messages = take_in(tmp_path, POSTFIX, site=site)
    assert [str(message.trace.hops[0].trust) for message in messages] == ["trusted", "vouched"]


def test_broken_lines_are_counted_and_named_and_the_rest_is_read(tmp_path):
    lines = POSTFIX.splitlines(keepends=True)
    torn = lines[6][:120] + "\n"
    result, _ = take_in(tmp_path, "".join([*lines[:3], "garbage\n", torn, "x" * 40_000 + "\n", *lines[3:]]))
    assert (result.imported, result.broken_lines) == (2, 3)
    assert [line.partition("/log0:")[2] for line in result.broken] == [
        "4: no log line: no stamp",
        "5: a delivery without its status",
        "6: longer than 16,384 bytes",
    ]


def test_a_log_of_other_programs_is_left_out_by_name(tmp_path):
    result, messages = take_in(tmp_path, "May  1 12:00:00 mx1 sshd[1]: Accepted publickey for root\n")
    assert not messages
    assert "no Postfix, Sendmail or Exim" in result.left_out[0].reason


@pytest.mark.parametrize("packer", [gzip.compress, bz2.compress, lzma.compress], ids=["gz", "bz2", "xz"])
def test_logs_are_read_however_they_are_packed(tmp_path, packer):
    assert take_in(tmp_path, POSTFIX, packer=packer)[0].imported == 2


def test_logs_packed_with_zstd_are_read(tmp_path):
    packed = pa.Codec("zstd").compress(POSTFIX.encode(), asbytes=True)
    assert take_in(tmp_path, packed)[0].imported == 2


@pytest.mark.parametrize(
    "packer",
    [
        bz2.compress,
        partial(gzip.compress, compresslevel=4),
        partial(lzma.compress, preset=0),
        pa.Codec("zstd").compress,
    ],
    ids=["bz2", "gz", "xz", "zst"],
)
def test_a_file_that_unpacks_without_end_is_left_out(tmp_path, packer):
    bomb = bytes(packer(b"May  1 12:00:00 mx1 postfix/qmgr[13]: x\n" + bytes(300 << 20)))
    result, _ = take_in(tmp_path, bomb)
    assert "300 times its size" in result.left_out[0].reason


ENVELOPES = {
    "rfc3164": "May  1 12:00:00 mx1 postfix/qmgr[13]: AAAAA11111: removed",
    "priority": "<22>May  1 12:00:00 mx1 postfix/qmgr[13]: AAAAA11111: removed",
    "year": "May  1 2026 12:00:00 mx1 postfix/qmgr[13]: AAAAA11111: removed",
    "bsd-verbose": "May  1 12:00:00 mx1 <mail.info> postfix/qmgr[13]: AAAAA11111: removed",
    "solaris": "May  1 12:00:00 mx1 postfix/qmgr[13]: [ID 197553 mail.info] AAAAA11111: removed",
    "rfc5424": "<22>1 2026-05-01T12:00:00Z mx1 postfix/qmgr 13 - - AAAAA11111: removed",
    "rfc5424-data": '<22>1 2026-05-01T12:00:00.000Z mx1 postfix/qmgr 13 - [a b="c\\]"] AAAAA11111: removed',
    "rsyslog": "2026-05-01T14:00:00.000001+02:00 mx1 postfix/qmgr[13]: AAAAA11111: removed",
    "journald": "2026-05-01T14:00:00+0200 mx1 postfix/qmgr[13]: AAAAA11111: removed",
    "journald-json": json.dumps(
        {
            "__REALTIME_TIMESTAMP": "1777636800000000",
            "_HOSTNAME": "mx1",
            "SYSLOG_IDENTIFIER": "postfix/qmgr",
            "_PID": "13",
            "MESSAGE": "AAAAA11111: removed",
        }
    ),
    "docker-stamp": "2026-05-01T12:00:00.123456789Z May  1 12:00:00 mx1 postfix/qmgr[13]: AAAAA11111: removed",
    "docker-json": json.dumps(
        {"log": "May  1 12:00:00 mx1 postfix/qmgr[13]: AAAAA11111: removed\n", "stream": "stdout"}
    ),
    "compose": "mail-1  | May  1 12:00:00 mx1 postfix/qmgr[13]: AAAAA11111: removed",
}


@pytest.mark.parametrize("envelope", ENVELOPES)
def test_every_envelope_tells_time_host_program_and_text(envelope):
    line = line_parser(Calendar(UTC, NOON))(ENVELOPES[envelope])
    assert line._replace(at=line.at.replace(microsecond=0)) == LogLine(
        NOON, "mx1", "postfix/qmgr", "13", "AAAAA11111: removed"
    )


def test_a_stamp_without_a_year_lies_in_the_last_year_before_the_file():
    parse = line_parser(Calendar(UTC, datetime(2027, 1, 2, tzinfo=UTC)))
    years = [parse(f"{stamp} 12:00:00 mx1 postfix/qmgr[13]: x").at.year for stamp in ("Dec 31", "Jan  2", "Feb 29")]
    assert years == [2026, 2027, 2024]


def test_a_stamp_without_a_zone_is_in_the_given_one_in_summer_and_in_winter():
    parse = line_parser(Calendar(ZoneInfo("Europe/Berlin"), datetime(2026, 12, 31, tzinfo=UTC)))
    hours = [parse(f"{stamp} 12:00:00 mx1 postfix/qmgr[13]: x").at.hour for stamp in ("Jul  1", "Dec  1")]
    assert hours == [10, 11]


@pytest.mark.parametrize("program", ["postfix/smtpd", "postfix-out/smtp", "postfix/submission/smtpd", "mx2/cleanup"])
def test_programs_of_every_instance_are_postfix(program):
    assert postfix.is_postfix(program)


@pytest.mark.parametrize(
    ("said", "relay", "outcome"),
    [
        ("relay=mx.example.com[2001:db8::4]:25, delay=1, status=sent (250 ok)", "2001:db8::4", "sent"),
        ("relay=mx.example.com[198.51.100.4], delay=1, status=bounced (host said: 550 no)", "198.51.100.4", "bounced"),
        ("relay=none, delay=1, delays=1/0/0/0, dsn=4.4.1, status=deferred (connect: timed out)", None, "deferred"),
        ("relay=mx1[private/dovecot-lmtp], delay=0.1, delays=0/0/0/0, dsn=2.0.0, status=sent (250 ok)", None, "sent"),
        (
            "relay=dovecot, delay=0.1, delays=0/0/0/0, dsn=2.0.0, status=sent (delivered via dovecot service)",
            None,
            "sent",
        ),
    ],
    ids=["ipv6-without-dsn", "2.0-without-port", "nowhere", "lmtp-socket", "pipe"],
)
def test_postfix_deliveries_of_every_release_are_read(said, relay, outcome):
    line = LogLine(NOON, "mx1", "postfix/smtp", "1", f"AAAAA11111: to=<b@example.org>, {said}")
    [event] = postfix.events(line)
    assert (event.attempts[0].relay_ip, event.attempts[0].outcome) == (relay, outcome)


def test_postscreen_and_unqueued_refusals_are_sessions():
    text = (
        "NOQUEUE: reject: RCPT from [203.0.113.9]:4711: 550 5.7.1 Service unavailable; client blocked; from=<a>, to=<b>"
    )
    [event] = postfix.events(LogLine(NOON, "mx1", "postfix/postscreen", "1", text))
    assert (event.ip, event.refused) == ("203.0.113.9", 1)


def test_a_client_name_that_sendmail_doubts_is_not_taken():
    text = "641C0001000021: from=<a@b>, size=1, class=0, nrcpts=1, relay=fake.example [203.0.113.9] (may be forged)"
    about = [event for event in sendmail.events(LogLine(NOON, "mx1", "sm-mta", "1", text)) if isinstance(event, About)]
    assert about[0].client == Client(ip="203.0.113.9", name=None)


@pytest.mark.parametrize(
    ("flag", "outcome"), [("=>", "sent"), ("->", "sent"), ("==", "deferred"), ("**", "bounced"), (">>", "sent")]
)
def test_exim_flags_tell_the_outcome(flag, outcome):
    text = f"1uAbCd-00000000123-4Xyz {flag} b@example.org R=dnslookup T=remote_smtp H=mx.example.com [198.51.100.4]: said no"
    [event] = exim.events(LogLine(NOON, None, "exim", None, text))
    assert event.attempts[0].outcome == outcome


def test_memory_is_bounded_and_the_parts_of_a_message_come_together_in_the_store(tmp_path):
    lines = POSTFIX.splitlines(keepends=True)
    tracker = Tracker(open_max=10)
    given_out = []
    for number in range(1000):
        given_out += tracker.add(
            "mx1", NOON, "Postfix", About(f"{number:010X}", client=Client("203.0.113.9"), sender="")
        )
    assert len(given_out) == 990
    take_in(tmp_path, "".join(lines[:4]))
    take_in(tmp_path, "".join(lines[6:]))
    assert sorted(links(tmp_path)) == [
        ("gw.example.net", "mx1.example.org"),
        ("mx1.example.org", "mx.example.com"),
        ("mx1.example.org", "store.example.org"),
    ]


@given(
    st.lists(st.tuples(st.sampled_from(POSTFIX.splitlines()), st.integers(0, 200), st.text(max_size=20)), max_size=12)
)
def test_no_line_stops_the_reading(pieces):
    parse = line_parser(Calendar(UTC, NOON))
    tracker = Tracker()
    for line, cut, inserted in pieces:
        try:
            found = parse(line[:cut] + inserted.replace("\n", "") + line[cut:])
        except ValueError:
            continue
        for dialect in (postfix, sendmail, exim):
            for event in dialect.events(found) if found else ():
                if isinstance(event, About):
                    list(tracker.add("mx1", found.at, "Postfix", event))
    assert all(message.has_content for message in tracker.rest())


def test_a_store_that_hides_people_keeps_no_recipient_of_a_log(tmp_path):
    (tmp_path / "key").write_bytes(b"k" * 32)
    settings = StoreSettings(
        path=str(tmp_path / "store.sqlite"), hash_local_parts="at-once", hash_key_file=str(tmp_path / "key")
    )
    (tmp_path / "log").write_text(POSTFIX)
    with Store.open(settings) as store:
        Import((tmp_path / "log",), SITE, log_names=LogNames(UTC)).run(store)
        dump = "\n".join(store.db.conn.iterdump())
        [(hidden,)] = store.db.execute("SELECT count(*) FROM anonymised").fetchall()
    assert "b@example.org" not in dump
    assert "c@example.com" not in dump
    assert hidden == 2


def test_a_message_refused_at_its_end_or_never_finished_is_none(tmp_path):
    lines = POSTFIX.splitlines(keepends=True)
    refused = "May  1 12:00:02 mx1 postfix/cleanup[12]: 4dD1Zx0YqGz9v1: milter-reject: END-OF-MESSAGE from gw[203.0.113.9]: 5.7.1 no\n"
    result, messages = take_in(tmp_path, "".join([*lines[:3], refused]), "".join(lines[:2]).replace("v1:", "v7:"))
    assert (result.imported, messages) == (0, [])


def test_parts_of_one_message_that_are_stored_together_are_known_again_together(tmp_path):
    expanded = SENDMAIL + SENDMAIL.splitlines()[1].replace("<b@example.org>,<d@", "<e@").replace(
        "store.example.org. [192.0.2.7]", "other.example.org. [192.0.2.8]"
    )
    first, messages = take_in(tmp_path, expanded)
    again, same = take_in(tmp_path, expanded)
    assert (first.imported, again.imported, same) == (2, 0, messages)
    assert [message.recipients for message in messages] == [("b@example.org", "d@example.org"), ()]
