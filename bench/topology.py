"""The nightly job at the size of a big site: a day to the archive, the link table, the whole night with its pages.

    .venv/bin/python bench/topology.py [--messages 5000000] [--relays 200000] [--days 2] [--folder DIR]

Each day has that many messages of four hops. The relays that hand mail to the site are drawn by Zipf's law; each has a
few usual ones behind it. Everything is seeded, and put into a store of the real schema. Nights are run one after the
other, each in a process of its own; the figures are the last one's, which has a day before it to compare with. The last
line is JSON.
"""

import argparse
import json
import resource
import sqlite3
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path

import adbc_driver_sqlite.dbapi as adbc
import numpy as np
import pyarrow as pa

from hoptrail_reports.nightly import NightlySettings, run
from hoptrail_reports.settings import AbuseSettings, ReportSettings
from hoptrail_reports.topology.engine import archived_sources, batches, dictionary
from hoptrail_reports.topology.expression import LINK_KEYS, USE, figures
from hoptrail_reports.topology.uses import columns_of, ids_of, links_of_uses
from hoptrail_store.archive.parts import SCHEMAS, archived_parts
from hoptrail_store.rows import LOOPED, REVISITED
from hoptrail_store.settings import StoreSettings
from hoptrail_store.spans import day_ms
from hoptrail_store.store import Store
from hoptrail_tracer.settings import SiteSettings

HOPS = 4
MX = 4
FIRST_DAY = date(2026, 11, 16)
CHUNK = 250_000  # messages generated at once
NETWORKS = 20_000
SPAM = 0.01  # of what the lists let through to the milter


@dataclass(frozen=True, slots=True)
class Site:
    """The ids of what is in the dictionary, and how likely each relay is."""

    relays: int
    weights: np.ndarray
    host: int = 1  # ids of names: the store's host, its MXes, software, protocol, a zone, a shape, then the relays

    @property
    def first_relay(self) -> int:
        return self.host + MX + 5

    @property
    def first_address(self) -> int:
        return self.first_relay + self.relays


def fill(settings: StoreSettings, messages: int, relays: int, days: int) -> None:
    """A store of `days` days with `messages` each."""
    Store.open(settings).close()
    weights = np.cumsum(1 / np.arange(1, relays + 1))
    site = Site(relays, weights / weights[-1])
    with closing(adbc.connect(settings.path)) as connection:
        _ingest(connection, "name", _names(site))
        for day in range(days):
            for start in range(0, messages, CHUNK):
                count = min(CHUNK, messages - start)
                number = day * messages + start + 1
                begin = day_ms(FIRST_DAY + timedelta(days=day))[0] + 86_400_000 * start // messages
                span_ms = 86_400_000 * count // messages
                for table, rows in _chunk(site, number, count, begin, span_ms).items():
                    _ingest(connection, table, rows)
                connection.commit()


def _ingest(connection: adbc.Connection, table: str, rows: pa.Table) -> None:
    with closing(connection.cursor()) as cursor:
        cursor.adbc_ingest(table, rows, mode="append")
    connection.commit()


def _names(site: Site) -> pa.Table:
    texts = ["store.example.org", *(f"mx{number}.example.org" for number in range(MX))]
    texts += ["Postfix", "ESMTPS", "bl.example.net", "Postfix|upper|x|", "EXAMPLE"]
    texts += [f"out{number % 7}.relay{number}.example.net" for number in range(site.relays)]
    texts += [f"198.{18 + number // 65_536}.{number // 256 % 256}.{number % 256}" for number in range(site.relays)]
    return pa.table({"id": np.arange(1, len(texts) + 1), "text": texts})


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some messages of a day, made up: what the rows of all tables are told from."""

    chance: np.random.Generator
    number: np.ndarray
    received_ms: np.ndarray
    relays: tuple[np.ndarray, ...]  # ids of our MX, of who handed the message to it, and of two behind, newest first
    spam: np.ndarray

    @property
    def count(self) -> int:
        return len(self.number)

    def same(self, value: float | str | None) -> pa.Array:
        """A column of one value."""
        return pa.nulls(self.count, pa.string()) if value is None else pa.repeat(value, self.count)


def _chunk(site: Site, first: int, count: int, begin_ms: int, span_ms: int) -> dict[str, pa.Table]:
    chance = np.random.default_rng(first)
    number = np.arange(first, first + count)
    received_ms = begin_ms + np.sort(chance.integers(0, span_ms, count))
    gateway = np.searchsorted(site.weights, chance.random(count))
    behind = (gateway * 7_919 + chance.integers(0, 3, count) ** 2) % site.relays
    origin = (behind * 104_729 + chance.integers(0, 2, count)) % site.relays
    mx = site.host + 1 + chance.integers(0, MX, count)
    relays = (mx, *(site.first_relay + one for one in (gateway, behind, origin)))
    chunk = Chunk(chance, number, received_ms, relays, chance.random(count) < SPAM)
    tables = {"message": _messages, "hop": _hops, "recipient": _recipients, "facts": _facts, "listing": _listings}
    return {name: rows(site, chunk) for name, rows in tables.items()}


def _messages(site: Site, chunk: Chunk) -> pa.Table:
    origins = (chunk.relays[3] - site.first_relay).tolist()
    return pa.table(
        {
            "number": chunk.number,
            "id": [f"01K{one:023d}" for one in chunk.number.tolist()],
            "digest": pa.nulls(chunk.count, pa.binary()),
            "host_name": chunk.same(site.host),
            "source": chunk.same("milter"),
            "received_ms": chunk.received_ms,
            "size_bytes": chunk.chance.integers(2_000, 60_000, chunk.count),
            "envelope_from": [f"u{one % 977}@relay{one}.example.net" for one in origins],
            "message_id": [f"<{one:x}@relay.example.net>" for one in chunk.number.tolist()],
            "subject": chunk.same("Minutes of the meeting"),
            "refused_recipients": chunk.same(0),
            "origin_ip": chunk.relays[1] - site.first_relay + site.first_address,
            "origin_name": chunk.relays[1],
            "origin_trust": chunk.same(0),
            "origin_confidence": chunk.same(0.95),
            "origin_basis": chunk.same("connection"),
            "hops": chunk.same(HOPS),
            "forged_hops": chunk.same(0),
            "root_name": chunk.same(site.host),
            "points": np.where(chunk.spam, 7.5, 0.1),
            "required": chunk.same(5.0),
            "rules": chunk.same("DKIM_VALID,SPF_PASS"),
            "unscored": chunk.same(None),
            "spam": chunk.spam.astype(int),
        }
    )


def _recipients(_: Site, chunk: Chunk) -> pa.Table:
    addresses = [f"u{one % 999}@example.org" for one in chunk.relays[0].tolist()]
    return pa.table({"message": chunk.number, "position": chunk.same(0), "address": addresses})


def _facts(site: Site, chunk: Chunk) -> pa.Table:
    gateway = chunk.relays[1]
    network = (gateway - site.first_relay) % NETWORKS
    return pa.table(
        {
            "message": chunk.number,
            "ip": gateway - site.first_relay + site.first_address,
            "name": gateway,
            "name_confirmed": chunk.same(1),
            "asn": 64_496 + network,
            "as_name": chunk.same(site.first_relay - 1),
            "country": pa.array(["NL", "DE", "US", "BR"]).take(pa.array(network % 4)),
            "missing": chunk.same(None),
        }
    )


def _listings(site: Site, chunk: Chunk) -> pa.Table:
    return pa.table(
        {
            "message": chunk.number,
            "position": chunk.same(0),
            "zone": chunk.same(site.first_relay - 3),
            "verdict": pa.array(["clear", "listed"]).take(pa.array(chunk.spam.astype(int))),
            "codes": chunk.same(None),
            "text": chunk.same(None),
        }
    )


def _hops(site: Site, chunk: Chunk) -> pa.Table:
    """Four lines a message, newest first: ours, our MX's, and two that strangers wrote."""
    chance, number, received_ms, count = chunk.chance, chunk.number, chunk.received_ms, chunk.count
    delays = chance.lognormal(0.5, 1.4, (HOPS, count)).astype(int)
    delays[1] += np.where(chance.random(count) < 0.03, 300 + chance.integers(0, 40, count), 0)
    delays[2] -= np.where(chance.random(count) < 0.02, 60, 0)
    before = np.cumsum(delays, axis=0)
    looped = chance.random(count) < 0.0005
    senders = np.array(chunk.relays)
    senders[3] = np.where(looped, senders[1], senders[3])  # the message came back to the gateway
    receivers = np.vstack([np.full(count, site.host), senders[:-1]])
    marks = np.zeros((HOPS, count), int)
    marks[2:, looped] = LOOPED
    marks[3, looped] |= REVISITED
    dated = np.broadcast_to(np.array([[True], [True], [True], [False]]), (HOPS, count))  # the origin wrote no line
    ours = np.broadcast_to(np.array([[1], [1], [0], [0]]), (HOPS, count))
    address = site.first_address + senders - site.first_relay
    address[0] = site.first_address

    def column(values: np.ndarray, mask: np.ndarray | None = None) -> pa.Array:
        return pa.array(values.T.ravel(), mask=None if mask is None else mask.T.ravel())

    def same(value: int) -> np.ndarray:
        return np.full((HOPS, count), value)

    at_s = received_ms[None, :] // 1000 - np.vstack([np.zeros(count, int), before[:-1]])
    return pa.table(
        {
            "message": column(np.broadcast_to(number, (HOPS, count))),
            "position": column(np.broadcast_to(np.arange(HOPS)[:, None], (HOPS, count))),
            "ip": column(address),
            "rdns": column(senders),
            "helo": column(senders),
            "by_name": column(receivers),
            "software": column(same(site.first_relay - 5)),
            "protocol": column(same(site.first_relay - 4)),
            "at_s": column(at_s),
            "trust": column(np.where(ours, 0, 3)),
            "kind": column(same(0)),
            "sender_name": column(senders),
            "delay_s": column(delays, ~dated),
            "reach_s": column(before, ~dated | (marks & REVISITED > 0)),
            "marks": column(marks),
            "shape": column(same(site.first_relay - 2), ours == 0),
        }
    )


@dataclass(slots=True)
class Clock:
    """Progress that notes how long each step took, and how much of the CPU: all threads, so of both cores."""

    steps: dict[str, float] = field(default_factory=dict)
    step: str = ""
    begun: float = field(default_factory=time.perf_counter)
    cpu: float = field(default_factory=time.process_time)

    def begin(self, step: str) -> None:
        self.end()
        self.step, self.begun, self.cpu = step, time.perf_counter(), time.process_time()

    def end(self) -> None:
        self.steps[self.step or "begin"] = time.perf_counter() - self.begun
        self.steps[f"{self.step or 'begin'}, CPU"] = time.process_time() - self.cpu

    def expect(self, total: int) -> None:
        pass

    def advance(self) -> None:
        pass


def night(settings: NightlySettings, day: date, answer) -> None:  # noqa: ANN001 - a queue's put
    """One night in a process of its own: its seconds, its steps', and the memory it took at most, MiB."""
    clock, begun = Clock(), time.perf_counter()
    done = run(settings, day, progress=clock, now=datetime.combine(day + timedelta(days=1), datetime.min.time(), UTC))
    clock.end()
    failed = [f"{step.name}: {step.detail}" for step in done.report.failed_steps]
    rss_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    answer((time.perf_counter() - begun, clock.steps, rss_mib, failed))


def measure_links(archive: Path, day: date) -> tuple[float, float, int]:
    """Seconds for the link table of a day out of the archive, names and all; those of the CPU; its rows."""
    with archived_sources(archived_parts(archive, day, day)) as sources:
        begun, cpu = time.perf_counter(), time.process_time()
        rows = columns_of((*LINK_KEYS, *USE), batches(figures(sources).links))
        links = links_of_uses(rows, ids_of(np.concatenate([rows["source"], rows["target"]]), dictionary(sources)))
        return time.perf_counter() - begun, time.process_time() - cpu, len(links)


def bytes_per_hop(path: str, hops: int) -> float:
    """Bytes a hop in SQLite, its share of the names included."""
    with closing(sqlite3.connect(path)) as connection:
        sql = "SELECT sum(pgsize) FROM dbstat WHERE name = ?"
        tables = ("hop", "name", "sqlite_autoindex_name_1")
        return sum(connection.execute(sql, (table,)).fetchone()[0] for table in tables) / hops


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--messages", type=int, default=5_000_000)
    parser.add_argument("--relays", type=int, default=200_000)
    parser.add_argument("--days", type=int, default=2)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        store = StoreSettings(path=f"{folder}/store.sqlite", archive=f"{folder}/archive", keep_days=0)
        settings = NightlySettings(
            site=SiteSettings(hostname="mx.example.org"),
            store=store,
            reports=ReportSettings(directory=f"{folder}/reports"),
            abuse=AbuseSettings(draft=False),
        )
        begun = time.perf_counter()
        fill(store, options.messages, options.relays, options.days)
        print(f"a store of {options.days} days made in {time.perf_counter() - begun:.0f} s", flush=True)
        sqlite_bytes = bytes_per_hop(store.path, HOPS * options.messages * options.days)
        answers = get_context("spawn").SimpleQueue()
        for number in range(options.days):
            day = FIRST_DAY + timedelta(days=number)
            process = get_context("spawn").Process(target=night, args=(settings, day, answers.put))
            process.start()
            nightly_s, steps, rss_mib, failed = answers.get()
            process.join()
            print(f"night of {day}: {nightly_s:.1f} s, {rss_mib} MiB", *failed, sep="\n  ", flush=True)
            print("".join(f"  {name:<28} {seconds:>8.1f} s\n" for name, seconds in steps.items()), flush=True)
        links_s, links_cpu_s, links = measure_links(Path(store.archive), day)
        print(f"link table: {links_s:.1f} s, CPU {links_cpu_s:.1f} s")
        size = sum(
            part.file(table).stat().st_size
            for part in archived_parts(Path(store.archive), day, day)
            for table in SCHEMAS
        )
    print(
        json.dumps(
            {
                "hops": HOPS * options.messages,
                "links": links,
                "archive_s": round(steps.get("archive", 0), 1),
                "links_s": round(links_s, 2),
                "nightly_s": round(nightly_s, 1),
                "rss_mib": rss_mib,
                "sqlite_bytes_per_hop": round(sqlite_bytes, 1),
                "parquet_bytes_per_hop": round(size / (HOPS * options.messages), 1),
            }
        )
    )


if __name__ == "__main__":
    main()
