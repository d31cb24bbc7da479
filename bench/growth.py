"""Whether a message costs the milter more when the store is large: a new store and one of 10 million hops, interleaved.

    .venv/bin/python bench/growth.py [--hops 10000000] [--rounds 5] [--messages 1500] [--folder /var/tmp]

Two daemons beside one private Postfix. The large store holds a thousand messages of four hops between relays drawn by
Zipf's law, again and again with new ids and Message-IDs, and a million more names: about 240 bytes a hop on the disk.
The last line is one JSON object.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import load
import sample

import milter
import store as stored
from hoptrail_store.settings import StoreSettings
from hoptrail_store.store import Store
from testbed.daemon import running_daemon, wait_until_stored
from testbed.places import private_folder
from testbed.postfix import Postfix

PORTION = 1_000  # messages that are made; the others are copies
DAY_MS = 86_400_000
NAMES = """
WITH RECURSIVE number (value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM number LIMIT 1000000)
INSERT INTO name (text) SELECT 'host' || value || '.example.com' FROM number
"""
NEW_VALUES = {
    "number": "number + :step",
    "message": "message + :step",
    "id": "hex(randomblob(13))",
    "message_id": "'<' || hex(randomblob(12)) || '@relay.example.net>'",
    "queue_id": "hex(randomblob(6))",
    "received_ms": "received_ms + :step * 10",
}
TABLES = {"message": "number", "client": "message", "recipient": "message", "hop": "message", "trail": "message"}


def fill(path: Path, hops: int) -> None:
    """Make a store of so many hops."""
    with Store.open(StoreSettings(path=str(path))) as store:
        store.put(stored.messages(PORTION, seed=1))
        connection = store.db.conn
        connection.execute(NAMES)
        copies = []
        for table, key in TABLES.items():
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            values = ", ".join(NEW_VALUES.get(column, column) for column in columns)
            copies.append(f"INSERT INTO {table} SELECT {values} FROM {table} WHERE {key} <= {PORTION}")
        [portion] = connection.execute("SELECT count(*) FROM hop").fetchone()
        for number in range(1, -(-hops // portion)):
            with store.transaction():
                for copy in copies:
                    connection.execute(copy, {"step": number * PORTION})
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--hops", type=int, default=10_000_000)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--messages", type=int, default=1_500, help="in a burst")
    arguments.add_argument("--sessions", type=int, default=20)
    arguments.add_argument("--folder", type=Path, default=Path("/var/tmp"), help="where there is room for the stores")
    given = arguments.parse_args()
    with ExitStack() as stack:
        folder = stack.enter_context(private_folder("growth"))
        stores = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=given.folder)))
        message, _ = sample.make(folder)
        begun = time.monotonic()
        fill(stores / "large.sqlite", given.hops)
        size_mb = (stores / "large.sqlite").stat().st_size / 1e6
        print(f"{given.hops:,} hops in {size_mb:,.0f} MB, made in {time.monotonic() - begun:.0f} s", file=sys.stderr)
        found = []
        for name in ("new", "large"):
            daemon = stack.enter_context(
                running_daemon(milter={"log_level": "warning"}, store={"path": str(stores / f"{name}.sqlite")})
            )
            settle = partial(wait_until_stored, daemon.settings.store.path, 60.0)
            found.append(milter.Contestant(f"{name} store", daemon.socket, [daemon.service], settle))
        master = "".join(milter.MASTER.format(port=one.port, milter=one.milter) for one in found)
        mta = stack.enter_context(Postfix(main=milter.MAIN, master=master, discard=True, logging=False))
        for one in found:
            load.burst(one.port, lambda number: message % number, messages=200, sessions=4)
        for _ in range(given.rounds):
            for one in found:
                milter.measure(mta, one, message, given.messages, given.sessions)
    print(milter.table(found))
    new, large = (statistics.median(one.cpu_ms) for one in found)
    ratios = [ours / theirs for ours, theirs in zip(found[1].cpu_ms, found[0].cpu_ms, strict=True)]
    print(json.dumps({"cpu_ms_new": new, "cpu_ms_large": large, "cpu_ratio": round(statistics.median(ratios), 3)}))


if __name__ == "__main__":
    main()
