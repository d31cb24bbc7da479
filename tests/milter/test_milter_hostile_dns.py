"""Name servers that answer with anything: the milter answers its MTA in time, and what was not learnt is said so."""

import socket
import struct
import threading
import time
from contextlib import contextmanager

import dns.flags
import dns.message
import dns.rrset
import pytest

from testbed.daemon import delivered, running_daemon, send, unfolded
from testbed.places import wait_for
from testbed.postfix import Postfix
from testbed.sendmail import Sendmail

pytestmark = pytest.mark.mta

ZONE = "bl.example.net"
# A message that the milter has not answered for by then is not acknowledged.
POSTFIX_WAITS = "milter_content_timeout = 4s\nmilter_default_action = tempfail\n"
SENDMAIL_WAITS = ", F=T, T=C:4s;S:4s;R:4s;E:4s"


def reply(question, *rrsets, flags=dns.flags.QR | dns.flags.RA):
    answer = dns.message.make_response(question)
    answer.flags |= flags
    answer.answer = list(rrsets)
    return answer.to_wire(max_size=65_535)


def a_record(question, *addresses):
    name = question.question[0].name
    kind = "A" if question.question[0].rdtype == 1 else "TXT"
    return dns.rrset.from_text(name, 300, "IN", kind, *(addresses if kind == "A" else ['"listed"']))


def pointer(question, *names):
    return dns.rrset.from_text(question.question[0].name, 300, "IN", "PTR", *names)


def garbage(_question, _wire):
    return bytes([7, 255]) * 200


def wrong_id(question, _wire):
    return struct.pack("!H", (question.id + 1) % 65_536) + reply(question)[2:]


def other_question(question, _wire):
    other = dns.message.make_query("other.example.net", "A", id=question.id)
    return reply(other, a_record(other, "127.0.0.2"))


def wildcard(question, _wire):
    if question.question[0].rdtype == 12:
        return reply(question, pointer(question, *(f"h{n}.example.net." for n in range(60))))
    return reply(question, a_record(question, "127.0.0.2"))


def huge(question, _wire):
    if question.question[0].rdtype == 12:
        return reply(question, pointer(question, *(f"{'x' * 60}.{n}.{'y' * 60}.example.net." for n in range(400))))
    return reply(question, a_record(question, *(f"127.0.{n // 250}.{n % 250}" for n in range(3_500))))


def compression_loop(question, _wire):
    return struct.pack("!HHHHHH", question.id, 0x8180, 1, 1, 0, 0) + b"\xc0\x0c\x00\x01\x00\x01" + b"\xc0\x0c" * 9


def truncated_for_ever(question, _wire):
    return reply(question, flags=dns.flags.QR | dns.flags.TC)


def echo(_question, wire):
    return wire


def silence(_question, _wire):
    return None


MODES = [garbage, wrong_id, other_question, wildcard, huge, compression_loop, truncated_for_ever, echo, silence]


@contextmanager
def false_server(state):
    """A name server on UDP that answers as state["mode"] says, and takes TCP connections without a word."""
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", 0))
    port = udp.getsockname()[1]
    tcp = socket.create_server(("127.0.0.1", port))

    def serve():
        while True:
            wire, client = udp.recvfrom(65_535)
            if not wire:
                return
            state["asked"] += 1
            answer = state["mode"](dns.message.from_wire(wire), wire)
            if answer is not None:
                udp.sendto(answer[:65_000], client)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"127.0.0.1@{port}"
    finally:
        udp.sendto(b"", ("127.0.0.1", port))
        thread.join()
        udp.close()
        tcp.close()


def is_quiet(state):
    before = state["asked"]
    time.sleep(0.6)  # longer than a question may take
    return state["asked"] == before


@pytest.fixture(scope="module", params=[Postfix, Sendmail], ids=lambda kind: kind.name)
def beds(request):
    state = {"mode": silence, "asked": 0}
    lookups = {
        "zones": (f"{ZONE}=127.0.0.2",),
        "test_networks": ("203.0.113.0/24",),
        "budget_s": 0.5,
        "dns_timeout_s": 0.5,
        "failure_ttl_s": 0.0,
        "zone_pause_s": 10.0,
    }
    with false_server(state) as server, running_daemon(lookups={**lookups, "nameservers": (server,)}) as daemon:
        waits = {"milters": [daemon.socket], "main": POSTFIX_WAITS}
        if request.param is Sendmail:
            waits = {"milters": [daemon.socket + SENDMAIL_WAITS]}
        with request.param(**waits) as mta:
            yield state, daemon, mta


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.__name__)
def test_answer_of_any_kind_is_met_in_time_and_never_counts_as_a_listing(beds, mode):
    state, daemon, mta = beds
    state["mode"] = mode
    before = state["asked"]
    ip = f"203.0.113.{1 + MODES.index(mode)}"
    # The client is on loopback, whose word is believed: the address it names is the origin, and asked about.
    head = f"Received: from x ({ip} [{ip}]) by relay.example.test with ESMTP; Mon, 04 May 2026 12:00:00 +0000\r\n"
    with mta.smtp() as smtp:
        sent = send(smtp, head.encode())
    assert sent.code == 250
    fields = unfolded(delivered(mta, sent))
    assert f"; ip={ip}; name=unknown;" in fields["x-hoptrail-origin"][0]
    said = fields["x-hoptrail-dnsbl"][0].rpartition(f"{ZONE}=")[2].partition("/")[0]
    assert said in {"error", "late", "paused"}
    assert state["asked"] > before
    assert (daemon.counter("lost"), daemon.counter("faults")) == (0, 0)


def test_list_that_lists_everything_is_paused_and_status_names_it(beds):
    state, daemon, mta = beds
    state["mode"] = wildcard

    def paused():
        with mta.smtp() as smtp:
            send(smtp, b"Received: from x (x [203.0.113.99]) by r.example.test; Mon, 04 May 2026 12:00:00 +0000\r\n")
        return [zone for zone in daemon.status()["zones_paused"] if zone["version"] == 4]

    [zone] = wait_for(paused, "the pause", log=daemon.service.log)
    assert zone["zone"] == ZONE
    assert zone["reason"]


def test_session_of_refused_recipients_asks_nobody_and_writes_nothing(beds):
    state, daemon, mta = beds
    wait_for(lambda: daemon.counter("sessions") == 0, "earlier sessions' end")
    wait_for(lambda: is_quiet(state), "earlier questions' end")
    asked, messages = state["asked"], daemon.counter("messages")
    with mta.smtp() as smtp:
        smtp.docmd("MAIL FROM:<harvester@example.net>")
        for number in range(3):
            assert smtp.docmd(f"RCPT TO:<nobody{number}@example.test>")[0] == 550
    wait_for(lambda: daemon.counter("sessions") == 0, "the session's end")
    assert (state["asked"], daemon.counter("messages")) == (asked, messages)
