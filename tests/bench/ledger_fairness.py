"""How long a charger waits for its acknowledgement while another floods the ledger, against a quiet bus, in one run.

``python -m tests.bench.ledger_fairness`` runs the ledger in its host on a SQLite file. A charger sends an event, waits
for its acknowledgement and sends the next, by turns alone and while valid starts of ever new boots of c1, each of which
tells of losses, are delivered as fast as the process takes them (150 in each round of the event loop, which is what one
read of a broker's socket brings). It prints both 99th percentiles and ends with 1 when the second is more than 3 times
the first (``--at-most``), or when nothing says that c1 exceeds its quota.

What a broker's own queue adds is not in it: that is as long as the flood is faster than the ledger drains it.
"""

import argparse
import asyncio
import json
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

import structlog

from agents.ledger.agent import Ledger
from agents.ledger.settings import LedgerSettings
from agents.runtime.clock import SystemClock
from agents.runtime.database.store import Store
from agents.runtime.host import AgentHost, RawMessage
from agents.runtime.process import share_processor
from bus_schema.topics import CHARGER_EVENT
from tests.ledger.events import card, started

SITE = "bench"
TARGET = 3.0
AT_ONCE = 150
PAYLOADS = 20_000
PAUSE_S = 0.005


def flood_payloads() -> list[bytes]:
    """Return what the flooder sends."""
    seed = random.Random(3)
    found = []
    for _ in range(PAYLOADS):
        seq, boot = seed.randint(2, 10_000), f"{seed.getrandbits(48):012x}"
        event = started(seq, 1_000, session=f"{boot}-1", boot=boot, oldest=seed.randint(2, seq))
        found.append(CHARGER_EVENT.encode(event))
    return found


class AckBus:
    """A transport that knows when the patient charger has its acknowledgement."""

    def __init__(self) -> None:
        self.acknowledged = asyncio.Event()

    async def publish(self, topic: str, payload: bytes, qos: int, retain: bool) -> None:
        if topic.endswith("/event/ack") and "/c1/" not in topic:
            self.acknowledged.set()


class Run:
    """One ledger, its flooder and its patient charger."""

    def __init__(self, host: AgentHost, bus: AckBus) -> None:
        self._host = host
        self._bus = bus
        self._patient = 1
        self.flooded = 0

    def _deliver(self, charger: str, payload: bytes) -> None:
        topic = CHARGER_EVENT.format(SITE, charger=charger)
        self._host.deliver(RawMessage(topic, payload, 1, False, lambda: None))

    async def flood(self, payloads: list[bytes]) -> None:
        """Deliver until cancelled."""
        while True:
            for _ in range(AT_ONCE):
                self._deliver("c1", payloads[self.flooded % len(payloads)])
                self.flooded += 1
            await asyncio.sleep(0)

    async def waits_s(self, events: int) -> list[float]:
        """Send so many events of a patient charger; return how long each waited."""
        waits = []
        # A new one each time: none of them uses up its own quota.
        self._patient += 1
        for seq in range(1, events + 1):
            self._bus.acknowledged.clear()
            payload = CHARGER_EVENT.encode(card(seq))
            began = time.perf_counter()
            self._deliver(f"c{self._patient}", payload)
            await asyncio.wait_for(self._bus.acknowledged.wait(), 60)
            waits.append(time.perf_counter() - began)
            await asyncio.sleep(PAUSE_S)
        return waits


async def measure(folder: Path, rounds: int, events: int) -> tuple[list[float], list[float], list[str], float]:
    """Return the waits alone, those under the flood, who is named, and how many messages a second flooded."""
    store = Store(f"sqlite:///{folder}/ledger.sqlite3", Ledger.migrations)
    store.upgrade()
    bus = AckBus()
    host = AgentHost(Ledger, LedgerSettings(), bus, SystemClock(), store, site=SITE)
    await host.start()
    run, payloads = Run(host, bus), flood_payloads()
    await run.waits_s(20)
    alone: list[float] = []
    beside: list[float] = []
    flooding_s = 0.0
    for _ in range(rounds):
        alone += await run.waits_s(events)
        flooding = asyncio.create_task(run.flood(payloads))
        began = time.perf_counter()
        beside += await run.waits_s(events)
        flooding_s += time.perf_counter() - began
        flooding.cancel()
        await asyncio.gather(flooding, return_exceptions=True)
    named = sorted({each.sender for each in host.agent.quotas.exceeding(time.monotonic())})
    await host.stop()
    store.close()
    return alone, beside, named, run.flooded / flooding_s


def p99(waits: list[float]) -> float:
    """Return the 99th percentile in milliseconds."""
    return statistics.quantiles(waits, n=100)[98] * 1000


def main() -> int:
    """Measure, print, and say whether the target is met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--events", type=int, default=150)
    parser.add_argument("--at-most", type=float, default=TARGET, metavar="RATIO", help="end with 1 above this")
    options = parser.parse_args()
    share_processor()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    with tempfile.TemporaryDirectory() as folder:
        alone, beside, named, rate = asyncio.run(measure(Path(folder), options.rounds, options.events))
    ratio = p99(beside) / p99(alone)
    for name, waits in (("alone", alone), ("beside a flood", beside)):
        print(f"{name:<15} p50 {statistics.median(waits) * 1000:7.1f} ms  p99 {p99(waits):7.1f} ms  ({len(waits)})")
    print(f"the flood brought {rate:.0f} messages a second; named: {', '.join(named)}; ratio of the p99 {ratio:.2f}")
    ok = ratio <= options.at_most and named == ["c1"]
    print(json.dumps({"ledger_fairness": round(ratio, 2), "target": TARGET, "named": named, "ok": ok}))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
