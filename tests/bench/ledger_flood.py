"""How long a charger waits for its acknowledgement while another floods a real broker, against a quiet one, in one run.

``python -m tests.bench.ledger_flood`` makes two networks of its own, as root: in one Mosquitto and the ledger, with
the limits of ``deploy/nftables/limits.nft``; in the other two chargers. One sends an event, waits for its
acknowledgement and sends the next, by turns alone and while the other sends valid events of ever new boots as fast as
TCP takes them. It prints both 99th percentiles and ends with 1 when the second is more than 3 times the first
(``--at-most``).

``--without-limits`` shows what they are for: the broker's queue for the ledger fills, and the patient charger is not
acknowledged for half a minute and more.
"""

import argparse
import asyncio
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import aiomqtt
import structlog

from agents.ledger.agent import Ledger
from agents.ledger.settings import LedgerSettings
from agents.runtime.clock import SystemClock
from agents.runtime.database.store import Store
from agents.runtime.host import AgentHost
from agents.runtime.mqtt.client import MqttTransport
from agents.runtime.mqtt.options import NO_DELAY, MqttOptions
from agents.runtime.process import share_processor
from bus_schema.topics import CHARGER_EVENT, CHARGER_EVENT_ACK
from firmware.app import mqtt_packets
from tests.bench.child import Child
from tests.bench.ledger_fairness import flood_payloads, p99
from tests.brokers import remove_broker, start_broker
from tests.ledger.events import card
from tests.networks import DEVICES, SITE, Networks, check_networks

MODULE = "tests.bench.ledger_flood"
RULES = Path(__file__).parents[2] / "deploy/nftables/limits.nft"
BENCH = "bench"
PORT = 8883
"""The broker's port in the rules; without TLS here."""
TARGET = 3.0
GIVE_UP_S = 30.0
PAUSE_S = 0.02
FLOODER, PATIENT = DEVICES[:2]


async def run_ledger(port: int, folder: Path) -> None:
    """Be the ledger."""
    share_processor()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    store = Store(f"sqlite:///{folder}/ledger.sqlite3", Ledger.migrations)
    store.upgrade()
    clock = SystemClock()
    transport = MqttTransport(MqttOptions("127.0.0.1", port, "ledger", clean_session=False), clock)
    host = AgentHost(Ledger, LedgerSettings(), transport, clock, store, site=BENCH)
    await host.start()
    transport.serve(host)
    running = asyncio.create_task(transport.run())
    while not host.counters.connections:
        await asyncio.sleep(0.01)
    print("ready", flush=True)
    await running


def flood() -> None:
    """Be charger c1: send as fast as TCP takes it."""
    topic = mqtt_packets.text(CHARGER_EVENT.format(BENCH, charger="c1"))
    packets = [
        mqtt_packets.packet(0x32, topic + (1 + number % 65_000).to_bytes(2, "big") + payload)
        for number, payload in enumerate(flood_payloads())
    ]
    line = socket.create_connection((SITE, PORT), 10, (FLOODER, 0))
    line.settimeout(None)
    line.sendall(mqtt_packets.connect("c1", None, None, 0, None))
    line.recv(4)
    threading.Thread(target=lambda: all(iter(lambda: line.recv(1 << 16), b"")), daemon=True).start()
    print("ready", flush=True)
    while True:
        for first in range(0, len(packets), 50):
            line.sendall(b"".join(packets[first : first + 50]))


async def be_patient(events: int) -> None:
    """Be another charger in every round, so that none uses up its own quota; print what each event waited."""
    number = 2
    while sys.stdin.readline():
        number += 1
        charger = f"c{number}"
        waits: list[float] = []
        connection = aiomqtt.Client(
            SITE, PORT, identifier=charger, bind_address=PATIENT, socket_options=[NO_DELAY], timeout=GIVE_UP_S
        )
        async with connection as client:
            await client.subscribe(CHARGER_EVENT_ACK.format(BENCH, charger=charger), qos=1)
            for seq in range(1, events + 1):
                began = time.perf_counter()
                await client.publish(
                    CHARGER_EVENT.format(BENCH, charger=charger), CHARGER_EVENT.encode(card(seq)), qos=1
                )
                try:
                    async with asyncio.timeout(GIVE_UP_S):
                        await anext(client.messages)
                except TimeoutError:
                    waits.append(GIVE_UP_S)
                    break
                waits.append(time.perf_counter() - began)
                await asyncio.sleep(PAUSE_S)
        print(json.dumps(waits), flush=True)


async def measure(devices: int, rounds: int, events: int) -> tuple[list[float], list[float]]:
    """Return the waits in seconds alone and beside the flood. Runs in the site's network."""
    alone: list[float] = []
    beside: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        broker = start_broker("installed", Path(folder), extra_conf=f"listener {PORT}\n")
        try:
            with (
                Child(MODULE, "--be", "ledger", "--port", str(broker.port), "--folder", folder) as ledger,
                Child(MODULE, "--be", "patient", "--events", str(events), network_of=devices) as patient,
            ):
                await ledger.line()

                async def waits() -> list[float]:
                    patient.go_on()
                    found: list[float] = json.loads(await patient.line())
                    return found

                await waits()
                for _ in range(rounds):
                    alone += await waits()
                    with Child(MODULE, "--be", "flooder", network_of=devices) as flooder:
                        await flooder.line()
                        beside += await waits()
        finally:
            remove_broker(broker)
    return alone, beside


def report(alone: list[float], beside: list[float], at_most: float) -> int:
    """Print what was measured; return the exit code."""
    ratio = p99(beside) / p99(alone)
    for name, waits in (("alone", alone), ("beside a flood", beside)):
        print(f"{name:<15} p50 {statistics.median(waits) * 1000:7.1f} ms  p99 {p99(waits):7.1f} ms  ({len(waits)})")
    ok = ratio <= at_most and max(beside) < GIVE_UP_S
    print(json.dumps({"ledger_flood": round(ratio, 2), "target": TARGET, "ok": ok}))
    return 0 if ok else 1


def main() -> int:
    """Measure, print, and say whether the target is met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--events", type=int, default=150)
    parser.add_argument("--at-most", type=float, default=TARGET, metavar="RATIO", help="end with 1 above this")
    parser.add_argument("--without-limits", action="store_true", help="leave the kernel's limits out")
    inside = parser.add_argument_group("inside, started by the program itself")
    inside.add_argument("--be", choices=["ledger", "patient", "flooder", "site"])
    inside.add_argument("--port", type=int)
    inside.add_argument("--folder", type=Path)
    inside.add_argument("--devices", type=int, help="a process in the devices' network")
    options = parser.parse_args()
    if options.be == "ledger":
        asyncio.run(run_ledger(options.port, options.folder))
    elif options.be == "flooder":
        flood()
    elif options.be == "patient":
        asyncio.run(be_patient(options.events))
    elif options.be == "site":
        return report(*asyncio.run(measure(options.devices, options.rounds, options.events)), options.at_most)
    else:
        check_networks()
        with Networks() as networks:
            if not options.without_limits:
                subprocess.run(networks.at_site("nft", "-f", str(RULES)), check=True, timeout=10)
            program = [
                sys.executable,
                "-m",
                MODULE,
                *sys.argv[1:],
                "--be",
                "site",
                "--devices",
                str(networks.devices_pid),
            ]
            return subprocess.run(networks.at_site(*program), timeout=900).returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
