"""How fast typed, validated telemetry reaches a handler, against bare clients on the same broker in the same run.

``python -m tests.bench.receiving`` prints medians and ratios and ends with 1 if the full path
(Mosquitto → MqttTransport → Router → handler) is below 0.8 times bare aiomqtt. The publisher is Mosquitto's own
``mosquitto_pub -l`` so that it is not what is measured.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiomqtt
import paho.mqtt.client as paho
import structlog

from agents.runtime.agent import Agent, Received, on
from agents.runtime.clock import SystemClock
from agents.runtime.configuration.site_config import AgentSettings
from agents.runtime.database.store import Store
from agents.runtime.host import AgentHost
from agents.runtime.mqtt.client import MqttTransport
from agents.runtime.mqtt.options import MqttOptions
from bus_schema.charger_messages import Telemetry
from bus_schema.topics import CHARGER_TELEMETRY
from tests.brokers import RunningBroker, remove_broker, start_broker

TARGET = 0.8
TOPIC = CHARGER_TELEMETRY.format("bench", charger="c1")
READY, GO = "bench/ready", "bench/go"


def telemetry(number: int) -> bytes:
    """A message as a three-phase charger sends it, about 380 bytes."""
    return CHARGER_TELEMETRY.encode(
        Telemetry(
            ts=1_760_000_000_000 + number,
            uptime_ms=1_000 * number,
            boot_id="0123456789ab",
            voltage_l1_v=230.1,
            voltage_l2_v=229.8,
            voltage_l3_v=231.4,
            current_l1_a=15.9,
            current_l2_a=16.0,
            current_l3_a=15.8,
            offered_current_a=16.0,
            power_w=10_987.0,
            energy_wh=1_234_567 + number,
        )
    )


class Counter:
    """Counts messages and knows when the last one came."""

    def __init__(self, expected: int) -> None:
        self.expected = expected
        self.count = 0
        self.first_s = self.last_s = 0.0
        self.done = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def add(self) -> None:
        if self.count == 0:
            self.first_s = time.perf_counter()
        self.count += 1
        if self.count == self.expected:
            self.last_s = time.perf_counter()
            self._loop.call_soon_threadsafe(self.done.set)

    @property
    def rate(self) -> float:
        return (self.count - 1) / (self.last_s - self.first_s)


class BenchAgent(Agent[AgentSettings]):
    """Counts telemetry."""

    name = "bench"
    settings_type = AgentSettings
    counter: Counter

    @on(CHARGER_TELEMETRY)
    async def telemetry(self, received: Received[Telemetry]) -> None:
        assert received.message.energy_wh is not None
        self.counter.add()


async def full_path(broker: RunningBroker, counter: Counter, publish: Callable[[], Awaitable[None]]) -> None:
    """What agents do."""
    clock = SystemClock()
    transport = MqttTransport(MqttOptions(broker.host, broker.port, "bench", clean_session=True), clock)
    host = AgentHost(BenchAgent, AgentSettings(), transport, clock, Store("sqlite://"), site="bench", queue_limit=10**7)
    host.agent.counter = counter
    await host.start()
    transport.serve(host)
    running = asyncio.create_task(transport.run())
    while not host.counters.connections:
        await asyncio.sleep(0.01)
    await publish()
    await counter.done.wait()
    assert host.counters.dropped == 0
    await host.stop()
    await transport.close()
    await running


async def bare_aiomqtt(broker: RunningBroker, counter: Counter, publish: Callable[[], Awaitable[None]]) -> None:
    """aiomqtt as its documentation shows it; the payload is not even looked at."""
    async with aiomqtt.Client(broker.host, broker.port) as client:
        await client.subscribe(CHARGER_TELEMETRY.filter("bench"))
        await publish()
        async for _ in client.messages:
            counter.add()
            if counter.count == counter.expected:
                return


async def aiomqtt_sink(broker: RunningBroker, counter: Counter, publish: Callable[[], Awaitable[None]]) -> None:
    """aiomqtt without its queue."""

    class Sink(asyncio.Queue):  # type: ignore[type-arg]
        def put_nowait(self, _message: object) -> None:
            counter.add()

    async with aiomqtt.Client(broker.host, broker.port, queue_type=Sink) as client:
        await client.subscribe(CHARGER_TELEMETRY.filter("bench"))
        await publish()
        await counter.done.wait()


async def paho_threaded(broker: RunningBroker, counter: Counter, publish: Callable[[], Awaitable[None]]) -> None:
    """paho in its own thread."""
    client = paho.Client(paho.CallbackAPIVersion.VERSION2)
    subscribed = threading.Event()
    client.on_subscribe = lambda *_: subscribed.set()
    client.on_message = lambda *_: counter.add()
    client.connect(broker.host, broker.port)
    client.loop_start()
    client.subscribe(CHARGER_TELEMETRY.filter("bench"))
    await asyncio.to_thread(subscribed.wait)
    await publish()
    await counter.done.wait()
    client.disconnect()
    client.loop_stop()


CANDIDATES = {
    "full path": full_path,
    "bare aiomqtt": bare_aiomqtt,
    "aiomqtt with sink": aiomqtt_sink,
    "paho threaded": paho_threaded,
}


def run_once(name: str, broker: RunningBroker, lines: Path, messages: int) -> float:
    """Return messages per second."""

    async def measure() -> float:
        counter = Counter(messages)

        async def publish() -> None:
            with lines.open("rb") as stdin:
                command = ["mosquitto_pub", "-h", broker.host, "-p", str(broker.port), "-t", TOPIC, "-l"]
                publisher.append(subprocess.Popen(command, stdin=stdin))

        publisher: list[subprocess.Popen[bytes]] = []
        await asyncio.wait_for(CANDIDATES[name](broker, counter, publish), 120)
        publisher[0].wait()
        return counter.rate

    return asyncio.run(measure())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=60_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    rates: dict[str, list[float]] = {name: [] for name in CANDIDATES}
    with tempfile.TemporaryDirectory() as folder:
        lines = Path(folder) / "lines"
        lines.write_bytes(b"\n".join(telemetry(n) for n in range(options.messages)) + b"\n")
        broker = start_broker("installed", Path(folder), extra_conf="max_queued_messages 0\n")
        try:
            for _ in range(options.rounds):
                for name in CANDIDATES:
                    rates[name].append(run_once(name, broker, lines, options.messages))
        finally:
            remove_broker(broker)
    medians = {name: statistics.median(values) for name, values in rates.items()}
    ratios = {name: statistics.median(f / v for f, v in zip(rates["full path"], rates[name], strict=True))
              for name in CANDIDATES}  # fmt: skip
    print(f"{'receiving, QoS 0':<20} {'msg/s':>8}  full path ÷ it  (medians of {options.rounds} rounds)")
    for name in CANDIDATES:
        print(f"{name:<20} {medians[name]:>8.0f}  {ratios[name]:.2f}")
    ok = ratios["bare aiomqtt"] >= TARGET
    print(json.dumps({"receiving_ratio": round(ratios["bare aiomqtt"], 3), "target": TARGET, "ok": ok}))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
