"""The charger's app on MicroPython's unix port, with the native module, on a real broker: a process like any other."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.brokers import RunningBroker
from tests.firmware.unix.charger_process import RESTART, Charger
from tests.waiting import eventually

pytestmark = [pytest.mark.micropython, pytest.mark.broker]


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
    print(f"\nheap while charging: {heap} bytes")
    assert heap < charger.memory.kept_charging
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
