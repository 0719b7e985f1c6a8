"""How many MeterValues per second one core takes, against the plain ``ocpp`` package in the same run.

``python -m tests.bench.ocpp_messages`` lets a charge point send MeterValues of ten values over a pipe in memory to a
central system, both in this process, first with chargebus's dispatcher, then with the package, in turns. It prints
medians and their ratio, and ends with 1 if the ratio is below 5.
"""

import argparse
import asyncio
import logging
import statistics
import sys
import time
from random import Random
from typing import Any

import ocpp.messages
import structlog
from ocpp.routing import on
from ocpp.v16 import ChargePoint, call, call_result, datatypes

from agents.runtime.clock import SystemClock
from agents.runtime.ocpp import Dispatcher, message_ids
from agents.runtime.ocpp.v16 import V16

TARGET = 5.0


class Pipe:
    """One end of a pipe that both implementations can use."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[str] = asyncio.Queue()
        self.other: Pipe = self

    async def send(self, text: str) -> None:
        self.other.queue.put_nowait(text)

    async def recv(self) -> str:
        return await self.queue.get()

    receive = recv

    async def close(self, code: int = 1000, reason: str = "") -> None:
        pass


def pipe() -> tuple[Pipe, Pipe]:
    one, other = Pipe(), Pipe()
    one.other, other.other = other, one
    return one, other


def ten_values() -> call.MeterValues:
    values = [
        datatypes.SampledValue(f"{230 + n}.{n}", "Sample.Periodic", "Raw", "Voltage", f"L{n % 3 + 1}", "Outlet", "V")
        for n in range(10)
    ]
    return call.MeterValues(1, [datatypes.MeterValue("2026-01-01T00:00:00.000Z", values)], 42)


class PackageCentralSystem(ChargePoint):  # type: ignore[misc]
    @on("MeterValues")
    def metered(self, **_fields: Any) -> call_result.MeterValues:
        return call_result.MeterValues()


async def with_package(count: int) -> float:
    one, other = pipe()
    station, central = ChargePoint("c1", one), PackageCentralSystem("c1", other)
    running = [asyncio.create_task(station.start()), asyncio.create_task(central.start())]
    began = time.process_time()
    for _ in range(count):
        await station.call(ten_values())
    took = time.process_time() - began
    for task in running:
        task.cancel()
    return count / took


async def with_dispatcher(count: int) -> float:
    async def metered(_request: call.MeterValues) -> call_result.MeterValues:
        return call_result.MeterValues()

    one, other = pipe()
    log = structlog.get_logger()
    ids = message_ids(Random(1))
    station = Dispatcher(one, V16, {}, clock=SystemClock(), message_ids=ids, log=log)
    central = Dispatcher(other, V16, {"MeterValues": metered}, clock=SystemClock(), message_ids=ids, log=log)
    running = [asyncio.create_task(station.run()), asyncio.create_task(central.run())]
    began = time.process_time()
    for _ in range(count):
        await station.call(ten_values())
    took = time.process_time() - began
    for task in running:
        task.cancel()
    return count / took


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--count", type=int, default=1000)
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    # The package checks large messages on threads; in this thread it is faster on one core.
    ocpp.messages.ASYNC_VALIDATION = False
    ours, theirs = [], []
    asyncio.run(with_dispatcher(100))
    asyncio.run(with_package(20))
    for _ in range(options.rounds):
        ours.append(asyncio.run(with_dispatcher(options.count)))
        theirs.append(asyncio.run(with_package(max(20, options.count // 10))))
    mine, package = statistics.median(ours), statistics.median(theirs)
    print("MeterValues of ten values per second of one core, both sides and the answer included:")
    print(f"  chargebus {mine:8.0f}   {1e6 / mine:6.0f} µs each")
    print(f"  ocpp      {package:8.0f}   {1e6 / package:6.0f} µs each")
    print(f"  ratio     {mine / package:8.1f}   target {TARGET:g}")
    return 0 if mine / package >= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
