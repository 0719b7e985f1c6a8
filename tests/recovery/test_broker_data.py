"""The broker has lost its data: retained messages, sessions and queues."""

import asyncio
import getpass
import shutil
import subprocess
from pathlib import Path

import pytest

from bus_schema.topics import AGENT_HEALTH, CHARGER_META, CHARGER_ONLINE, CHARGER_STATE
from bus_schema.words import StopReason
from tests.brokers import RunningBroker, free_port, mosquitto
from tests.integration.chargers import quick_car
from tests.integration.conftest import StartAgent, StartCharger
from tests.integration.ear import Ear
from tests.integration.test_session import agrees, ended_by_the_records
from tests.missing import missing
from tests.waiting import eventually

pytestmark = pytest.mark.broker


def lose_data(folder: Path) -> None:
    """Empty Mosquitto's folder; the embedded broker has none, and a container's goes with nothing that waits here."""
    shutil.rmtree(folder / "mosquitto-data", ignore_errors=True)
    (folder / "mosquitto-data").mkdir()


async def test_everybody_says_everything_again_and_no_event_is_lost(
    ear: Ear, start_agent: StartAgent, start_charger: StartCharger, broker: RunningBroker, tmp_path: Path
) -> None:
    """The end of a session waits in the broker for a ledger that is away, when the broker's data are deleted."""
    ledger = await start_agent("ledger")
    await start_agent("access", policies=["free"])
    charger = await start_charger("c1")
    car = charger.plug(quick_car(9))
    await charger.takes(car, 3)
    await ledger.stop()
    await charger.takes(car, 9)
    charger.unplug()
    await asyncio.to_thread(broker.kill)
    lose_data(tmp_path / "broker")
    ear.forget()
    await asyncio.to_thread(broker.restart)
    await ledger.start()
    await eventually(lambda: charger.connected, 30, "the charger is back")
    async with Ear(broker, "newcomer") as newcomer:
        await newcomer.hears(CHARGER_ONLINE, lambda message: message.online, charger="c1")
        assert (await newcomer.hears(CHARGER_META, charger="c1")).phases == 3
        await newcomer.hears(CHARGER_STATE, charger="c1")
        await newcomer.hears(AGENT_HEALTH, lambda health: health.online, agent="access")
    await ear.listening()
    record = await ended_by_the_records(ear, "c1")
    assert agrees(record, car.energy_wh), (record.energy_wh, car.energy_wh)
    assert record.reason is StopReason.EV_DISCONNECTED


def test_a_damaged_file_is_moved_away(tmp_path: Path) -> None:
    """Mosquitto does not start with it, says so, and starts without it."""
    program = mosquitto()
    if program is None:
        missing("mosquitto")
    data = tmp_path / "mosquitto.db"
    data.write_bytes(b"rubbish" * 10)
    (tmp_path / "mosquitto.conf").write_text(
        f"listener {free_port()} 127.0.0.1\nallow_anonymous true\nuser {getpass.getuser()}\n"
        f"persistence true\npersistence_location {tmp_path}/\n"
    )
    command = [program, "-c", str(tmp_path / "mosquitto.conf")]
    failed = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert failed.returncode != 0
    assert "Couldn't open database" in failed.stderr
    data.rename(tmp_path / "damaged")
    running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert running.stderr is not None
        assert any(line.rstrip().endswith("running") for line in running.stderr)
    finally:
        running.kill()
        running.wait(10)
        if running.stderr is not None:
            running.stderr.close()
