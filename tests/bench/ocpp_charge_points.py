"""How many charge points one bridge holds, and how fast a remote start reaches a charger.

``python -m tests.bench.ocpp_charge_points`` starts a backend in a process of its own and the bridge in this one, on a
bus in memory. It connects ``--charge-points`` at once and prints how long it takes until all have booted, and what
each costs in memory and time on one core. Then the backend starts charging at one charger after the other; printed is
how long it takes from the call to ``authorize`` on the bus. At last every charger charges for ``--steady`` seconds: it
measures once a second and sends MeterValues every ten; printed are the share of one core, and how old MeterValues are
when the backend has them. It ends with 1 if the 99th percentile of the remote starts is above 20 ms.
"""

import argparse
import asyncio
import logging
import os
import resource
import statistics
import sys
import time
from typing import Any

import structlog
from ocpp.v16 import call

from agents.ocpp_bridge.agent import OcppBridge
from agents.runtime.clock import SystemClock
from agents.runtime.database.store import Store
from agents.runtime.host import AgentHost, RawMessage
from agents.runtime.ocpp import parse_time
from agents.runtime.process import ease_collector
from bus_schema import IdToken, Topic
from bus_schema.charger_messages import Meta, Online, State, Telemetry
from bus_schema.command import Authorize, CommandReply
from bus_schema.event import SessionStarted
from bus_schema.topics import (
    CHARGER_COMMAND,
    CHARGER_COMMAND_REPLY,
    CHARGER_EVENT,
    CHARGER_META,
    CHARGER_ONLINE,
    CHARGER_STATE,
    CHARGER_TELEMETRY,
)
from bus_schema.words import ChargerStatus, CpState, IdTokenType, Phase, ReplyCode, ReplyStage
from tests.bench.child import Child
from tests.bench.lateness import Lateness

TARGET_MS = 20.0
SITE, BOOT = "bench", "0123456789ab"


def quiet() -> None:
    """No logs, and the garbage collector as an agent's process has it."""
    ease_collector()
    logging.disable(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


# The backend, in a process of its own


async def serve_backend(charge_points: int, starts: int) -> None:
    from tests.ocpp_bridge.served_steve import ServedSteve, served

    class Timed(ServedSteve):
        """Takes the age of MeterValues."""

        lags_ms: list[float] | None = None

        def _MeterValues(self, identity: str, request: Any, action: str) -> Any:  # noqa: N802
            if self.lags_ms is not None:
                self.lags_ms.append(time.time_ns() / 1e6 - parse_time(request.meter_value[0].timestamp))
            return super()._MeterValues(identity, request, action)

    quiet()
    async with served(Timed()) as steve:
        print(steve.url, flush=True)
        while (
            len(steve.on_line) < charge_points
            or sum(a == "StatusNotification" for _, a, _ in steve.log) < 2 * charge_points
        ):
            await asyncio.sleep(0.01)
        print("booted", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        names = sorted(steve.on_line)
        for number in range(starts):
            # The idTag carries the moment of the call: both processes have the machine's one monotonic clock.
            tag = f"{time.monotonic_ns() // 1000}"
            await steve.ask(call.RemoteStartTransaction(tag, 1), names[number % len(names)])
            await asyncio.sleep(0.005)
        print("done", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        lags_ms = steve.lags_ms = []
        await asyncio.to_thread(sys.stdin.readline)
        found = sorted(lags_ms) or [0.0]
        middle, late = found[len(found) // 2], found[int(len(found) * 0.99)]
        print(f"{len(lags_ms)} {middle:.0f} {late:.0f}", flush=True)
        await asyncio.to_thread(sys.stdin.readline)


# The bridge, in this one


class MemoryBus:
    """Chargers that answer every command at once."""

    def __init__(self) -> None:
        self.host: AgentHost | None = None
        self.latencies_ms: list[float] = []

    async def publish(self, topic: str, payload: bytes, qos: int, retain: bool) -> None:
        if "/command/from/" not in topic:
            return
        command: Any = CHARGER_COMMAND.decode(payload)
        if isinstance(command, Authorize):
            self.latencies_ms.append(time.monotonic_ns() / 1e6 - int(command.id_token.value) / 1000)
        reply = CommandReply(
            **head(), id=command.id, op=command.op, stage=ReplyStage.DONE, code=ReplyCode.OK, reason=""
        )
        self.put(CHARGER_COMMAND_REPLY, reply, topic.split("/")[4])

    def put(self, row: Topic[Any], message: Any, charger: str) -> None:
        assert self.host is not None
        raw = RawMessage(row.format(SITE, charger=charger), row.encode(message), row.qos, False, lambda: None)
        self.host.deliver(raw)


def head() -> dict[str, Any]:
    return {"ts": time.time_ns() // 1_000_000, "uptime_ms": 1, "boot_id": BOOT}


def boot(bus: MemoryBus, charger: str) -> None:
    bus.put(CHARGER_ONLINE, Online(**head(), online=True), charger)
    phases = [Phase.L1, Phase.L2, Phase.L3]
    meta = Meta(
        **head(),
        hardware="bench",
        firmware="1",
        schema_version="1.0",
        phases=3,
        phase_rotation=phases,
        rated_current_a=32.0,
        fallback_current_a=6.0,
    )
    bus.put(CHARGER_META, meta, charger)
    state = State(
        **head(),
        cp_state=CpState.B,
        status=ChargerStatus.PREPARING,
        contactor_closed=False,
        offered_current_a=0.0,
        limited_by="cable",
        limit_reason="",
        energy_wh=0,
    )
    bus.put(CHARGER_STATE, state, charger)


def resident_kib() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE") // 1024


def measured(bus: MemoryBus, charger: str, second: int) -> None:
    values = {f"current_l{n}_a": 16.0 for n in (1, 2, 3)} | {f"voltage_l{n}_v": 230.0 for n in (1, 2, 3)}
    message = Telemetry(**head(), power_w=11_000.0, energy_wh=3 * second, offered_current_a=16.0, **values)
    bus.put(CHARGER_TELEMETRY, message, charger)


async def charge_steadily(bus: MemoryBus, charge_points: int, seconds: int) -> float:
    """Let every charger charge; return the share of one core that it takes."""
    for number in range(charge_points):
        started = SessionStarted(
            **head(),
            seq=1,
            oldest_seq=1,
            session_id=f"{BOOT}-1",
            energy_wh=0,
            id_token=IdToken(type=IdTokenType.RFID, value="CARD"),
            authorized_by="access",
        )
        bus.put(CHARGER_EVENT, started, f"c{number}")
    # Transactions begin first, and each charger has its own tenth of the ten seconds.
    for second in range(20):
        for number in range(charge_points):
            measured(bus, f"c{number}", second)
        await asyncio.sleep(1)
    began, began_cpu = time.monotonic(), time.process_time()
    for second in range(20, 20 + seconds):
        for number in range(charge_points):
            measured(bus, f"c{number}", second)
        await asyncio.sleep(max(0.0, began + second - 19 - time.monotonic()))
    return (time.process_time() - began_cpu) / (time.monotonic() - began)


async def measure(charge_points: int, starts: int, steady_s: int, backend: Child) -> int:
    bus = MemoryBus()
    store = Store("sqlite://", OcppBridge.migrations)
    store.upgrade()
    settings = OcppBridge.settings_type.model_validate(
        {
            "backends": [{"name": "b", "url": await backend.line(), "kind": "steve"}],
            "configuration": {"MeterValueSampleInterval": "10"},
            "drain_per_s": max(200, charge_points),
        }
    )
    bus.host = AgentHost(OcppBridge, settings, bus, SystemClock(), store, site=SITE)
    await bus.host.start()
    bus.host.connected()
    before_kib, began, began_cpu = resident_kib(), time.monotonic(), time.process_time()
    for number in range(charge_points):
        boot(bus, f"c{number}")
    await backend.line()
    took, cpu = time.monotonic() - began, time.process_time() - began_cpu
    memory = (resident_kib() - before_kib) / charge_points
    print(f"{charge_points} charge points connected and booted at once in {took:.1f} s")
    print(f"  {1000 * cpu / charge_points:6.2f} ms of one core each, {memory:.0f} KiB of memory each")
    idle_cpu, idle_began = time.process_time(), time.monotonic()
    await asyncio.sleep(5)
    idle = (time.process_time() - idle_cpu) / (time.monotonic() - idle_began)
    print(f"  {100 * idle:6.2f} % of one core while nothing happens")
    with Lateness() as lateness:
        backend.go_on()
        await backend.line()
    backend.go_on()
    found = sorted(bus.latencies_ms)
    p99 = found[int(len(found) * 0.99)]
    print(f"remote start to authorize on the bus, {len(found)} times:")
    print(f"  median {statistics.median(found):.2f} ms, p99 {p99:.2f} ms, target {TARGET_MS:g} ms")
    print(f"  the machine alone wakes somebody up to {lateness.p99_ms():.2f} ms late (p99)")
    if steady_s:
        share = await charge_steadily(bus, charge_points, steady_s)
        memory = (resident_kib() - before_kib) / charge_points
        backend.go_on()
        count, middle, late = (await backend.line()).split()
        print(f"everybody charges, telemetry at 1 Hz, MeterValues every 10 s, {steady_s} s long:")
        print(f"  {100 * share:6.1f} % of one core, {memory:.0f} KiB of memory each")
        print(f"  {count} MeterValues, median {middle} ms and p99 {late} ms old when the backend has them")
    await bus.host.stop()
    store.close()
    return 0 if p99 <= TARGET_MS + lateness.p99_ms() else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--charge-points", type=int, default=100)
    parser.add_argument("--starts", type=int, default=500)
    parser.add_argument("--steady", type=int, default=0, metavar="SECONDS")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    quiet()
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    if options.serve:
        asyncio.run(serve_backend(options.charge_points, options.starts))
        return 0
    sizes = ("--charge-points", str(options.charge_points), "--starts", str(options.starts))
    with Child("tests.bench.ocpp_charge_points", "--serve", *sizes) as backend:
        return asyncio.run(measure(options.charge_points, options.starts, options.steady, backend))


if __name__ == "__main__":
    sys.exit(main())
