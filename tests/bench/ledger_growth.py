"""What an event costs a ledger that has much on record, against one that is empty, in the same run.

``python -m tests.bench.ledger_growth`` fills a database with lost spans (10⁵), boots (10⁴) and sessions (10⁶), most of
them of the charger that is measured, and commits the same batches to it and to an empty one by turns: sessions of
known boots, new boots that tell of losses, and the review of that charger after each batch. Of every second batch
it counts the steps of SQLite's virtual machine, of the others it takes the processor time.

Both are printed, and both have the target of 1.2 times. The exit code is that of the steps: time also depends on what
else runs on the machine, and a large database feels that more than a small one.

``--scale`` shrinks everything, for a look in seconds.
"""

import argparse
import json
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import event

from agents.ledger.alarms import standing
from agents.ledger.committing import commit
from agents.ledger.settings import LedgerSettings
from agents.ledger.storing import Arrival
from agents.runtime.database.store import Store
from bus_schema.event import Event
from tests.ledger.events import T0, ended, sampled, started

LOST, BOOTS, SESSIONS = 100_000, 10_000, 1_000_000
TARGET = 1.2
BATCHES = 120
WARM = 10
"""The first batches fill SQLAlchemy's cache of statements, and do not count."""


def boot(number: int) -> str:
    """Return the id of a boot; they are drawn at random in the field."""
    return f"{random.Random(number).getrandbits(48):012x}"


def fill(path: Path, scale: float) -> None:
    """Write what years of a large site and a rogue charger leave, straight into the tables."""
    store = Store(f"sqlite:///{path}", "agents.ledger.migrations")
    store.upgrade()
    store.close()
    boots, lost, sessions = (max(10, round(number * scale)) for number in (BOOTS, LOST, SESSIONS))
    db = sqlite3.connect(path)
    db.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -600000")
    db.executemany(
        "INSERT INTO ledger_boot VALUES ('c1', ?, ?, ?, ?)",
        ((boot(number), 20, 22, T0 if number % 2 else None) for number in range(boots)),
    )
    db.executemany(
        "INSERT INTO ledger_lost (charger, boot_id, first_seq, last_seq, missing, noticed_ms)"
        " VALUES ('c1', ?, ?, ?, 1, ?)",
        ((boot(number % boots), 100 + number // boots * 3, 101 + number // boots * 3, T0) for number in range(lost)),
    )
    db.executemany(
        "INSERT INTO ledger_session (listed_ms, revision, dirty, charger, session_id, start_boot_id, start_seq,"
        " start_ts, start_uptime_ms, start_wh, id_token, authorized_by, end_boot_id, end_seq, end_ts, end_uptime_ms,"
        " end_wh, end_start_wh, reason, last_boot_id, last_seq, last_wh, went_back, ambiguous, flagged_ms)"
        " VALUES (?, 3, 0, ?, ?, ?, 1, ?, 1, 0, '{}', 'access', ?, 3, ?, 3, 9000, 0, 'Local', ?, 3, 9000, 0, 0, ?)",
        (
            (T0 + n, f"c{1 + n % 50}", f"{boot(n % boots)}-{n}", boot(n % boots), T0, boot(n % boots), T0,
             boot(n % boots), T0 if n % 100 == 0 else None)
            for n in range(sessions)
        ),
    )  # fmt: skip
    db.executemany(
        "INSERT INTO ledger_event VALUES (?, ?, ?, 'session_sampled', ?, ?, 9000, ?, '{}')",
        ((f"c{1 + n % 50}", boot(n % boots), 200 + n // boots, f"{boot(n % boots)}-{n}", T0, T0)
         for n in range(sessions)),
    )  # fmt: skip
    db.commit()
    db.execute("PRAGMA journal_mode = WAL")
    db.close()


def batches() -> Iterator[list[Event]]:
    """Yield what a site sends: sessions that go on and end, and boots that have lost something."""
    for number in range(BATCHES):
        mine, lossy = boot(10_000_000 + number), boot(20_000_000 + number)
        yield [
            *(started(n + 1, 1_000 * n, session=f"{mine}-{n}", boot=mine) for n in range(20)),
            *(sampled(n + 21, 1_000 * n + 500, session=f"{mine}-{n}", boot=mine) for n in range(20)),
            *(ended(n + 41, 1_000 * n, 1_000 * n + 900, session=f"{mine}-{n}", boot=mine) for n in range(20)),
            *(started(n * 3 + 3, 5_000, session=f"{lossy}-{n}", boot=lossy, oldest=n * 3 + 2) for n in range(20)),
        ]


def timed(store: Store, events: list[Event]) -> float:
    """Commit a batch and look at its charger; return processor seconds."""
    arrivals = [Arrival("c1", each, T0) for each in events]
    began = time.process_time()
    store._transaction(lambda db: commit(db, arrivals, {}))
    store._transaction(lambda db: standing(db, "c1", LedgerSettings(gap_alarm_after_s=0), T0 + 1))
    return time.process_time() - began


def counted(store: Store, events: list[Event]) -> int:
    """Do the same; return SQLite's steps."""
    steps = 0

    def step() -> int:
        nonlocal steps
        steps += 1
        return 0

    def count(connection: sqlite3.Connection, _record: object, _proxy: object) -> None:
        connection.set_progress_handler(step, 1)

    def leave(connection: sqlite3.Connection, _record: object) -> None:
        connection.set_progress_handler(None, 1)

    event.listen(store.engine, "checkout", count)
    event.listen(store.engine, "checkin", leave)
    timed(store, events)
    event.remove(store.engine, "checkout", count)
    event.remove(store.engine, "checkin", leave)
    return steps


def main() -> int:
    """Measure, print, and say whether the target is met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        fill(Path(folder) / "full.sqlite3", options.scale)
        stores = {
            name: Store(f"sqlite:///{folder}/{name}.sqlite3", "agents.ledger.migrations", threaded=False)
            for name in ("empty", "full")
        }
        seconds: dict[str, list[float]] = {name: [] for name in stores}
        steps: dict[str, list[float]] = {name: [] for name in stores}
        for store in stores.values():
            store.upgrade()
        for number, events in enumerate(batches()):
            for name, store in stores.items():
                if number < WARM:
                    timed(store, events)
                elif number % 2:
                    seconds[name].append(timed(store, events) / len(events))
                else:
                    steps[name].append(counted(store, events) / len(events))
        for store in stores.values():
            store.close()
    empty, full = (statistics.median(seconds[name]) * 1e6 for name in stores)
    few, many = (statistics.median(steps[name]) for name in stores)
    print(f"an event costs {empty:.0f} µs on an empty ledger and {full:.0f} µs on a full one: {full / empty:.2f} times")
    print(f"it takes SQLite {few:.0f} steps and {many:.0f}: {many / few:.2f} times")
    result = {"steps": round(many / few, 3), "time": round(full / empty, 3), "target": TARGET}
    print(json.dumps({"ledger_growth": result, "ok": max(result["steps"], result["time"]) <= TARGET}))
    return 0 if many / few <= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
