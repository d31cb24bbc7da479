"""Many SMTP sessions held open at once past the milter: all answered, all recorded, and what memory that takes.

    .venv/bin/python bench/sessions.py [--sessions 1000]

Each session names a recipient and then waits for all others; then all send their message together. The memory is the
whole daemon's, each shared page counted once (Pss). The last line is one JSON object.
"""

import argparse
import asyncio
import json
import time
from contextlib import ExitStack

import sample

import milter
from testbed.daemon import Daemon, running_daemon
from testbed.places import free_port, private_folder
from testbed.postfix import Postfix

MASTER = "\n{port} inet n - n - {sessions} smtpd\n  -o smtpd_milters={milter}\n  -o syslog_name=bench\n"
MAIN = """
smtpd_peername_lookup = no
in_flow_delay = 0
milter_connect_timeout = 120
milter_default_action = tempfail
smtpd_client_connection_count_limit = 0
"""


async def session(port: int, message: bytes, ready: asyncio.Semaphore, go: asyncio.Event) -> bool:
    """Open a session as far as its recipient, wait for `go`, and return whether the message was accepted."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await reader.readline()
    for command in (b"HELO client.example.net", b"MAIL FROM:<sender@example.net>", b"RCPT TO:<alice@example.test>"):
        writer.write(command + b"\r\n")
        await reader.readline()
    ready.release()
    await go.wait()
    writer.write(b"DATA\r\n")
    await reader.readline()
    writer.write(message)
    reply = await reader.readline()
    writer.close()
    return reply.startswith(b"250")


async def hold(port: int, message: bytes, sessions: int, daemon: Daemon) -> dict[str, float]:
    """Hold the sessions, have all send, and return what was seen."""
    ready, go = asyncio.Semaphore(0), asyncio.Event()
    running = [asyncio.create_task(session(port, message % number, ready, go)) for number in range(sessions)]
    for _ in range(sessions):
        await ready.acquire()
    held, held_mb = daemon.counter("sessions"), milter.memory_mb([daemon.service])
    begun = time.perf_counter()
    go.set()
    accepted = sum(await asyncio.gather(*running))
    return {
        "held": held,
        "held_mb": round(held_mb),
        "accepted": accepted,
        "seconds": round(time.perf_counter() - begun, 1),
        "after_mb": round(milter.memory_mb([daemon.service])),
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--sessions", type=int, default=1_000)
    given = arguments.parse_args()
    with ExitStack() as stack:
        folder = stack.enter_context(private_folder("sessions"))
        message, _ = sample.make(folder)
        daemon = stack.enter_context(running_daemon(milter={"log_level": "warning"}, store={"lock_wait_s": 30.0}))
        port = free_port()
        master = MASTER.format(port=port, sessions=given.sessions, milter=daemon.socket)
        stack.enter_context(Postfix(main=MAIN, master=master, discard=True, logging=False))
        figures = {"idle_mb": round(milter.memory_mb([daemon.service]))}
        figures |= asyncio.run(hold(port, message, given.sessions, daemon))
        [[figures["recorded"]]] = daemon.rows("SELECT count(*) FROM message")
    for name, value in figures.items():
        print(f"{name:<12} {value:>8,}")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
