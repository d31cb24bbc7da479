"""import, show, status and reparse, from mailbox to terminal."""

import io
import json
import os
import pty
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from hoptrail_store.journal import Journal
from hoptrail_store.settings import StoreSettings
from hoptrail_store.store import Store
from store.samples import record_maker

HOPTRAIL = Path(sys.executable).with_name("hoptrail")

MAIL = """From sender@example.net Thu Aug 22 11:16:59 2002
Received: from a.example.net (a.example.net [203.0.113.7])
\tby mx.example.org (Postfix) with ESMTP id A1BCDEF012
\tfor <u@example.org>; Thu, 22 Aug 2002 11:15:59 -0400
From: sender@example.net
Message-ID: <one@example.net>
Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= \x1b[31m

Hello

From sender@example.net Thu Aug 22 11:16:59 2002
From: sender@example.net
Date: Thu, 22 Aug 2002 11:15:59 -0400

Hello

"""


@pytest.fixture
def config(tmp_path) -> Path:
    path = tmp_path / "hoptrail.toml"
    path.write_text(f'[store]\npath = "{tmp_path}/store.sqlite"\n[milter]\nstatus = "unix:{tmp_path}/status.sock"\n')
    return path


@pytest.fixture
def mailbox(tmp_path) -> Path:
    path = tmp_path / "mailbox"
    path.write_text(MAIL)
    return path


def test_import_says_what_it_did_and_does_it_once(hoptrail, config, mailbox, tmp_path):
    first = hoptrail("import", "--config", config, mailbox)
    assert (first.code, first.err) == (0, "")
    assert first.out == f"2 messages imported into {tmp_path}/store.sqlite\n"
    second = hoptrail("import", "--config", config, mailbox)
    assert (second.code, second.out) == (0, f"0 messages imported into {tmp_path}/store.sqlite, 2 known already\n")


def test_a_file_that_cannot_be_made_is_named_without_the_systems_number(hoptrail, config, mailbox):
    hoptrail("import", "--config", config, mailbox)
    done = hoptrail("topology", "--config", config, "--since", "2002-08-22", "-o", "/nonexistent/map.svg")
    assert (done.code, done.err) == (1, "hoptrail: /nonexistent/map.svg: No such file or directory\n")


def test_import_names_a_file_by_nothing_that_a_terminal_may_act_on(hoptrail, config, tmp_path):
    named = tmp_path / "a\x07b\u202ec.eml"
    named.write_bytes(b"\x89PNG")
    done = hoptrail("import", "--config", config, named)
    assert done.err == f"hoptrail: {tmp_path}/a\\x07b\\u202ec.eml: no mail\n"


def test_import_names_what_it_left_out_and_imports_the_rest(hoptrail, config, mailbox, tmp_path):
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    done = hoptrail("import", "--config", config, tmp_path / "picture.png", mailbox, tmp_path / "absent")
    assert done.code == 1
    assert done.err.splitlines() == [
        f"hoptrail: {tmp_path}/picture.png: no mail",
        f"hoptrail: {tmp_path}/absent: does not exist",
    ]
    assert done.out.startswith("2 messages imported")
    assert done.out.endswith("2 files left out\n")


def test_import_names_no_more_files_than_a_person_reads(hoptrail, config, tmp_path):
    (tmp_path / "folder").mkdir()
    for number in range(30):
        (tmp_path / f"folder/{number}").write_text("no mail")
    done = hoptrail("import", "--config", config, tmp_path / "folder")
    assert len(done.err.splitlines()) == 21
    assert "and 10 more" in done.err


def test_import_writes_json(hoptrail, config, mailbox):
    done = hoptrail("import", "--config", config, "--json", mailbox, "/absent")
    assert json.loads(done.out) == {
        "imported": 2,
        "known": 0,
        "files": 1,
        "refused": 0,
        "log_lines": 0,
        "broken_lines": 0,
        "broken": [],
        "left_out": [{"path": "/absent", "reason": "does not exist"}],
    }


def test_import_into_another_store(hoptrail, config, mailbox, tmp_path):
    hoptrail("import", "--config", config, "--store", tmp_path / "other.sqlite", mailbox)
    assert (tmp_path / "other.sqlite").exists()
    assert not (tmp_path / "store.sqlite").exists()


def test_import_refuses_a_network_that_is_none(hoptrail, config, mailbox):
    done = hoptrail("import", "--config", config, "--trusted", "192.0.2.0/99", mailbox)
    assert done.code == 2
    assert "--trusted" in done.err


def test_import_draws_a_bar_on_a_terminal_only(config, mailbox):
    ours, theirs = pty.openpty()
    done = subprocess.run(
        [HOPTRAIL, "import", "--config", config, mailbox],
        check=True,
        stdout=subprocess.PIPE,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm"},
    )
    os.close(theirs)
    drawn = os.read(ours, 100_000)
    os.close(ours)
    assert b"\x1b[" in drawn
    assert b"2 messages imported" in done.stdout


def test_import_that_is_interrupted_says_so(hoptrail, config, mailbox, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("hoptrail_store.importer.record_of", interrupt)
    done = hoptrail("import", "--config", config, mailbox)
    assert (done.code, done.err.strip()) == (130, "hoptrail: stopped")


def test_show_prints_a_message_by_its_message_id(hoptrail, config, mailbox):
    hoptrail("import", "--config", config, mailbox)
    done = hoptrail("show", "--config", config, "one@example.net")
    assert done.code == 0
    assert "Grüße" in done.out
    assert "203.0.113.7" in done.out
    assert "\x1b[31m" not in done.out


def test_show_prints_all_that_is_known(hoptrail, config, tmp_path):
    record = record_maker()(7)
    with Store.open(StoreSettings(path=f"{tmp_path}/store.sqlite")) as store:
        store.put([record])
    done = hoptrail("show", "--config", config, "queue7")
    for expected in (
        record.id,
        "7.5 of 5.0, spam: BAYES_99",
        "AS64500 EXAMPLE-NET",
        "bl.example.net=listed",
        "30 bytes",
    ):
        assert expected in done.out
    document = json.loads(hoptrail("show", "--config", config, "--json", record.id).out)
    assert (document["id"], document["queue_id"], document["evidence_bytes"]) == (record.id, "queue7", 30)
    assert document["facts"]["zones"][0]["verdict"] == "listed"
    assert document["trace"]["origin"]["ip"] == "203.0.113.1"


def test_show_writes_the_message_itself(hoptrail, config, tmp_path):
    with Store.open(StoreSettings(path=f"{tmp_path}/store.sqlite")) as store:
        store.put([record_maker()(1), record_maker()(2, evidence=None)])
    assert hoptrail("show", "--config", config, "--raw", "queue1").out == "Subject: Nothing new\r\n\r\nBuy.\r\n"
    done = hoptrail("show", "--config", config, "--raw", "queue2")
    assert (done.code, done.out) == (1, "")
    assert "not kept whole" in done.err


def test_show_of_an_unknown_message_fails(hoptrail, config, mailbox):
    hoptrail("import", "--config", config, mailbox)
    done = hoptrail("show", "--config", config, "nobody")
    assert (done.code, done.out) == (1, "")
    assert "nobody: no such message" in done.err


def test_show_says_that_a_message_may_still_wait_in_the_journal(hoptrail, config, mailbox, tmp_path):
    hoptrail("import", "--config", config, mailbox)
    with closing(Journal(StoreSettings(path=f"{tmp_path}/store.sqlite"))) as journal:
        journal.record(record_maker()(1))
    assert "still to be stored" in hoptrail("show", "--config", config, "queue1").err


def test_status_sums_up_the_store(hoptrail, config, mailbox):
    hoptrail("import", "--config", config, mailbox)
    done = hoptrail("status", "--config", config)
    assert done.code == 0
    assert "2002-08-22 15:15 to 2002-08-22 15:15 UTC" in done.out
    assert "not running" in done.out
    document = json.loads(hoptrail("status", "--config", config, "--json").out)
    assert document["store"]["messages"] == 2
    assert document["milter"] is None


def test_status_of_an_empty_store(hoptrail, config, tmp_path):
    Store.open(StoreSettings(path=f"{tmp_path}/store.sqlite")).close()
    done = hoptrail("status", "--config", config)
    assert done.code == 0


def test_reparse_says_how_much_differs(hoptrail, config, mailbox):
    hoptrail("import", "--config", config, mailbox)
    assert hoptrail("reparse", "--config", config).out == "2 messages traced again, 0 differ, 0 in their origin\n"
    config.write_text(config.read_text() + '[site]\nnetworks = ["203.0.113.0/24"]\n')
    assert hoptrail("reparse", "--config", config).out.startswith("2 messages traced again, 2 differ")


MAIL_LOG = """\
May  1 12:00:01 mx1 postfix/smtpd[11]: 4dD1Zx0YqGz9v1: client=gw.example.net[203.0.113.9]
May  1 12:00:01 mx1 postfix/cleanup[12]: 4dD1Zx0YqGz9v1: message-id=<one@example.net>
May  1 12:00:01 mx1 postfix/qmgr[13]: 4dD1Zx0YqGz9v1: from=<a@example.net>, size=1234, nrcpt=1 (queue active)
May  1 12:00:21 mx1 postfix/smtp[14]: 4dD1Zx0YqGz9v1: to=<b@example.org>, relay=store.example.org[192.0.2.7]:25, delay=20, delays=0/0/0/20, dsn=2.0.0, status=sent (250 2.0.0 Ok)
May  1 12:00:21 mx1 postfix/qmgr[13]: 4dD1Zx0YqGz9v1: removed
torn
"""


def test_import_takes_a_log_and_names_its_broken_lines(hoptrail, config, tmp_path):
    (tmp_path / "mail.log").write_text(MAIL_LOG)
    done = hoptrail("import", "--config", config, tmp_path / "mail.log")
    assert (done.code, done.err) == (0, f"hoptrail: {tmp_path}/mail.log:6: no log line: no stamp\n")
    assert "1 message imported" in done.out
    assert "1 of 6 log lines broken" in done.out


def test_show_says_what_became_of_a_message_from_a_log(hoptrail, config, tmp_path):
    (tmp_path / "mail.log").write_text(MAIL_LOG)
    hoptrail("import", "--config", config, "--log-zone", "UTC", tmp_path / "mail.log")
    shown = hoptrail("show", "--config", config, "4dD1Zx0YqGz9v1").out
    assert "<b@example.org> sent, to store.example.org [192.0.2.7], after 20 s, 250 2.0.0 Ok" in shown
    document = json.loads(hoptrail("show", "--config", config, "--json", "4dD1Zx0YqGz9v1").out)
    assert document["deliveries"][0]["relay_ip"] == "192.0.2.7"


def test_import_refuses_a_time_zone_that_there_is_not(hoptrail, config, mailbox):
    done = hoptrail("import", "--config", config, "--log-zone", "Mars/Olympus", mailbox)
    assert (done.code, "no time zone" in done.err) == (2, True)


def test_import_takes_one_header_from_standard_input(hoptrail, config, monkeypatch):
    header = b"Received: from a.example.net ([203.0.113.1])\n\tby mx.example.org; Thu, 22 Aug 2002 11:00:00 +0000\n"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(header))))
    assert hoptrail("import", "--config", config, "-").out.startswith("1 message imported")
