"""The charger's app on MicroPython's unix port, with the native module, on a real broker: a process like any other."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.brokers import RunningBroker
from tests.firmware.unix.site import Site
from tests.waiting import eventually

pytestmark = [pytest.mark.micropython, pytest.mark.broker]

Condition = Callable[[dict[str, Any]], bool]
TOPIC = "ev/v1/garage/charger/c1"
RESTART = 10
"""Exit code with which the process asks to be started again."""
MAX_HEAP = 120 * 1024
"""What the app may keep on the heap while it charges, TLS off. Pointers have eight bytes here, four on ESP32."""
HEAP_TO_RUN_IN = "160K"
"""Heap in which everything here runs, with room for what is freed again."""


class Charger:
    """The process, and a site on the other side of the broker."""

    def __init__(self, program: str, folder: Path, broker: RunningBroker) -> None:
        options = ["-X", f"heapsize={HEAP_TO_RUN_IN}", "-m", "firmware.boards.unix_main"]
        self._command = [program, *options, str(folder), "garage", "c1", broker.host, str(broker.port)]
        self._folder = folder
        self.site = Site(broker)
        self._answers: list[dict[str, Any]] = []

    async def __aenter__(self) -> "Charger":
        self._running = asyncio.create_task(self.site.client.run())
        await eventually(lambda: self.site.client.connected)
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()
        self._reading.cancel()
        self.site.client.stop()
        await asyncio.wait_for(self._running, 5)

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            *self._command,
            # Not where there is a folder named firmware: the frozen app is meant.
            cwd=self._folder,
            env=os.environ | {"MICROPYPATH": ".frozen"},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        self.output: list[str] = []
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stdout is not None
        while line := (await self.process.stdout.readline()).decode():
            self.output.append(line)
            if line.startswith("{"):
                self._answers.append(json.loads(line))

    def tell(self, **command: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(command).encode() + b"\n")

    async def ask(self, what: str) -> Any:
        seen = len(self._answers)
        self.tell(print=what)
        await eventually(lambda: len(self._answers) > seen, 10, f"answer about {what}: {''.join(self.output)}")
        return self._answers[-1][what]

    async def state(self, condition: Condition, what: str, within_s: float = 15) -> dict[str, Any]:
        """Wait for a state, from now on."""
        since = len(self.site.states)

        def found() -> list[dict[str, Any]]:
            assert self.process.returncode is None, "".join(self.output)
            return [state for state in self.site.states[since:] if condition(state)]

        return (await eventually(found, within_s, f"{what}: {self.site.states[-1:]}"))[0]

    async def charge(self) -> dict[str, Any]:
        self.tell(set={"car_ohm": 2740, "cable_ohm": 220, "s2": 2})
        return await self.state(lambda state: state["status"] == "Charging" and state["contactor_closed"], "charging")

    def command(self, **fields: object) -> str:
        return self.site.send(TOPIC, self.site.utc(self.site.states[-1]), **fields)

    async def answered(self, number: str) -> dict[str, Any]:
        def last() -> list[dict[str, Any]]:
            return [reply for reply in self.site.replies if reply["id"] == number and reply["stage"] != "accepted"]

        return (await eventually(last, 10, f"reply to {number}"))[-1]

    def ended_sessions(self) -> list[dict[str, Any]]:
        return [event for event in self.site.events.values() if event["type"] == "session_ended"]

    def fault_events(self) -> list[tuple[str, str]]:
        events = self.site.events.values()
        return [(event["type"], event["fault"]) for event in events if event["type"].startswith("fault_")]


@pytest.fixture
async def charger(unix_port: str, broker: RunningBroker, tmp_path: Path) -> AsyncIterator[Charger]:
    async with Charger(unix_port, tmp_path, broker) as charger:
        yield charger


async def test_boot_session_limits_and_heap(charger: Charger) -> None:
    charging = await charger.charge()
    assert charging["offered_current_a"] == 32.0
    reply = await charger.answered(charger.command(op="set_limit", current_a=8.0, valid_for_s=60, reason="test"))
    assert reply["stage"] == "done", reply
    limited = await charger.state(lambda state: state["offered_current_a"] == 8.0, "8 A")
    assert limited["limited_by"] == "access"
    heap = await charger.ask("heap")
    assert heap < MAX_HEAP, f"{heap} bytes of heap"
    print(f"\nheap while charging: {heap} bytes")
    charger.tell(set={"car_ohm": 0, "s2": 0, "cable_ohm": 1_000_000})
    await charger.state(lambda state: state.get("session") is None and not state["contactor_closed"], "gone")
    await eventually(charger.ended_sessions)
    charger.tell(quit=True)
    assert await asyncio.wait_for(charger.process.wait(), 10) == 0, "".join(charger.output)
    await eventually(lambda: charger.site.online[-1:] == [False])


@pytest.mark.slow
async def test_a_stalled_interpreter_opens_the_contactor_and_is_said(charger: Charger) -> None:
    await charger.charge()
    charger.tell(block_ms=3000)
    await charger.state(lambda state: "heartbeat_lost" in json.dumps(state["faults"]), "heartbeat lost")
    await charger.state(lambda state: state["status"] == "Charging" and state["contactor_closed"], "charges again", 40)


async def test_residual_current_opens_and_is_said(charger: Charger) -> None:
    await charger.charge()
    charger.tell(set={"leak": 1})
    open_ = await charger.state(lambda state: not state["contactor_closed"] and bool(state["faults"]), "open")
    assert "residual_current" in json.dumps(open_["faults"])
    await eventually(lambda: ("fault_raised", "residual_current") in charger.fault_events())


async def test_emergency_stop_ends_the_session(charger: Charger) -> None:
    await charger.charge()
    charger.tell(set={"emergency_stop": 1})
    assert [event["reason"] for event in await eventually(charger.ended_sessions)] == ["EmergencyStop"]
    assert (await charger.ask("circuit"))["closed"] == 0


async def test_a_commanded_reset_and_a_power_loss_come_back_with_everything_told(charger: Charger) -> None:
    await charger.charge()
    charger.process.kill()
    await charger.process.wait()
    await charger.start()
    ended = await eventually(charger.ended_sessions, 15)
    assert [event["reason"] for event in ended] == ["PowerLoss"]
    number = charger.command(op="reset", kind="soft")
    assert await asyncio.wait_for(charger.process.wait(), 15) == RESTART, "".join(charger.output)
    await charger.start()
    assert (await charger.answered(number))["stage"] == "done"
    await eventually(lambda: len({event["boot_id"] for event in charger.site.events.values()}) == 3)
    assert not charger.site.conflicts


async def test_heat_derates_and_stops(charger: Charger) -> None:
    await charger.charge()
    charger.tell(set={"temperature_mc": 66_000})
    half = await charger.state(lambda state: state["offered_current_a"] == 16.0, "half the current")
    assert half["limited_by"] == "temperature"
    charger.tell(set={"temperature_mc": 71_000})
    hot = await charger.state(lambda state: not state["contactor_closed"], "open")
    assert "over_temperature" in json.dumps(hot["faults"])
