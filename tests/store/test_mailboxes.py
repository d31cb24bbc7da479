"""Mailboxes of every kind, whole and broken, give each message once and the rest by name."""

import bz2
import gzip
import lzma
import os
from pathlib import Path

import pytest

from hoptrail_store.ids import Ids
from hoptrail_store.importer import Import
from hoptrail_store.ingest import record_of
from hoptrail_store.mailboxes import KEPT_BYTES, LeftOut, RawMessage, find_sources, read_messages
from hoptrail_store.records import Score
from hoptrail_store.store import Store
from hoptrail_tracer.settings import SiteSettings


def message(number: int, body: str = "Hello\n") -> str:
    return (
        f"Received: from a.example.net (a.example.net [203.0.113.{number}])\n\tby mx.example.org (Postfix) with ESMTP"
        f" id A{number}BCDEF\n\tfor <u@example.org>; Thu, 22 Aug 2002 11:{number:02}:59 -0400\n"
        f"From: sender@example.net\nMessage-ID: <{number}@example.net>\nSubject: Number {number}\n\n{body}"
    )


def mbox(*messages: str, separator: str = "From sender@example.net Thu Aug 22 11:16:59 2002\n") -> str:
    return "".join(f"{separator}{one}\n" for one in messages)


def read(path) -> tuple[list[RawMessage], list[LeftOut]]:
    found = []
    for source in find_sources((Path(path),)):
        found += [source] if isinstance(source, LeftOut) else read_messages(source)
    left_out = [one for one in found if isinstance(one, LeftOut)]
    return [one for one in found if isinstance(one, RawMessage)], left_out


def contents(path) -> list[str]:
    messages, left_out = read(path)
    assert not left_out
    return [one.content.decode("utf-8", "surrogateescape") for one in messages]


PACKERS = {"plain": bytes, "gzip": gzip.compress, "xz": lzma.compress, "bzip2": bz2.compress}


@pytest.mark.parametrize("packer", PACKERS)
def test_an_mbox_is_split_however_it_is_packed(tmp_path, packer):
    (tmp_path / "mail").write_bytes(PACKERS[packer](mbox(message(1), message(2), message(3)).encode()))
    assert contents(tmp_path / "mail") == [message(1), message(2), message(3)]


@pytest.mark.parametrize(
    "separator",
    [
        "From nobody Thu Jan  1 00:00:00 2004\n",
        "From \n",
        "From - Thu Aug 22 11:16:59 2002\n",
        'From "a b"@example.net  Thu, 22 Aug 2002 11:16:59 -0400\n',
        "From MAILER-DAEMON\n",
        "From sender@example.net Thu Aug 22 11:16:59 EDT 2002 remote from gateway\n",
    ],
)
def test_separators_of_every_age_split(tmp_path, separator):
    (tmp_path / "mail").write_text(mbox(message(1), message(2), separator=separator))
    assert contents(tmp_path / "mail") == [message(1), message(2)]


def test_an_unquoted_from_in_a_text_does_not_split(tmp_path):
    body = "Hello\n\nFrom here on it rains.\nAnd so on\nFrom there: nothing\n"
    (tmp_path / "mail").write_text(mbox(message(1, body), message(2)))
    assert contents(tmp_path / "mail") == [message(1, body), message(2)]


def test_a_separator_without_its_blank_line_splits_where_it_is_dated(tmp_path):
    text = mbox(message(1), message(2)).replace("\n\nFrom sender", "\nFrom sender")
    (tmp_path / "mail").write_text(text)
    assert contents(tmp_path / "mail") == [message(1), message(2)]


def test_quoting_is_taken_away_once(tmp_path):
    (tmp_path / "mail").write_text(mbox(message(1, ">From here\n>>From there\n> From nowhere\n")))
    assert contents(tmp_path / "mail") == [message(1, "From here\n>From there\n> From nowhere\n")]


def test_line_ends_of_dos_split_too(tmp_path):
    text = mbox(message(1), message(2)).replace("\n", "\r\n")
    (tmp_path / "mail").write_bytes(text.encode())
    assert contents(tmp_path / "mail") == [one.replace("\n", "\r\n") for one in (message(1), message(2))]


def test_an_mbox_that_ends_in_the_middle_gives_what_is_there(tmp_path):
    text = mbox(message(1), message(2))
    (tmp_path / "mail").write_text(text[: len(text) - 150])
    assert len(contents(tmp_path / "mail")) == 2


def test_a_packed_mbox_that_was_cut_off_gives_what_is_there_and_is_named(tmp_path):
    packed = gzip.compress(mbox(*(message(number, os.urandom(3000).hex()) for number in range(60))).encode())
    (tmp_path / "mail.gz").write_bytes(packed[: len(packed) // 2])
    messages, [left_out] = read(tmp_path / "mail.gz")
    assert 0 < len(messages) < 60
    assert "damaged archive" in left_out.reason


def test_a_maildir_is_read_from_cur_and_new_and_its_folders(tmp_path):
    for number, folder in enumerate(["cur", "new", "tmp", ".Sent/cur", ".Sent/new", ".Sent/tmp"]):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / f"1029.M{number}.host:2,S").write_text(message(number))
    (tmp_path / "dovecot.index.cache").write_bytes(b"\x00\x01")
    (tmp_path / "maildirsize").write_text("100S\n")
    assert sorted(contents(tmp_path)) == sorted(message(number) for number in (0, 1, 3, 4))


def test_folders_of_messages_are_read_to_their_depth_in_order(tmp_path):
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "2.eml").write_text(message(2))
    (tmp_path / "a/b/1.txt").write_text(message(1))
    (tmp_path / "3.mbox").write_text(mbox(message(3), message(4)))
    assert contents(tmp_path) == [message(2), message(3), message(4), message(1)]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("picture.png", b"\x89PNG\r\n\x1a\n" + bytes(100), "no mail"),
        ("notes.txt", b"Remember: the milk\nalso: bread\n", "no mail"),
        ("empty.eml", b"", "empty"),
        ("broken.gz", b"\x1f\x8b\x08broken", "damaged archive"),
        ("broken-inside.gz", gzip.compress(b"")[:10] + b"\xff" * 20, "damaged archive"),
        ("broken.xz", b"\xfd7zXZ\x00broken", "damaged archive"),
        ("broken.bz2", b"BZhbroken", ""),
    ],
)
def test_a_file_that_is_no_mail_is_named(tmp_path, name, content, reason):
    (tmp_path / name).write_bytes(content)
    (tmp_path / "good.eml").write_text(message(1))
    messages, [left_out] = read(tmp_path)
    assert len(messages) == 1
    assert left_out.path.name == name
    assert reason in left_out.reason


def test_what_is_no_file_is_named(tmp_path):
    assert read(Path("/dev/null"))[1][0].reason == "neither a file nor a folder"
    assert read(tmp_path / "absent")[1][0].reason == "does not exist"


def test_a_pipe_in_a_folder_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert read(tmp_path)[1][0].reason == "neither a file nor a folder"


def test_links_that_lead_round_in_circles_are_not_followed(tmp_path):
    (tmp_path / "1.eml").write_text(message(1))
    (tmp_path / "again").symlink_to(tmp_path)
    assert contents(tmp_path) == [message(1)]


def test_of_a_long_message_only_the_beginning_is_kept(tmp_path):
    body = ("x" * 999 + "\n") * 5_000
    (tmp_path / "mail").write_text(mbox(message(1, body), message(2)))
    messages, _ = read(tmp_path / "mail")
    assert len(messages) == 2
    assert len(messages[0].content) == KEPT_BYTES
    assert messages[0].size_bytes == len(message(1, body))


def test_a_file_that_is_one_long_line_is_read_in_parts(tmp_path):
    (tmp_path / "mail").write_text(mbox(message(1, "x" * 3_000_000)))
    messages, _ = read(tmp_path / "mail")
    assert messages[0].size_bytes == len(message(1, "x" * 3_000_000 + "\n"))


def record(text: str | bytes, **options):
    content = text if isinstance(text, bytes) else text.encode()
    raw = RawMessage(Path("x"), content, len(content), b"d" * 16, 0, 1_000_000_000.0)
    return record_of(raw, ids=Ids(), site=SiteSettings(), **options)


def test_a_record_has_what_the_header_tells():
    found = record("Return-Path: <bounce@example.net>\nDelivered-To: user@example.org\n" + message(7))
    assert found.received_at.isoformat() == "2002-08-22T15:07:59+00:00"
    assert (found.host, found.source, found.connection) == ("mx.example.org", "import", None)
    assert (found.envelope_from, found.recipients) == ("bounce@example.net", ("user@example.org",))
    assert (found.message_id, found.subject) == ("<7@example.net>", "Number 7")
    assert [name for name, _ in found.fields] == [b"Received"]
    assert found.trace.hops[0].received.ip == "203.0.113.7"


def test_the_date_field_and_then_the_file_tell_when_it_came():
    assert record("From: a@b.c\nDate: Thu, 22 Aug 2002 11:16:59 -0400\n\nx").received_at.hour == 15
    assert record("From: a@b.c\nDate: soon\n\nx").received_at.timestamp() == 1_000_000_000


def test_the_recipient_in_the_newest_line_is_the_last_resort():
    assert record(message(1)).recipients == ("u@example.org",)


def test_a_bounce_has_the_empty_sender():
    assert record("Return-Path: <>\n" + message(1)).envelope_from == ""


def test_scores_are_believed_only_when_asked_to():
    text = "X-Spam-Status: Yes, score=12.3 required=5.0 tests=BAYES_99,\n\tHTML_MESSAGE autolearn=no\n" + message(1)
    assert record(text).score is None
    believed = record(text, believe_scores=True)
    assert believed.score == Score(12.3, 5.0, ("BAYES_99", "HTML_MESSAGE"))
    assert believed.evidence == text.encode()


def test_a_message_the_milter_has_recorded_keeps_its_id():
    text = "X-Hoptrail-Id: mx.example.org; id=01KA3V8Y6ZJ0T8M6Q4S2W9X7EB; queue=4dD1\n" + message(1)
    assert record(text).id == "01KA3V8Y6ZJ0T8M6Q4S2W9X7EB"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00" * 100,
        b"From: a",
        b"\xff\xfe" * 50,
        b"Received: " + b"x" * 100_000,
        b":\n:\n\n",
        b"\n\n\nFrom: a\n\nb",
    ],
)
def test_no_message_is_too_broken_for_a_record(content):
    assert record(content).source == "import"


def test_a_receiver_whose_name_is_no_utf8_is_imported(settings, tmp_path):
    (tmp_path / "1.eml").write_bytes(b"Received: from a ([203.0.113.9]) by \xc3; 4 May 2026 12:00:00 +0000\n\n")
    with Store.open(settings) as store:
        Import((tmp_path / "1.eml",)).run(store)
        assert store.db.execute("SELECT 1 FROM name WHERE text = ?", (r"\xc3",)).fetchone()


def test_an_import_is_done_once(settings, tmp_path):
    (tmp_path / "mail").write_text(mbox(*(message(number) for number in range(50)), message(3)))
    job = Import((tmp_path / "mail",))
    with Store.open(settings) as store:
        first, second = job.run(store), job.run(store)
    assert (first.imported, first.known) == (50, 1)
    assert (second.imported, second.known) == (0, 51)


def test_an_import_broken_off_goes_on_where_it_was(settings, tmp_path):
    (tmp_path / "mail").write_text(mbox(*(message(number % 60, f"{number}\n") for number in range(1_000))))
    job = Import((tmp_path / "mail",))

    def break_off(done_bytes):
        if done_bytes > 150_000:
            raise KeyboardInterrupt

    with Store.open(settings) as store:
        with pytest.raises(KeyboardInterrupt):
            job.run(store, break_off)
        done = store.db["message"].count
        assert 0 < done < 1_000
        rest = job.run(store)
    assert (rest.imported, rest.known) == (1_000 - done, done)


def test_progress_ends_at_the_size_that_was_announced(settings, tmp_path):
    folder = tmp_path / "mail"
    folder.mkdir()
    (folder / "1.gz").write_bytes(gzip.compress(mbox(message(1), message(2)).encode()))
    (folder / "2.eml").write_text(message(3))
    job = Import((folder,))
    seen = []
    with Store.open(settings) as store:
        job.run(store, seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == job.size_bytes() == sum(path.stat().st_size for path in folder.iterdir())
