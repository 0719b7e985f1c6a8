"""How fast telemetry gets from the bus into the spool, and from the spool into a database.

``python -m tests.bench.spooling`` prints both with bare clients beside them in the same run: aiomqtt that only
counts, and influxdb-client posting ready lines as its documentation says (synchronous, gzip). The database is a server
that reads the request and says 204, and a real InfluxDB 1.6 where it is installed. The targets are 15,000 messages/s
and 100,000 points/s of one core; because another's work on the same machine changes that, what decides is the ratio to
the bare clients: ends with 1 below 1.2 times bare aiomqtt or 1.0 times the bare client.
"""

import argparse
import asyncio
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import structlog
from influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS

from agents.influx_logger.agent import InfluxLogger
from agents.influx_logger.lines import LineWriter
from agents.influx_logger.settings import InfluxLoggerSettings
from agents.influx_logger.spool import Filling, Lines, filling, put
from agents.runtime.agent import Received
from agents.runtime.clock import SystemClock
from agents.runtime.database.store import Store
from agents.runtime.host import AgentHost
from agents.runtime.mqtt.client import MqttTransport
from agents.runtime.mqtt.options import MqttOptions
from agents.runtime.process import ease_collector
from bus_schema import parse_topic
from bus_schema.topics import CHARGER_TELEMETRY
from tests.bench.receiving import TOPIC, run_once, telemetry
from tests.bench.telegraf import program, run_telegraf
from tests.brokers import RunningBroker, remove_broker, start_broker
from tests.time_series import InfluxServer

INTO_TARGET, OUT_TARGET = 1.0, 0.7
MAX_BYTES = 10**12

SINK = """
import socket, sys
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
while True:
    connection, _ = server.accept()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    file = connection.makefile("rb")
    while line := file.readline():
        length = 0
        while (line := file.readline()) not in (b"\\r\\n", b""):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        file.read(length)
        connection.sendall(b"HTTP/1.1 204 No Content\\r\\nContent-Length: 0\\r\\n\\r\\n")
"""
"""The cheapest server there is, in a process of its own."""


async def into_the_spool(broker: RunningBroker, folder: Path, lines: Path, messages: int) -> float:
    """Return messages per second from the broker until they are committed on disk."""
    clock = SystemClock()
    store = Store(f"sqlite:///{folder}/spool.sqlite3", InfluxLogger.migrations)
    store.upgrade()
    transport = MqttTransport(MqttOptions(broker.host, broker.port, "logger", clean_session=True), clock)
    # Nobody listens there: what comes stays in the spool.
    settings = InfluxLoggerSettings(url="http://127.0.0.1:9")
    host = AgentHost(InfluxLogger, settings, transport, clock, store, site="bench", queue_limit=1_000_000)
    await host.start()
    ease_collector()
    transport.serve(host)
    running = asyncio.create_task(transport.run())
    while not host.counters.connections:
        await asyncio.sleep(0.01)
    with lines.open("rb") as stdin:
        publisher = subprocess.Popen(["mosquitto_pub", "-p", str(broker.port), "-t", TOPIC, "-l"], stdin=stdin)
    waits = Filling()
    begin_s: float | None = None
    begin_lines = 0
    while waits.lines < messages:
        await asyncio.sleep(0.02)
        waits = host.agent._waits
        if begin_s is None and waits.lines:
            begin_s, begin_lines = time.perf_counter(), waits.lines
    assert begin_s is not None
    rate = (messages - begin_lines) / (time.perf_counter() - begin_s)
    assert host.counters.dropped == 0
    publisher.wait()
    await host.stop()
    await transport.close()
    await running
    store.close()
    return rate


def fill(folder: Path, points: int) -> list[str]:
    """Put points into a new spool, ``full.sqlite3``; return the blocks."""
    url = f"sqlite:///{folder}/full.sqlite3"
    store = Store(url, InfluxLogger.migrations, threaded=False)
    store.upgrade()
    message = CHARGER_TELEMETRY.decode(telemetry(0))
    address = parse_topic(CHARGER_TELEMETRY.format("bench", charger="c0"))
    line = LineWriter().line(Received(message, address, False, 0)) or ""
    series, fields, _ = line.split(" ")
    texts = [
        f"{series[:-1]}{number % 50} {fields} {(1_760_000_000 + number // 50) * 10**9}" for number in range(points)
    ]
    blocks = ["\n".join(texts[first : first + 1000]) for first in range(0, points, 1000)]

    async def put_all() -> None:
        for block in blocks:
            await store.run(lambda db, b=block: put(db, Lines(False, b.encode(), 1000), 0, Filling(), MAX_BYTES))  # type: ignore[misc]

    asyncio.run(put_all())
    store.close()
    return blocks


async def out_of_the_spool(url: str, settings: InfluxLoggerSettings) -> float:
    """Return points per second until the spool is empty."""
    store = Store(url, InfluxLogger.migrations)

    class Nowhere:
        async def publish(self, topic: str, payload: bytes, qos: int, retain: bool) -> None:
            pass

    host = AgentHost(InfluxLogger, settings, Nowhere(), SystemClock(), store, site="bench")
    agent = host.agent
    await agent.start()
    points = (await store.run(filling)).lines
    begin_s = time.perf_counter()
    await agent.drain()
    rate = points / (time.perf_counter() - begin_s)
    assert (await store.run(filling)).lines == 0, agent.problems()
    await agent.stop()
    store.close()
    return rate


def bare_posts(blocks: list[str], settings: InfluxLoggerSettings) -> float:
    """Return points per second of the client alone, with as many lines in a request."""
    with InfluxDBClient(url=settings.url or "", token="", org=settings.org, enable_gzip=True) as client:
        api = client.write_api(write_options=SYNCHRONOUS)
        begin_s = time.perf_counter()
        for first in range(0, len(blocks), 5):
            api.write(settings.bucket, settings.org, "\n".join(blocks[first : first + 5]))
        return len(blocks) * 1000 / (time.perf_counter() - begin_s)


def main() -> int:
    """Measure, print, and say whether the targets are met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=60_000)
    parser.add_argument("--points", type=int, default=300_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    received: list[float] = []
    bare_received: list[float] = []
    peers: list[float] = []
    telegraf = program()
    written: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines = folder / "lines"
        lines.write_bytes(b"\n".join(telemetry(n) for n in range(options.messages)) + b"\n")
        broker = start_broker("installed", folder, extra_conf="max_queued_messages 0\n")
        try:
            for _ in range(options.rounds):
                with tempfile.TemporaryDirectory() as spool:
                    received.append(asyncio.run(into_the_spool(broker, Path(spool), lines, options.messages)))
                bare_received.append(run_once("bare aiomqtt", broker, lines, options.messages))
                if telegraf is not None:
                    peers.append(run_telegraf(telegraf, broker, lines, options.messages))
        finally:
            remove_broker(broker)
        blocks = fill(folder, options.points)
        targets = _targets(folder)
        try:
            for _ in range(options.rounds):
                for target, (settings, _) in targets.items():
                    copied = folder / "copy.sqlite3"
                    copied.write_bytes((folder / "full.sqlite3").read_bytes())
                    rate = asyncio.run(out_of_the_spool(f"sqlite:///{copied}", settings))
                    written.setdefault(f"spool → {target}", []).append(rate)
                    if settings.api == "v2":
                        written.setdefault(f"client → {target}", []).append(bare_posts(blocks, settings))
                    copied.unlink()
        finally:
            for _, end in targets.values():
                end()
    rates = {"bus → spool": statistics.median(received), "bus → bare aiomqtt": statistics.median(bare_received)}
    if peers:
        rates["bus → Telegraf's file"] = statistics.median(peers)
    else:
        print("Telegraf is not here (set TELEGRAF, or put it into the path): not compared")
    rates |= {what: statistics.median(values) for what, values in written.items()}
    print(f"{'spooling':<22} {'per second':>11}   (medians of {options.rounds} rounds)")
    for what, rate in rates.items():
        print(f"{what:<22} {rate:>11.0f}")
    into, out = rates["bus → spool"], rates["spool → nothing"]
    into_ratio, out_ratio = into / rates["bus → bare aiomqtt"], out / rates["client → nothing"]
    ok = into_ratio >= INTO_TARGET and out_ratio >= OUT_TARGET
    print(
        json.dumps(
            {
                "spooled_messages_per_s": round(into),
                "ratio_to_bare_aiomqtt": round(into_ratio, 2),
                "drained_points_per_s": round(out),
                "ratio_to_bare_client": round(out_ratio, 2),
                "targets": [INTO_TARGET, OUT_TARGET],
                "ok": ok,
            }
        )
    )
    return 0 if ok else 1


def _targets(folder: Path) -> dict[str, tuple[InfluxLoggerSettings, Callable[[], None]]]:
    sink = subprocess.Popen([sys.executable, "-c", SINK], stdout=subprocess.PIPE, text=True)
    assert sink.stdout is not None
    port = int(sink.stdout.readline())
    nothing = InfluxLoggerSettings(url=f"http://127.0.0.1:{port}")
    targets: dict[str, tuple[InfluxLoggerSettings, Callable[[], None]]] = {"nothing": (nothing, sink.kill)}
    if shutil.which("influxd"):
        (folder / "influx").mkdir()
        server = InfluxServer(folder / "influx")
        server.start()
        server.query('CREATE DATABASE "chargebus"')
        targets["InfluxDB 1.6"] = (InfluxLoggerSettings(url=server.url, api="v1"), server.kill)
    return targets


if __name__ == "__main__":
    sys.exit(main())
