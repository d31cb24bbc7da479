import re
from collections.abc import Iterator

import pytest

from recipes.filing import PROGRAMS, Mailbox, maildrop, procmail
from testbed.places import private_folder

pytestmark = pytest.mark.services

ORIGIN = "X-Hoptrail-Origin: mx.example.org; ip=203.0.113.9; name=mail.example.net; class=observed;\n confidence=0.95; basis=connection; asn=64500; country=NL"
PATH = "X-Hoptrail-Path: mx.example.org; hops=5; trusted=2; forged=0; seconds=34;\n anomalies=none"
DNSBL = "X-Hoptrail-DNSBL: mx.example.org; zen.spamhaus.org=clear; list.dnswl.org=clear"
MARK = "X-Hoptrail-Id: mx.example.org; id=01KA3V8Y6ZJ0T8M6Q4S2W9X7EB; queue=4dD1Zx0YqGz9vNP"
UNKNOWN = ORIGIN.replace("=NL", "=unknown")
MONTH = re.compile(r"Spam\.\d{4}-\d{2}")


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with private_folder("recipes") as home:
        yield Mailbox(home)


def letter(*fields: str, body: str = "Hello\n") -> bytes:
    shown = {field.partition(":")[0]: field for field in (ORIGIN, PATH, DNSBL, MARK, *fields)}
    return "\n".join(("From: a@example.net", "To: b@example.org", "Subject: hi", *shown.values(), "", body)).encode()


CASES = {
    "harmless mail": ([], ""),
    "score of 10": (["X-Spam-Level: **********"], MONTH),
    "score of 23": (["X-Spam-Level: ***********************"], MONTH),
    "score of 9": (["X-Spam-Level: *********"], ""),
    "other signs for stars": (["X-Spam-Level: xxxxxxxxxxxx"], ""),
    "forged chain": ([PATH.replace("forged=0", "forged=2")], "Forged"),
    "forged chain of ten": ([PATH.replace("forged=0", "forged=10")], "Forged"),
    "forged and high score": ([PATH.replace("forged=0", "forged=1"), "X-Spam-Level: ************"], "Forged"),
    "listed": (["X-Hoptrail-DNSBL: mx.example.org; zen.spamhaus.org=listed/127.0.0.4; list.dnswl.org=clear"], "Listed"),
    "listed second": (
        ["X-Hoptrail-DNSBL: mx.example.org; a.example=late;\n bl.spamcop.net=listed/127.0.0.2"],
        "Listed",
    ),
    "listed and allowed": (
        ["X-Hoptrail-DNSBL: mx.example.org; bl.spamcop.net=listed/127.0.0.2; list.dnswl.org=allowed/127.0.5.3"],
        "",
    ),
    "lists that failed": (["X-Hoptrail-DNSBL: mx.example.org; a.example=error; b.example=late; c.example=paused"], ""),
    "no list configured": (["X-Hoptrail-DNSBL: mx.example.org; none=none"], ""),
    "unknown country": ([UNKNOWN], "Unknown-country"),
    "unknown country on a line of its own": ([UNKNOWN.replace("; country", ";\n country")], "Unknown-country"),
    "no address, on a line of its own": ([UNKNOWN.replace("; ip=203.0.113.9", ";\n ip=unknown")], ""),
    "forged chain on a line of its own": ([PATH.replace("; forged=0", ";\n forged=2")], "Forged"),
    "no address": ([UNKNOWN.replace("203.0.113.9", "unknown")], ""),
    "field names in capitals": ([ORIGIN, UNKNOWN.replace("X-Hoptrail-Origin", "X-HOPTRAIL-ORIGIN")], "Unknown-country"),
    "unscored for a time-out": (["X-Spam-Status: Unscored, reason=timeout"], "Unscored"),
    "unscored for its size": (["X-Spam-Status: Unscored, reason=size"], "Unscored"),
    "own user's mail": (["X-Spam-Status: Unscored, reason=authenticated"], ""),
    "mail of a trusted host": (["X-Spam-Status: Unscored, reason=trusted"], ""),
    "scored": (["X-Spam-Status: No, score=1.0 required=5.0 tests=NONE"], ""),
}

HOSTILE = {
    "subject that spells a field": ["Subject: X-Hoptrail-Path: mx; hops=1; trusted=0; forged=3; seconds=1"],
    "folded subject that spells a field": ["Subject: hi\n X-Hoptrail-Path: mx; hops=1; trusted=0; forged=3;"],
    "folded subject that spells stars": ["Subject: hi\n\tX-Spam-Level: ****************"],
    "field with a longer name": ["X-Hoptrail-Pathology: mx; forged=3", "X-X-Spam-Level: ****************"],
    "host name that spells a value": [
        ORIGIN.replace("mail.example.net", "country_unknown.forged_3._listed.example.net")
    ],
    "host name that ends in a key": [ORIGIN.replace("mail.example.net", "x.country-unknown")],
    "queue id that spells a value": [MARK.replace("4dD1Zx0YqGz9vNP", "forged.3.country.unknown.listed")],
}


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("case", CASES)
def test_message_is_filed_by_its_fields(box, program, case):
    fields, expected = CASES[case]
    log = PROGRAMS[program](box, letter(*fields))
    [(folder, count)] = box.filed().items()
    assert count == 1, log
    assert expected.fullmatch(folder) if isinstance(expected, re.Pattern) else folder == expected, log


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("case", HOSTILE)
def test_what_a_sender_can_write_fools_no_recipe(box, program, case):
    log = PROGRAMS[program](box, letter(*HOSTILE[case]))
    assert box.filed() == {"": 1}, log


@pytest.mark.parametrize("program", PROGRAMS)
def test_fields_in_the_body_are_not_looked_at(box, program):
    body = "X-Spam-Level: ****************\nX-Hoptrail-Path: mx; hops=1; trusted=0; forged=3; seconds=1\n"
    log = PROGRAMS[program](box, letter(body=body))
    assert box.filed() == {"": 1}, log


@pytest.mark.parametrize("program", PROGRAMS)
def test_message_without_any_field_of_ours_stays_in_the_inbox(box, program):
    log = PROGRAMS[program](box, b"From: a@example.net\nSubject: hi\n\nHello\n")
    assert box.filed() == {"": 1}, log


@pytest.mark.parametrize("program", PROGRAMS)
def test_second_message_goes_into_the_folder_that_the_first_one_made(box, program):
    for _ in range(2):
        log = PROGRAMS[program](box, letter(PATH.replace("forged=0", "forged=1")))
    assert box.filed() == {"Forged": 2}, log


@pytest.mark.parametrize("program", PROGRAMS)
def test_message_that_is_filed_is_kept_byte_for_byte(box, program):
    message = letter(PATH.replace("forged=0", "forged=1"), body="Grüße\n\nFrom here\n.\n")
    PROGRAMS[program](box, message)
    [path] = (box.maildir / ".Forged").glob("[nc]*/*")
    assert message in path.read_bytes().replace(b"\r\n", b"\n")


@pytest.mark.parametrize(
    ("before", "fields", "expected"),
    [
        (r"HOPTRAIL_STARS='\*\*\*'", ["X-Spam-Level: ***"], MONTH),
        (r"HOPTRAIL_STARS='\*\*\*'", ["X-Spam-Level: **"], ""),
        ("HOPTRAIL_COUNTRIES='BE|DE'", [], "Unknown-country"),
        ("HOPTRAIL_COUNTRIES='BE|NL|DE'", [], ""),
        ("HOPTRAIL_COUNTRIES='BE|NL|DE'", [ORIGIN.replace("=NL", "=none")], ""),
    ],
)
def test_procmail_recipe_follows_its_variable(box, before, fields, expected):
    log = procmail(box, letter(*fields), before=before)
    [folder] = box.filed()
    assert expected.fullmatch(folder) if isinstance(expected, re.Pattern) else folder == expected, log


@pytest.mark.parametrize("recipe", ["score.rc", "forged.rc", "listed.rc", "country.rc", "unscored.rc"])
def test_each_procmail_recipe_works_alone(box, recipe):
    fields = {
        "score.rc": "X-Spam-Level: ***********",
        "forged.rc": PATH.replace("forged=0", "forged=1"),
        "listed.rc": DNSBL.replace("zen.spamhaus.org=clear", "zen.spamhaus.org=listed/127.0.0.2"),
        "country.rc": UNKNOWN,
        "unscored.rc": "X-Spam-Status: Unscored, reason=busy",
    }
    for field in fields.values():
        procmail(box, letter(field), recipe=recipe)
    filed = box.filed()
    assert filed.pop("") == len(fields) - 1
    assert list(filed.values()) == [1]


def test_maildrop_keeps_mail_in_the_inbox_where_a_folder_cannot_be_made(box):
    (box.home / "bin/maildirmake").unlink()
    box.write("bin/maildirmake", "#!/bin/sh\nexit 1\n").chmod(0o755)
    log = maildrop(box, letter(PATH.replace("forged=0", "forged=1")))
    assert box.filed() == {"": 1}, log


def test_procmail_runs_no_program_for_mail_that_stays(box):
    log = procmail(box, letter())
    assert "Executing" not in log
    assert "Extraneous" not in log


def test_procmail_files_by_a_plain_folder_when_date_fails(box):
    box.write("bin/date", "#!/bin/sh\necho ../../evil\n").chmod(0o755)
    procmail(box, letter("X-Spam-Level: ***********"), before=f"PATH={box.home}/bin:/usr/bin:/bin")
    assert box.filed() == {"Spam": 1}
