import re
import subprocess
from email import message_from_bytes, policy
from email.message import Message

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoptrail_reports.abuse.evidence import Evidence
from hoptrail_reports.abuse.forms import FORMS, written
from hoptrail_reports.abuse.leaks import leaks
from reports.abuse.samples import NAME, SPAM, SPAMMER, VICTIM, report
from testbed.places import ROOT

PERL5 = ROOT / "usr/share/perl5"
SENDER = "abuse-reports@example.org"


def draft(form, made=None) -> bytes:
    return written(made or report(), form, sender=SENDER)


def all_defects(message: Message) -> list:
    return [defect for part in message.walk() for defect in part.defects]


def read_spamcop(text: bytes) -> dict:
    """A reader of the layout that SpamCop's reports have."""
    head, raw = re.split(rb"(?m)^\[ Offending message \]\r\n", text, maxsplit=1)
    title = re.match(rb"\[ (\S+) V(\S+) \]\r\nThis message is brief for your comfort\.", head)
    source = re.search(rb"(?m)^Email from (\S+) / (.+?)\r$", head)
    listed = re.findall(rb"(?m)^(\S+) listed in (\S+) \( (.+?) \)\r$", head)
    return {"by": title[1], "ip": source[1], "date": source[2], "listed": listed, "raw": raw}


def test_spamcop_text_is_read_by_a_parser_of_its_layout():
    message = message_from_bytes(draft("spamcop"), policy=policy.default)
    found = read_spamcop(draft("spamcop").split(b"\r\n\r\n", 1)[1])
    assert message["Subject"] == f"[Hoptrail ({SPAMMER}) id:20261120-abcdefgh]Your account, x"
    assert message["To"] == "abuse@comcast.net"
    assert message["Auto-Submitted"] == "auto-generated"
    assert found["by"] == b"Hoptrail"
    assert found["ip"] == SPAMMER.encode()
    assert found["date"] == b"Fri, 20 Nov 2026 12:00:05 +0000"
    assert found["listed"] == [(SPAMMER.encode(), b"cbl.abuseat.org", b"127.0.0.2")]
    assert found["raw"] == report().evidence.raw


def test_spamcop_text_has_no_attachment_and_says_its_charset():
    message = message_from_bytes(draft("spamcop"), policy=policy.default)
    assert not message.is_multipart()
    assert message.get_content_charset() == "utf-8"
    assert "Grüße" in message.get_content()
    mixed = message_from_bytes(draft("spamcop", report(SPAM + b"\xff\r\n")))
    assert mixed.get_content_charset() == "unknown-8bit"


def test_statements_say_how_the_source_was_found():
    text = draft("spamcop").decode().replace("\r\n  ", " ")
    assert f"Our server mx.example.org itself took the message from {SPAMMER} port 51234" in text
    assert f"The reverse name of {SPAMMER} is {NAME}, which resolves back." in text
    assert "3 spam messages came from it between 2026-11-20 09:00 and 2026-11-20 12:00 UTC." in text
    assert "bl.spamcop.net" not in text, "a list that did not answer says nothing"


@pytest.mark.parametrize("form", FORMS)
def test_no_form_lets_a_recipient_through(form):
    assert not leaks(draft(form), [VICTIM])


@pytest.mark.parametrize("form", ["spamcop", "arf"])
def test_contact_that_wants_recipients_whole_gets_the_message_byte_for_byte(form):
    made = report(whole=True)
    assert SPAM in draft(form, made)


def test_arf_has_the_three_parts_of_rfc_5965_and_no_defect():
    message = message_from_bytes(draft("arf"), policy=policy.default)
    assert all_defects(message) == []
    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "feedback-report"
    words, feedback, original = message.get_payload()
    assert [part.get_content_type() for part in message.get_payload()] == [
        "text/plain",
        "message/feedback-report",
        "message/rfc822",
    ]
    assert f"message from {SPAMMER}" in words.get_content()
    fields = message_from_bytes(feedback.get_payload(0).as_bytes())
    assert (fields["Feedback-Type"], fields["Version"], fields["User-Agent"][:9]) == ("abuse", "1", "Hoptrail/")
    assert (fields["Source-IP"], fields["Source-Port"]) == (SPAMMER, "51234")
    assert fields["Reporting-MTA"] == "dns; mx.example.org"
    assert fields["Original-Mail-From"] == "<security@bank.example>"
    assert original.get_payload(0)["Subject"] == "Your account, x"


@pytest.mark.parametrize("form", ["spamcop", "arf"])
def test_evidence_stands_in_a_report_byte_for_byte(form):
    odd = b"Subject: odd\r\nX-Broken  no colon\r\n \r\n\r\nFrom here\r\n.\r\n\xe9\xff --=_b\r\n\r\n"
    made = report(evidence=Evidence(odd))
    assert odd in draft(form, made)


@given(raw=st.binary(max_size=500))
def test_arf_keeps_its_shape_whatever_the_spam_holds(raw):
    message = message_from_bytes(draft("arf", report(raw)))
    assert message.defects == []
    assert [part.get_content_type() for part in message.get_payload()] == [
        "text/plain",
        "message/feedback-report",
        "message/rfc822",
    ]
    assert all(part.defects == [] for part in message.get_payload())


@pytest.mark.parametrize("form", FORMS)
@given(hostile=st.text(max_size=80))
def test_no_text_of_the_spam_adds_a_header_field_or_a_line(form, hostile):
    made = report(subject=hostile, envelope_from=hostile, helo=hostile, reasons=(hostile,))
    raw = draft(form, made)
    message = message_from_bytes(raw)
    assert message.defects == []
    expected = {"From", "To", "Reply-To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version"}
    assert set(message.keys()) == expected | {"Content-Type", "Content-Transfer-Encoding"}
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert b"\r" not in raw.replace(b"\r\n", b"")
    assert max(map(len, raw.split(b"\r\n"))) <= 998


def test_cut_message_says_so_and_has_its_parts_closed():
    long = SPAM.replace(b"--=_b--\r\n", b"") + b"--=_b\r\n\r\n" + b"buy more and more\r\n" * 1_000
    made = report(long, limit_bytes=4_096)
    message = message_from_bytes(draft("arf", made), policy=policy.default)
    assert all_defects(message) == []
    assert f"[ cut here: the message had {len(long)} bytes ]".encode() in made.evidence.raw
    assert len(made.evidence.raw) < 4_200
    assert f"The message had {len(long):,} bytes" in draft("spamcop", made).decode().replace("\r\n  ", " ")


def test_line_ends_and_nuls_that_smtp_cannot_carry_are_mended():
    made = report(b"Subject: a\n\nline\rnext\0\n.\n" + b"y" * 2_000)
    assert b"\r\n\r\nline\r\nnext\r\n.\r\n" in made.evidence.raw
    assert "1 NUL byte" in " ".join(made.evidence.notes)
    assert max(map(len, made.evidence.raw.split(b"\r\n"))) <= 998


def test_sisimai_reads_an_arf_draft(tmp_path):
    path = tmp_path / "report.eml"
    path.write_bytes(draft("arf"))
    script = (
        "use Sisimai; my $found = Sisimai->make($ARGV[0]); my $one = $found->[0] or die 'nothing read';"
        "print join(' ', scalar @$found, $one->reason, $one->feedbacktype, $one->rhost || '-', $one->addresser->address, $one->recipient->address)"
    )
    done = subprocess.run(
        ["perl", "-MSisimai", "-e", script, path],
        env={"PERL5LIB": str(PERL5)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"1 feedback abuse {SPAMMER} security@bank.example x@munged.invalid"
