"""How many stations one central system holds, beside a central system on the plain ``ocpp`` package in the same run.

``python -m tests.bench.ocpp_stations --stations 1000`` lets that many stations, all in a process of their own, connect
and boot at once, begin a transaction each, and send MeterValues of ten values every ten seconds for ``--steady``
seconds: first to ``csms``, whose stations are chargers on a bus in memory, with their transactions in SQLite; then to
the package, which answers and keeps nothing. Printed is what each station costs of one core and of memory.
"""

import argparse
import asyncio
import contextlib
import json
import resource
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ocpp.messages
from websockets.asyncio.client import connect
from websockets.asyncio.server import Server, serve

from agents.csms.agent import Csms
from agents.runtime.clock import SystemClock
from agents.runtime.database.store import Store
from agents.runtime.host import AgentHost
from agents.runtime.ocpp import format_time
from agents.runtime.ocpp.v16 import V16
from tests.bench.child import Child
from tests.bench.ocpp_charge_points import quiet, resident_kib
from tests.bench.ocpp_messages import ten_values
from tests.ocpp_bridge.third_party import PackageCentralSystem

EVERY_S = 10


# The stations, in a process of their own


async def one_station(url: str, number: int, booted: Callable[[], None], charge: asyncio.Event, done: Any) -> None:
    values = V16.payload(ten_values())
    count = 0

    async with connect(f"{url}/s{number}", subprotocols=["ocpp1.6"], compression=None, open_timeout=120) as socket:  # type: ignore[list-item]

        async def told(action: str, payload: dict[str, Any]) -> Any:
            nonlocal count
            count += 1
            await socket.send(json.dumps([2, f"{number}-{count}", action, payload]))
            while True:
                message = json.loads(await socket.recv())
                if message[0] == 2:
                    await socket.send(json.dumps([3, message[1], {"status": "Accepted"}]))
                elif message[1] == f"{number}-{count}":
                    return message[2]

        await told("BootNotification", {"chargePointVendor": "Bench", "chargePointModel": "Bench"})
        await told("StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Available"})
        booted()
        while not charge.is_set():
            with contextlib.suppress(TimeoutError):
                message = json.loads(await asyncio.wait_for(socket.recv(), 0.5))
                await socket.send(json.dumps([3, message[1], {"status": "Accepted"}]))
        now = format_time(time.time_ns() // 1_000_000)
        start = {"connectorId": 1, "idTag": "CARD", "meterStart": 0, "timestamp": now}
        values["transactionId"] = (await told("StartTransaction", start))["transactionId"]
        await asyncio.sleep(number % 100 / 100 * EVERY_S)
        while True:
            values["meterValue"][0]["timestamp"] = format_time(time.time_ns() // 1_000_000)
            began = time.monotonic()
            await told("MeterValues", values)
            done(time.monotonic() - began)
            await asyncio.sleep(max(0.0, EVERY_S - (time.monotonic() - began)))


async def many_stations(url: str, stations: int) -> None:
    charge, took_s = asyncio.Event(), list[float]()
    left = stations

    def booted() -> None:
        nonlocal left
        left -= 1
        if not left:
            print("booted", flush=True)

    tasks = [asyncio.create_task(one_station(url, n, booted, charge, took_s.append)) for n in range(stations)]
    await asyncio.to_thread(sys.stdin.readline)
    charge.set()
    await asyncio.to_thread(sys.stdin.readline)
    took_s.clear()
    await asyncio.to_thread(sys.stdin.readline)
    found = sorted(took_s) or [0.0]
    middle, late = found[len(found) // 2], found[int(len(found) * 0.99)]
    print(f"{len(took_s)} {1000 * middle:.1f} {1000 * late:.1f}", flush=True)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


# The central systems, in this one


class NoBus:
    """Takes everything and keeps nothing."""

    async def publish(self, topic: str, payload: bytes, qos: int, retain: bool) -> None:
        await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def our_csms(stations: int) -> AsyncIterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        store = Store(f"sqlite:///{Path(folder) / 'csms.sqlite3'}", Csms.migrations)
        store.upgrade()
        settings = Csms.settings_type.model_validate(
            {
                "port": 1,
                "id_tags": {"CARD": {}},
                "stations": {f"s{number}": {"without_password": True} for number in range(stations)},
            }
        ).model_copy(update={"port": 0})
        host = AgentHost(Csms, settings, NoBus(), SystemClock(), store, site="bench")
        await host.start()
        agent = host.agent
        assert isinstance(agent, Csms) and agent._server is not None
        yield f"ws://127.0.0.1:{agent._server.port}"
        await host.stop()
        store.close()


@contextlib.asynccontextmanager
async def the_package(_stations: int) -> AsyncIterator[str]:
    system = PackageCentralSystem()
    system.heard = Nothing()
    server: Server
    async with serve(system.serve, "127.0.0.1", 0, subprotocols=["ocpp1.6"], compression=None) as server:  # type: ignore[list-item]
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"


class Nothing(list[Any]):
    """Keeps nothing, so that memory is the package's own."""

    def append(self, _item: Any) -> None:
        return


@dataclass
class Figures:
    storm_s: float
    storm_ms: float
    memory_kib: float
    share: float
    answered: str


async def measure(system: Callable[[int], AbstractAsyncContextManager[str]], stations: int, steady_s: int) -> Figures:
    async with system(stations) as url:
        arguments = ("--url", url, "--stations", str(stations))
        with Child("tests.bench.ocpp_stations", *arguments) as child:
            before_kib, began, began_cpu = resident_kib(), time.monotonic(), time.process_time()
            await child.line()
            storm_s, storm_cpu_s = time.monotonic() - began, time.process_time() - began_cpu
            child.go_on()
            await asyncio.sleep(EVERY_S + 2)
            child.go_on()
            began, began_cpu = time.monotonic(), time.process_time()
            await asyncio.sleep(steady_s)
            share = (time.process_time() - began_cpu) / (time.monotonic() - began)
            memory_kib = (resident_kib() - before_kib) / stations
            child.go_on()
            return Figures(storm_s, 1000 * storm_cpu_s / stations, memory_kib, share, await child.line())


async def compare(stations: int, steady_s: int, show: Callable[[str, Figures], Awaitable[None]]) -> None:
    await show("csms", await measure(our_csms, stations, steady_s))
    await show("ocpp package", await measure(the_package, stations, steady_s))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stations", type=int, default=100)
    parser.add_argument("--steady", type=int, default=10, metavar="SECONDS")
    parser.add_argument("--url", help=argparse.SUPPRESS)
    options = parser.parse_args()
    quiet()
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    if options.url:
        asyncio.run(many_stations(options.url, options.stations))
        return 0
    # The package checks large messages on threads; in this thread it is faster on one core.
    ocpp.messages.ASYNC_VALIDATION = False
    shares: list[float] = []

    async def show(name: str, found: Figures) -> None:
        count, middle, late = found.answered.split()
        shares.append(found.share)
        print(f"{name}: {options.stations} stations")
        print(f"  connected and booted at once in {found.storm_s:.1f} s, {found.storm_ms:.2f} ms of one core each")
        print(
            f"  MeterValues every {EVERY_S} s: {100 * found.share:.1f} % of one core, {found.memory_kib:.0f} KiB each"
        )
        print(f"  {count} MeterValues answered, median {middle} ms, p99 {late} ms", flush=True)

    asyncio.run(compare(options.stations, options.steady, show))
    print(f"the package's share of a core ÷ ours: {shares[1] / shares[0]:.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
