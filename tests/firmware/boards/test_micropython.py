"""Drivers and the whole start under MicroPython's unix port: the same, byte for byte, as on CPython."""

import asyncio
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from bus_schema.topics import parse_topic
from firmware.app.mqtt import MqttClient
from tests.brokers import RunningBroker
from tests.missing import missing
from tests.waiting import eventually

ROOT = Path(__file__).parents[3]
LIFE = Path(__file__).with_name("life.py")

pytestmark = pytest.mark.micropython


@pytest.fixture
def micropython() -> str:
    built = ROOT / "firmware/build/micropython"
    found = os.environ.get("MICROPYTHON") or shutil.which("micropython") or (str(built) if built.exists() else None)
    if found is None:
        missing("micropython (firmware/build_micropython_unix.sh makes one)")
    return found


async def run(program: str, *arguments: str) -> str:
    environment = os.environ | {"MICROPYPATH": f"{ROOT}:.frozen", "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"}
    pipe, both = asyncio.subprocess.PIPE, asyncio.subprocess.STDOUT
    process = await asyncio.create_subprocess_exec(
        program, str(LIFE), *arguments, env=environment, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=both
    )
    output, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, output.decode()[-2000:]
    return output.decode()


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


class Watcher:
    """Reads everything that charger c1 says, by the contract."""

    def __init__(self, broker: RunningBroker) -> None:
        self.client = MqttClient(broker.host, broker.port, "site", os.urandom)
        self.client.owner = self
        self.seen: list[tuple[str, dict[str, Any]]] = []

    def will(self) -> tuple[str, str, int, bool]:
        return ("unused", "", 0, False)

    def subscriptions(self) -> list[tuple[str, int]]:
        return [("ev/v1/garage/charger/c1/#", 1)]

    def on_connected(self) -> None: ...

    def on_disconnected(self) -> None: ...

    def on_message(self, topic: str, payload: bytes, retained: bool) -> None:
        address = parse_topic(topic)
        address.topic.decode(payload)
        self.seen.append((address.topic.name, json.loads(payload)))

    def of(self, name: str) -> list[dict[str, Any]]:
        return [message for topic, message in self.seen if topic == name]


@pytest.mark.broker
@pytest.mark.parametrize("host", ["micropython", "cpython"])
async def test_a_device_that_starts_from_nvs_reaches_its_broker(
    host: str, request: pytest.FixtureRequest, broker: RunningBroker
) -> None:
    program = request.getfixturevalue("micropython") if host == "micropython" else sys.executable
    watcher = Watcher(broker)
    task = asyncio.create_task(watcher.client.run())
    await eventually(lambda: watcher.client.connected)
    output = await run(program, broker.host, str(broker.port))
    await eventually(lambda: watcher.of("charger_event"))
    meta = watcher.of("charger_meta")[-1]
    assert (meta["hardware"], meta["phases"], meta["rated_current_a"]) == ("olimex_esp32_poe 1", 3, 32)
    telemetry = watcher.of("charger_telemetry")[-1]
    assert [telemetry[f"voltage_l{phase}_v"] for phase in (1, 2, 3)] == [230.0, 231.0, 232.0]
    assert telemetry["energy_wh"] == 1_234_567
    cards = [event for event in watcher.of("charger_event") if event["type"] == "card_presented"]
    assert len({event["seq"] for event in cards}) == 1 and cards[0]["id_token"]["value"] == "04A2B3C4"
    assert "without a broker" not in output and "not a charger" not in output
    if host == "micropython":
        assert int(output.split("heap ")[1].split()[0]) < 400 * 1024
    watcher.client.stop()
    await asyncio.wait_for(task, 5)
