"""How much more several logger processes spool than one: ``python -m tests.bench.sharing``.

Each hears all telemetry and keeps that of its chargers (``[influx_logger] share``). Prints messages per
second from the broker until they are on disk, and, because another's work on the same machine changes that, the CPU
time of the busiest process per message: with a core for each process the rate is one by that. Ends with 1 if two
processes need more than 0.8 of the CPU time of one.
"""

import argparse
import asyncio
import json
import os
import selectors
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import structlog

from agents.influx_logger.agent import InfluxLogger
from agents.influx_logger.settings import InfluxLoggerSettings
from agents.influx_logger.spool import filling
from agents.runtime.clock import SystemClock
from agents.runtime.database.store import Store
from agents.runtime.host import AgentHost
from agents.runtime.mqtt.client import MqttTransport
from agents.runtime.mqtt.options import MqttOptions
from agents.runtime.process import ease_collector
from bus_schema.topics import CHARGER_TELEMETRY
from tests.bench.receiving import telemetry
from tests.brokers import RunningBroker, remove_broker, start_broker

TARGET = 0.8
CHARGERS = 8


async def spool_share(port: int, share: str, folder: Path) -> None:
    """Be a logger process: print ``ready``, then ``count time cpu`` whenever more is on disk, until killed."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    clock = SystemClock()
    # Nobody listens there: what comes stays in the spool.
    settings = InfluxLoggerSettings(url="http://127.0.0.1:9", share=share)
    identity = InfluxLogger.identity(settings)
    store = Store(f"sqlite:///{folder}/{identity}.sqlite3", InfluxLogger.migrations)
    store.upgrade()
    transport = MqttTransport(MqttOptions("127.0.0.1", port, identity, clean_session=True), clock)
    host = AgentHost(InfluxLogger, settings, transport, clock, store, site="bench", queue_limit=10**6)
    await host.start()
    ease_collector()
    transport.serve(host)
    running = asyncio.create_task(transport.run())
    while not host.counters.connections:
        await asyncio.sleep(0.01)
    print("ready", flush=True)
    told, began_cpu_s = 0, time.process_time()
    while not running.done():
        await asyncio.sleep(0.05)
        lines = host.agent._waits.lines
        if lines != told:
            told = lines
            print(lines, time.monotonic(), time.process_time() - began_cpu_s, flush=True)
    await store.run(filling)


def measure(broker: RunningBroker, lines: Path, each: int, worker: Sequence[str], shares: int) -> tuple[float, float]:
    """Return messages per second, and the microseconds of CPU of the busiest process per message."""
    with tempfile.TemporaryDirectory() as folder:
        processes = [
            subprocess.Popen(
                [*worker, str(broker.port), f"{number}/{shares}", folder],
                stdout=subprocess.PIPE, bufsize=0,
            )
            for number in range(1, shares + 1)
        ]  # fmt: skip
        try:
            for process in processes:
                assert process.stdout is not None and process.stdout.readline() == b"ready\n"
            return _timed(broker, lines, each, processes)
        finally:
            for process in processes:
                process.kill()
                process.wait()


def _timed(
    broker: RunningBroker, lines: Path, each: int, processes: Sequence["subprocess.Popen[bytes]"]
) -> tuple[float, float]:
    began_s = time.monotonic()
    publishers = []
    for number in range(CHARGERS):
        topic = CHARGER_TELEMETRY.format("bench", charger=f"c{number}")
        with lines.open("rb") as stdin:
            command = ["mosquitto_pub", "-p", str(broker.port), "-t", topic, "-l"]
            publishers.append(subprocess.Popen(command, stdin=stdin))
    total = CHARGERS * each
    counts, ends, cpus = [0] * len(processes), [began_s] * len(processes), [0.0] * len(processes)
    with selectors.DefaultSelector() as selector:
        for index, process in enumerate(processes):
            assert process.stdout is not None
            selector.register(process.stdout, selectors.EVENT_READ, (index, process.stdout))
        while sum(counts) < total:
            for key, _ in selector.select():
                index, output = key.data
                count, at, cpu = output.readline().split()
                counts[index], ends[index], cpus[index] = int(count), float(at), float(cpu)
    for publisher in publishers:
        publisher.wait()
    return total / (max(ends) - began_s), max(cpus) / total * 1e6


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=8_000, help="for each of 8 chargers")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--spool", nargs=3, metavar=("PORT", "SHARE", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.spool:
        asyncio.run(spool_share(int(options.spool[0]), options.spool[1], Path(options.spool[2])))
        return 0
    found: dict[int, list[tuple[float, float]]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory() as name:
        lines = Path(name) / "lines"
        lines.write_bytes(b"\n".join(telemetry(n) for n in range(options.messages)) + b"\n")
        broker = start_broker("installed", Path(name), extra_conf="max_queued_messages 0\n")
        try:
            for _ in range(options.rounds):
                for shares, measured in found.items():
                    worker = [sys.executable, "-m", "tests.bench.sharing", "--spool"]
                    measured.append(measure(broker, lines, options.messages, worker, shares))
        finally:
            remove_broker(broker)
    rates = {shares: statistics.median(rate for rate, _ in measured) for shares, measured in found.items()}
    cpus = {shares: statistics.median(cpu for _, cpu in measured) for shares, measured in found.items()}
    print(
        f"{'processes':<10} {'msg/s':>8} {'µs CPU of the busiest, per message':>36}  (medians, {os.cpu_count()} cores)"
    )
    for shares in found:
        print(f"{shares:<10} {rates[shares]:>8.0f} {cpus[shares]:>36.1f}")
    ratio = cpus[2] / cpus[1]
    told = {"rate_of_2_by_1": round(rates[2] / rates[1], 2), "cpu_of_2_by_1": round(ratio, 2), "target": TARGET}
    print(json.dumps(told | {"ok": ratio <= TARGET}))
    return 0 if ratio <= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
