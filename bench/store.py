"""The store under load: how long a record takes to be safe, and to be stored, how many bytes a hop takes, an import.

    .venv/bin/python bench/store.py [--messages 100000] [--writers 2] [--sessions 20] [--sync checkpoint] [MAILBOX...]

Several processes, as the milter's workers, append records of four hops between relays drawn by Zipf's law to their
journals; then one stores them all. The last line is JSON.
"""

import argparse
import json
import random
import resource
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path

from hoptrail_store.ids import Ids
from hoptrail_store.importer import Import
from hoptrail_store.journal import Journal
from hoptrail_store.recorder import Recorder
from hoptrail_store.records import MessageRecord, Score
from hoptrail_store.settings import StoreSettings
from hoptrail_store.store import Store
from hoptrail_tracer.chain import trace
from hoptrail_tracer.model import AddressFacts, Connection, ZoneResult
from hoptrail_tracer.settings import SiteSettings

RELAYS = 200_000
HOPS = 4
SITE = SiteSettings(networks=("203.0.113.0/24",))


def relay(chance: random.Random) -> int:
    """A relay's number, the small ones far more often than the large."""
    return min(int(chance.paretovariate(0.6)), RELAYS)


def messages(count: int, seed: int) -> list[MessageRecord]:
    """Messages as a milter would record them."""
    chance, ids = random.Random(seed), Ids()
    begin = datetime(2026, 3, 14, tzinfo=UTC)
    made = []
    for number in range(count):
        at = begin + timedelta(seconds=86_400 * number / count)
        relays = [relay(chance) for _ in range(HOPS)]
        received = [
            f"from relay{one}.example.net (relay{one}.example.net [198.51.{one // 250 % 100}.{one % 250}])\n"
            f"\tby relay{other}.example.net (Postfix) with ESMTPS id {chance.randbytes(5).hex().upper()}\n"
            f"\tfor <u{number % 999}@example.org>; {at - timedelta(seconds=3 * step):%a, %d %b %Y %H:%M:%S} +0000 (UTC)"
            for step, (other, one) in enumerate(pairwise(relays))
        ]
        client = Connection(
            ip=f"198.51.{relays[0] // 250 % 100}.{relays[0] % 250}",
            helo=f"relay{relays[0]}.example.net",
            rdns=f"relay{relays[0]}.example.net",
            port=chance.randrange(1024, 65536),
            by="mx.example.org",
            tls="TLSv1.3 TLS_AES_256_GCM_SHA384",
            id=chance.randbytes(6).hex().upper(),
            date=at,
        )
        made.append(
            MessageRecord(
                id=ids.new(),
                host="mx.example.org",
                source="milter",
                received_at=at,
                connection=client,
                envelope_from=f"sender{chance.randrange(9999)}@relay{relays[-1]}.example.net",
                recipients=(f"u{number % 999}@example.org",),
                refused_recipients=0,
                message_id=f"<{chance.randbytes(12).hex()}@relay{relays[-1]}.example.net>",
                size_bytes=4_200,
                trace=trace(received, connection=client, site=SITE, now=at),
                fields=tuple((b"Received", value.encode()) for value in received),
                subject="Minutes of the meeting",
                score=Score(0.1, 5.0, ("DKIM_SIGNED", "DKIM_VALID", "SPF_PASS")),
                facts=AddressFacts(
                    ip=client.ip or "",
                    name=client.rdns,
                    name_confirmed=True,
                    asn=64500,
                    as_name="EXAMPLE",
                    country="NL",
                    zones=(ZoneResult("bl.example.net", "clear"),),
                ),
            )
        )
    return made


def work(settings: StoreSettings, count: int, sessions: int, seed: int, answer: Callable[[object], None]) -> None:
    """One worker process: its sessions record `count` messages."""
    waiting = messages(count, seed)
    waits: list[float] = []
    with closing(Journal(settings)) as journal:
        begun, cpu = time.perf_counter(), time.process_time()

        def session() -> None:
            while True:
                try:
                    record = waiting.pop()
                except IndexError:
                    return
                asked = time.perf_counter()
                journal.record(record)
                waits.append(time.perf_counter() - asked)

        threads = [threading.Thread(target=session) for _ in range(sessions)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        answer((begun, time.perf_counter(), time.process_time() - cpu, waits))


def measure_writers(settings: StoreSettings, count: int, writers: int, sessions: int) -> dict[str, float]:
    """Messages recorded a second, milliseconds until one is safe, CPU milliseconds a message; the same of storing."""
    context = get_context("fork")
    answers = context.SimpleQueue()
    each = count // writers
    running = [
        context.Process(target=work, args=(settings, each, sessions, seed, answers.put)) for seed in range(writers)
    ]
    for process in running:
        process.start()
    results = [answers.get() for _ in running]
    for process in running:
        process.join()
    waits = sorted(wait for result in results for wait in result[3])
    seconds = max(result[1] for result in results) - min(result[0] for result in results)
    begun, cpu, stored = time.perf_counter(), time.process_time(), 0
    with Recorder(settings, lambda _, error: print(error)) as recorder:
        while portion := recorder.step():
            stored += portion
    storing_s, storing_cpu_s = time.perf_counter() - begun, time.process_time() - cpu
    return {
        "stored_per_s": round(stored / storing_s),
        "storing_cpu_ms_per_message": round(1000 * storing_cpu_s / stored, 3),
        "recorded_per_s": round(each * writers / seconds),
        "p50_ms": round(1000 * waits[len(waits) // 2], 2),
        "p99_ms": round(1000 * waits[len(waits) * 99 // 100], 2),
        "max_ms": round(1000 * waits[-1], 1),
        "recording_cpu_ms_per_message": round(1000 * sum(result[2] for result in results) / (each * writers), 3),
    }


def measure_size(settings: StoreSettings) -> dict[str, float]:
    """Bytes a hop of the hops and their names; bytes a message of all there is, raw fields and indexes too."""
    with Store.open(settings) as store:
        store.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        sizes = dict(store.db.execute("SELECT name, sum(pgsize) FROM dbstat GROUP BY name").fetchall())
        hops = store.db["hop"].count
        names = sizes["name"] + sizes["sqlite_autoindex_name_1"]
        return {
            "hops": hops,
            "bytes_per_hop": round((sizes["hop"] + names) / hops, 1),
            "bytes_per_message": round(Path(settings.path).stat().st_size / store.db["message"].count),
        }


def measure_import(settings: StoreSettings, paths: list[Path]) -> dict[str, float]:
    """Messages a second of an import, and of its repetition."""
    job = Import(tuple(paths))
    with Store.open(settings) as store:
        begun = time.perf_counter()
        first = job.run(store)
        between = time.perf_counter()
        job.run(store)
        ended = time.perf_counter()
    return {
        "imported": first.imported,
        "import_s": round(between - begun, 2),
        "import_again_s": round(ended - between, 2),
        "rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("mailboxes", nargs="*", type=Path, metavar="MAILBOX")
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--writers", type=int, default=2)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--sync", choices=["checkpoint", "commit"], default="checkpoint")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = StoreSettings(path=f"{folder}/store.sqlite", sync=options.sync)
        figures = measure_writers(settings, options.messages, options.writers, options.sessions) | measure_size(
            settings
        )
        if options.mailboxes:
            figures |= measure_import(StoreSettings(path=f"{folder}/import.sqlite"), options.mailboxes)
    for name, value in figures.items():
        print(f"{name:<20} {value:>12,}")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
