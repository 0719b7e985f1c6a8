"""The central system as a process with few descriptors, against more connections than it has."""

import asyncio
import contextlib
import json
import resource
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.brokers import RunningBroker
from tests.csms.stage import Stage, free_port
from tests.processes import ROOT
from tests.waiting import eventually

DESCRIPTORS = 128


class FewSeats:
    """A listener of a process that may have few descriptors."""

    port, room, running = 1, 1, True

    def __init__(self, *_what: object) -> None:
        """Nothing is kept."""

    async def start(self, _port: int) -> None:
        """Nothing is opened."""

    async def stop(self) -> None:
        """Nothing is closed."""


async def test_fewer_descriptors_than_stations_is_a_problem_with_a_remedy() -> None:
    async with Stage(stations={"box": {}, "other": {}}) as site:
        assert not [problem for problem in site.agent.problems() if "LimitNOFILE" in problem]
        site.agent._server = FewSeats()
        (problem,) = [problem for problem in site.agent.problems() if "LimitNOFILE" in problem]
        assert problem.startswith("Only 1 of 2 stations can be connected")


NOW = "2026-01-01T00:00:00Z"


@pytest.fixture
async def crowded(broker: RunningBroker, tmp_path: Path) -> AsyncIterator[tuple[int, Path]]:
    """A csms that may have 128 descriptors: its port and its log."""
    port, log = free_port(), tmp_path / "csms.log"
    config = tmp_path / "site.toml"
    config.write_text(
        f'site = "garage"\n[broker]\nhost = "{broker.host}"\nport = {broker.port}\n'
        f"[csms]\nport = {port}\n[csms.id_tags.CARD1]\n[csms.stations.box]\nwithout_password = true\n"
    )
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "agents.cli.main", "agent", "csms", "--config", str(config)],
            cwd=ROOT,
            stderr=file,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS)),
        )
    await eventually(lambda: "stations_may_connect" in log.read_text(), 20, "stations may connect")
    yield port, log
    process.kill()
    process.wait()


async def told(socket: ClientConnection, action: str, payload: Any) -> Any:
    await socket.send(json.dumps([2, str(uuid4()), action, payload]))
    while True:
        message = json.loads(await asyncio.wait_for(socket.recv(), 10))
        if message[0] == 2:
            await socket.send(json.dumps([3, message[1], {"status": "Accepted"}]))
        else:
            return message


@pytest.mark.broker
async def test_more_connections_than_descriptors_cost_neither_log_nor_transactions(crowded: tuple[int, Path]) -> None:
    port, log = crowded
    async with connect(f"ws://127.0.0.1:{port}/ocpp/box", subprotocols=["ocpp1.6"]) as socket:  # type: ignore[list-item]
        await told(socket, "BootNotification", {"chargePointVendor": "Acme", "chargePointModel": "Box"})
        flood = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3 * DESCRIPTORS)]
        for second in range(3):
            start = {"connectorId": 1, "idTag": "CARD1", "meterStart": second, "timestamp": NOW}
            answer = await told(socket, "StartTransaction", start)
            assert answer[0] == 3 and answer[2]["idTagInfo"]["status"] == "Accepted", answer
        size = len(log.read_bytes())
        closed = 0
        for reader, _ in flood:
            with contextlib.suppress(TimeoutError, ConnectionError):
                closed += await asyncio.wait_for(reader.read(1), 0.001) == b""
        assert closed >= 2 * DESCRIPTORS, "those that are too many are closed at once"
        for _, writer in flood:
            writer.close()
    text = log.read_text()
    assert "connection_refused" in text and "Traceback" not in text and "out of system resource" not in text
    assert size < 10_000
