"""Drivers and the whole start under MicroPython's unix port: the same, byte for byte, as on CPython."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.brokers import RunningBroker
from tests.firmware import life_program
from tests.firmware.listener import Listener
from tests.waiting import eventually

LIFE = Path(__file__).with_name("life.py")

pytestmark = pytest.mark.micropython


@pytest.fixture
def micropython() -> str:
    return life_program.micropython()


async def run(program: str, *arguments: str) -> str:
    return await life_program.run(program, LIFE, *arguments)


async def test_every_driver_tells_the_same_on_micropython_and_cpython(micropython: str) -> None:
    first, second = await run(micropython, "drivers"), await run(sys.executable, "drivers")
    assert first == second
    lines = first.splitlines()
    assert "sdm630 230.0 231.0 232.0 10.00 11.00 12.00 7590.5 1234567" in lines
    for fault in ("silent", "late", "wrong_crc", "wrong_slave", "wrong_length", "partial", "exception", "NaN"):
        assert f"sdm120 {fault} unknown" in lines
    assert "pzem noise 230.5 100.00 21970.8 123456" in lines
    assert "04A2B3C4 None False" in lines and "10111213141516171819 None False" in lines
    assert any("session 0 Wh  Charging" in line for line in lines)
    assert any(line.startswith("True [] ") for line in lines), "unlocked, no fault"


@pytest.mark.broker
@pytest.mark.parametrize("host", ["micropython", "cpython"])
async def test_a_device_that_starts_from_nvs_reaches_its_broker(
    host: str, request: pytest.FixtureRequest, broker: RunningBroker, tmp_path: Path
) -> None:
    program = request.getfixturevalue("micropython") if host == "micropython" else sys.executable
    watcher = Listener(broker)
    task = asyncio.create_task(watcher.client.run())
    await eventually(lambda: watcher.client.connected)
    enough = tmp_path / "enough"
    running = asyncio.create_task(run(program, broker.host, str(broker.port), str(enough)))

    def cards() -> list[dict[str, Any]]:
        return [event for event in watcher.of("charger_event") if event["type"] == "card_presented"]

    def measured() -> list[dict[str, Any]]:
        # On a busy machine an answer of the meter may come too late, and its values are left out then.
        return [each for each in watcher.of("charger_telemetry") if "voltage_l1_v" in each]

    await eventually(lambda: running.done() or (cards() and measured()), 45)
    enough.touch()
    output = await running
    meta = watcher.of("charger_meta")[-1]
    assert (meta["hardware"], meta["phases"], meta["rated_current_a"]) == ("olimex_esp32_poe 1", 3, 32)
    telemetry = measured()[-1]
    assert [telemetry[f"voltage_l{phase}_v"] for phase in (1, 2, 3)] == [230.0, 231.0, 232.0]
    assert telemetry["energy_wh"] == 1_234_567
    assert len({event["seq"] for event in cards()}) == 1 and cards()[0]["id_token"]["value"] == "04A2B3C4"
    assert "without a broker" not in output and "not a charger" not in output
    if host == "micropython":
        assert int(output.split("heap ")[1].split()[0]) < 400 * 1024
    watcher.client.stop()
    await asyncio.wait_for(task, 5)
