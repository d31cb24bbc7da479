"""`hoptrail trace`: files, mailboxes, chains, and what reaches the terminal."""

import gzip
import json
import lzma
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

HOPTRAIL = Path(sys.executable).with_name("hoptrail")

LAB = b"""\
Received: (qmail 26557 invoked by uid 7794); 4 Nov 2003 15:29:18 -0000
Received: from jpaterr@yahoo.com by mail.voxmail.com.br by uid 7791 with qmail-scanner-1.16
 (clamscan: 0.60. Clear:. Processed in 0.4 secs); 04 Nov 2003 15:29:17 -0000
Received: from pe244065.user.veloxzone.com.br (HELO smtp0391.mail.yahoo.com) (webmaster@200.164.244.65)
  by mail.voxmail.com.br with SMTP; 4 Nov 2003 15:29:17 -0000
Subject: buy

Received: from body (body [198.51.100.1]) by body
"""
LINE = "from x (unknown [{}]) by mx.example.org (Postfix) with ESMTP id 4B5A1B2C3D; Sat, 1 Mar 2025 12:00:00 +0000"
RELAYED = [
    "from r (r.example.org [192.0.2.7]) by mx.example.org (Postfix) with ESMTP id 5B5A1B2C3D; Sat, 1 Mar 2025 12:00:01 +0000",
    LINE.format("203.0.113.5"),
]


def hoptrail(*arguments, stdin: bytes = b"", code: int = 0, **environment) -> tuple[str, str]:
    """What `hoptrail trace` writes to standard output and standard error."""
    run = subprocess.run(
        [HOPTRAIL, "trace", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        env={**os.environ, **environment},
        timeout=60,
        check=False,
    )
    assert run.returncode == code, run.stderr.decode()
    return run.stdout.decode(), run.stderr.decode()


def documents(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def lab(tmp_path) -> Path:
    path = tmp_path / "lab.eml"
    path.write_bytes(LAB)
    return path


def test_message_is_traced_to_the_address_in_the_comment(lab):
    text, said = hoptrail("--offline", lab)
    assert "Tracking message source: 200.164.244.65:" in text
    assert "198.51.100.1" not in text
    assert said == ""


def test_json_has_the_keys_of_one_trace(lab):
    [document] = documents(hoptrail("--offline", "--json", lab)[0])
    assert document["origin"]["ip"] == "200.164.244.65"
    assert [hop["status"] for hop in document["hops"]] == ["skipped", "skipped", "parsed"]
    assert "facts" not in document


def test_standard_input_is_read_as_a_message_or_a_bare_header():
    for stdin in (LAB, LAB.partition(b"Subject")[0], b"Received: " + LINE.format("200.164.244.65").encode()):
        [document] = documents(hoptrail("--offline", "--json", "-", stdin=stdin)[0])
        assert document["origin"]["ip"] == "200.164.244.65"


@pytest.mark.parametrize("pack", [lambda data: data, gzip.compress, lzma.compress])
def test_mailbox_gives_every_message_in_order(tmp_path, pack):
    message = "From a@b Sat Mar  1 12:00:00 2025\nReceived: {}\n\nFrom the text\nand >From on\n\n"
    path = tmp_path / "box"
    path.write_bytes(pack("".join(message.format(LINE.format(f"203.0.113.{n}")) for n in range(1, 30)).encode()))
    found = documents(hoptrail("--offline", "--json", path)[0])
    assert [document["origin"]["ip"] for document in found] == [f"203.0.113.{n}" for n in range(1, 30)]
    assert "message 29" in hoptrail("--offline", path)[0]


def test_trusted_networks_and_hosts_are_looked_past(tmp_path):
    path = tmp_path / "relayed.eml"
    path.write_text("".join(f"Received: {value}\n" for value in RELAYED))
    for trusted in ("192.0.2.0/24", "192.0.2.7", "r.example.org", "*.example.org"):
        [document] = documents(hoptrail("--offline", "--json", "--trusted", trusted, path)[0])
        assert document["origin"]["ip"] == "203.0.113.5"
        assert not document["inferred"]
    [document] = documents(
        hoptrail("--offline", "--json", "--trusted", "!192.0.2.7", "--trusted", "192.0.2.0/24", path)[0]
    )
    assert document["origin"]["ip"] == "192.0.2.7"


def test_configuration_s_site_is_used(tmp_path, lab):
    path = tmp_path / "hoptrail.toml"
    path.write_text('[site]\nnetworks = ["200.164.244.0/24"]\n')
    [document] = documents(hoptrail("--offline", "--json", "--config", path, lab)[0])
    assert document["origin"]["basis"] == "inside"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--trusted", "192.0.2.0/99", "x"], "192.0.2.0/99"),
        (["--resolver", "nowhere", "x"], "--resolver"),
        ([], "FILE"),
        (["--chains", "a", "b"], "--chains"),
        (["--offline", "--config", "/nonexistent.toml", "x"], "/nonexistent.toml"),
    ],
)
def test_misuse_is_said_with_exit_code_2(arguments, said):
    assert said in hoptrail(*arguments, code=2)[1]


def test_file_that_cannot_be_read_is_said_and_the_others_are_traced(tmp_path, lab):
    (tmp_path / "picture").write_bytes(b"\x89PNG\r\n\x1a\n")
    text, said = hoptrail("--offline", "--json", tmp_path / "missing", tmp_path / "picture", lab, code=1)
    assert [document["origin"]["ip"] for document in documents(text)] == ["200.164.244.65"]
    assert "missing: does not exist" in said
    assert "picture: no mail" in said


def test_pipe_is_read_like_a_file(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["/bin/sh", "-c", 'exec cat > "$0"', pipe], stdin=subprocess.PIPE) as writer:
        writer.stdin.write(LAB)
        writer.stdin.close()
        [document] = documents(hoptrail("--offline", "--json", pipe)[0])
    assert document["origin"]["ip"] == "200.164.244.65"


def test_fault_in_what_came_by_standard_input_names_it_so():
    assert hoptrail("--offline", "-", code=1)[1] == "hoptrail: standard input: empty\n"


def test_folder_without_mail_is_said(tmp_path):
    (tmp_path / "cur").mkdir()
    assert hoptrail("--offline", tmp_path, code=1)[1] == f"hoptrail: {tmp_path}: a folder without mail\n"


def test_file_whose_reading_fails_is_named():
    assert hoptrail("--offline", "/proc/self/mem", code=1)[1] == "hoptrail: /proc/self/mem: Input/output error\n"


def test_hostile_header_reaches_no_terminal(tmp_path):
    path = tmp_path / "evil.eml"
    path.write_bytes(
        b"Received: from \x1b]0;owned\x07\xff\xe2\x80\xae (x\x9b [203.0.113.5]) by mx\x1b[2J (Postfix) with ESMTP id A\n\n"
    )
    outer, inner = pty.openpty()
    run = subprocess.Popen(
        [HOPTRAIL, "trace", "--offline", path], stdout=inner, stderr=inner, env={**os.environ, "TERM": "xterm"}
    )
    os.close(inner)
    shown = b""
    try:
        while chunk := os.read(outer, 65536):
            shown += chunk
    except OSError:  # the other end has closed: Linux says EIO
        pass
    os.close(outer)
    assert run.wait(timeout=30) == 0
    assert b"\x1b[" in shown  # our own colours
    assert [part for part in (b"\x1b]", b"\x1b[2J", b"\x07", b"\x9b", "\u202e".encode()) if part in shown] == []
    assert rb"\x1b]0;owned\x07" in shown


def test_colours_are_for_terminals_only(lab):
    assert "\x1b" not in hoptrail("--offline", lab)[0]


def test_look_ups_that_fail_are_said_and_stop_nothing(tmp_path, lab):
    path = tmp_path / "hoptrail.toml"
    path.write_text(
        '[lookups]\nbudget_s = 0.3\ndns_timeout_s = 0.2\nrdap = false\nwhois = false\nzones = ["zen.spamhaus.org"]\n'
    )
    text, _ = hoptrail("--config", path, "--resolver", "127.0.0.1@1", lab)
    assert "Tracking message source: 200.164.244.65:" in text
    assert "not known: name" in text
    assert "No reporting addresses found for 200.164.244.65 (failed" in text
    assert "not listed" not in text
    [document] = documents(hoptrail("--json", "--config", path, "--resolver", "127.0.0.1@1", lab)[0])
    assert document["facts"]["zones"][0]["verdict"] in {"error", "late", "paused"}
    assert document["contacts"]["state"] == "failed"


def test_look_ups_are_given_up_where_nobody_answers(tmp_path):
    message = "From a@b Sat Mar  1 12:00:00 2025\nReceived: {}\n\n"
    (tmp_path / "box").write_text("".join(message.format(LINE.format(f"45.67.89.{n}")) for n in range(1, 10)))
    (tmp_path / "hoptrail.toml").write_text(
        "[lookups]\nbudget_s = 0.3\ndns_timeout_s = 0.2\nrdap = false\nwhois = false\nabusix = false\n"
    )
    arguments = ("--json", "--config", tmp_path / "hoptrail.toml", "--resolver", "127.0.0.1@1", tmp_path / "box")
    text, said = hoptrail(*arguments)
    assert len(documents(text)) == 9
    assert said.count("going on without look-ups") == 1


def chain_lines(*chains: object) -> bytes:
    return b"".join(json.dumps(chain).encode() + b"\n" for chain in chains)


def test_chains_give_one_object_a_line_in_order():
    stdin = chain_lines(
        {"received": RELAYED},
        {
            "received": [LINE.format("203.0.113.9")],
            "connection": {"ip": "198.51.100.7", "helo": "h", "rdns": "r.example.net"},
        },
        {"received": []},
    )
    found = documents(hoptrail("--chains", "-", "--trusted", "192.0.2.0/24", stdin=stdin)[0])
    assert [document["origin"]["ip"] for document in found] == ["203.0.113.5", "198.51.100.7", None]
    assert [hop["line"] for hop in found[1]["hops"]] == [None, 0]
    assert found[1]["hops"][0]["helo"] == "h"


@pytest.mark.parametrize(
    ("suffix", "pack"), [("jsonl", lambda data: data), ("gz", gzip.compress), ("xz", lzma.compress)]
)
def test_chains_are_read_from_packed_files(tmp_path, suffix, pack):
    path = tmp_path / f"chains.{suffix}"
    path.write_bytes(pack(chain_lines(*[{"received": RELAYED}] * 50)))
    assert len(documents(hoptrail("--chains", path)[0])) == 50


def test_chains_name_the_line_that_is_none_and_go_on():
    stdin = chain_lines({"received": RELAYED}) + b"nonsense\n\n" + chain_lines({"received": 5}, {"received": RELAYED})
    text, said = hoptrail("--chains", "-", stdin=stdin, code=1)
    found = documents(text)
    assert ["error" in document for document in found] == [False, True, True, False]
    assert found[1]["error"].startswith("-:2: no JSON")
    assert '-:4: "received" must be' in said


def test_chains_answer_each_line_as_it_comes():
    run = subprocess.Popen([HOPTRAIL, "trace", "--chains", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    for number in (5, 6):
        run.stdin.write(chain_lines({"received": [LINE.format(f"203.0.113.{number}")]}))
        run.stdin.flush()
        assert json.loads(run.stdout.readline())["origin"]["ip"] == f"203.0.113.{number}"
    run.stdin.close()
    run.stdout.close()
    assert run.wait(timeout=30) == 0


@pytest.mark.parametrize(
    ("name", "packed"),
    [
        ("chains.xz", lzma.compress(chain_lines({"received": RELAYED}))[:-8]),
        ("chains.gz", gzip.compress(b"")[:10] + b"\xff" * 20),
    ],
)
def test_damaged_archive_of_chains_is_said(tmp_path, name, packed):
    (tmp_path / name).write_bytes(packed)
    assert f"{name}: damaged archive" in hoptrail("--chains", tmp_path / name, code=1)[1]


def test_manual_page_names_every_option_and_no_other():
    page = (Path(__file__).resolve().parents[2] / "docs" / "man" / "hoptrail-trace.1.md").read_text(encoding="utf-8")
    explained = set(re.findall(r"^`(--[a-z-]+)", page, re.MULTILINE))
    offered = set(re.findall(r"^\s+(--[a-z-]+)", hoptrail("--help")[0], re.MULTILINE)) - {"--help"}
    assert explained == offered
