"""The whole agent on a broker: a technician's questions, and an agent that dies while a car charges."""

import asyncio
import json
import os
import random
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from bus_schema.topics import SESSION
from tests.brokers import RunningBroker
from tests.csms.stage import free_port
from tests.integration.agents import RunningAgent
from tests.integration.ear import SITE, Ear
from tests.processes import start_agent
from tests.waiting import eventually

pytestmark = pytest.mark.broker


@pytest.fixture
async def csms(broker: RunningBroker, tmp_path: Path) -> AsyncIterator[int]:
    port = free_port()
    agent = RunningAgent("csms", broker, tmp_path, port=port, stations={"box": {"without_password": True}})
    await agent.start()
    yield port
    await agent.stop()


async def station(port: int, heard: list[Any], connected: asyncio.Event) -> None:
    async with connect(f"ws://127.0.0.1:{port}/box", subprotocols=["ocpp1.6"]) as socket:  # type: ignore[list-item]
        connected.set()
        async for text in socket:
            message = json.loads(text)
            heard.append((message[2], message[3]))
            answer: dict[str, Any] = {"status": "Accepted"}
            if message[2] == "GetConfiguration":
                answer = {"configurationKey": [{"key": "HeartbeatInterval", "value": "300", "readonly": False}]}
            await socket.send(json.dumps([3, message[1], answer]))


async def chargebus(broker: RunningBroker, *words: str) -> tuple[int, str, str]:
    program = [sys.executable, "-m", "agents.cli.main", *words]
    program += ["--broker", f"{broker.host}:{broker.port}", "--site", SITE, "--timeout", "20"]
    environment = {**os.environ, "COLUMNS": "120"}
    process = await asyncio.create_subprocess_exec(
        *program, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=environment
    )
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def test_a_technician_reads_and_changes_keys(broker: RunningBroker, csms: int) -> None:
    heard: list[Any] = []
    connected = asyncio.Event()
    task = asyncio.create_task(station(csms, heard, connected))
    await asyncio.wait_for(connected.wait(), 10)
    code, out, err = await chargebus(broker, "csms", "get", "box", "HeartbeatInterval", "--json")
    assert code == 0, err
    assert json.loads(out)["configurationKey"][0]["value"] == "300"
    code, out, err = await chargebus(broker, "csms", "set", "box-1", "HeartbeatInterval", "60")
    assert (code, out) == (0, "box-1: ChangeConfiguration Accepted\n"), err
    assert ("ChangeConfiguration", {"key": "HeartbeatInterval", "value": "60"}) in heard
    code, out, err = await chargebus(broker, "csms", "get", "bax")
    assert (code, out) == (1, ""), err
    assert "no station 'bax'; known: box" in err
    task.cancel()


@pytest.mark.slow
async def test_card_access_session_and_ledger_over_a_kill_9(broker: RunningBroker, tmp_path: Path) -> None:
    """The real access and ledger; the csms as a process that dies between a start and its answer, and later again."""
    port = free_port()
    config = tmp_path / "site.toml"
    config.write_text(
        f'site = "{SITE}"\n[broker]\nhost = "{broker.host}"\nport = {broker.port}\n'
        f"[csms]\nport = {port}\n[csms.stations.box]\nwithout_password = true\n"
    )
    access = RunningAgent("access", broker, tmp_path, cards=[{"uid": "04A2B3C4"}])
    ledger = RunningAgent("ledger", broker, tmp_path)
    await access.start()
    await ledger.start()
    csms = start_agent("csms", config, tmp_path / "csms.log")
    try:
        async with Ear(broker) as ear:
            socket = await reconnected(port)
            await told(socket, "BootNotification", {"chargePointVendor": "Acme", "chargePointModel": "Box"})
            status = {"connectorId": 1, "errorCode": "NoError", "status": "Preparing"}
            await told(socket, "StatusNotification", status)
            assert (await told(socket, "Authorize", {"idTag": "DEADBEEF"}))["idTagInfo"]["status"] == "Invalid"
            assert (await told(socket, "Authorize", {"idTag": "04a2b3c4"}))["idTagInfo"]["status"] == "Accepted"
            begin = {"connectorId": 1, "idTag": "04a2b3c4", "meterStart": 1000, "timestamp": now()}
            await socket.send(json.dumps([2, "start", "StartTransaction", begin]))
            await eventually(lambda: ear.all(SESSION), 20, "the session is recorded; its answer is never read")
            numbers = set()
            for _ in range(2):
                csms.kill()
                csms.wait()
                csms = start_agent("csms", config, tmp_path / "csms.log")
                socket = await reconnected(port)
                answer = await told(socket, "StartTransaction", begin)
                assert answer["idTagInfo"]["status"] == "Accepted"
                numbers.add(answer["transactionId"])
            (number,) = numbers
            end = {"transactionId": number, "meterStop": 4000, "timestamp": now()}
            await told(socket, "StopTransaction", end)
            await told(socket, "StopTransaction", end)
            await eventually(lambda: [each for each in ear.all(SESSION) if not each.active], 20, "the end is recorded")
            records = ear.all(SESSION)
            assert {record.session_id for record in records} == {records[0].session_id}
            assert (records[-1].energy_wh, records[-1].authorized_by) == (3000, "access")
            await socket.close()
    finally:
        csms.kill()
        csms.wait()
        await access.stop()
        await ledger.stop()


def now() -> str:
    return datetime.now(UTC).isoformat()


async def reconnected(port: int) -> ClientConnection:
    async with asyncio.timeout(20):
        while True:
            try:
                return await connect(f"ws://127.0.0.1:{port}/box", subprotocols=["ocpp1.6"])  # type: ignore[list-item]
            except OSError:
                await asyncio.sleep(0.05)


async def told(socket: ClientConnection, action: str, payload: Any) -> Any:
    await socket.send(json.dumps([2, action + str(random.random())[:12], action, payload]))
    return (await answer(socket))[2]


async def answer(socket: ClientConnection) -> Any:
    """The next answer; what is asked meanwhile is accepted."""
    async with asyncio.timeout(20):
        while True:
            message = json.loads(await socket.recv())
            if message[0] != 2:
                return message
            await socket.send(json.dumps([3, message[1], {"status": "Accepted"}]))
