"""Central systems that others have written, as peers of the bridge on real sockets."""

import asyncio
import contextlib
import itertools
import json
import os
import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import ocpp.v16
from ocpp.routing import on
from ocpp.v16 import call_result
from websockets.asyncio.server import Server, serve

from agents.ocpp_bridge.websocket_connector import WebSocketConnector
from agents.runtime.clock import SystemClock
from agents.runtime.ocpp.v16 import V16
from tests.missing import missing
from tests.ocpp_bridge.stage import Stage

SCRIPT = Path(__file__).with_name("central_system.js")


class CentralSystem(Protocol):
    """What a test needs of one."""

    url: str
    heard: list[tuple[str, dict[str, Any]]]
    """Action and payload of everything that charge points have said."""
    wrong: list[str]
    """What it found wrong with messages."""

    async def call(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Call charge point c1 and return its answer."""


class RealTime(Stage):
    """The bridge with the machine's clock and real WebSockets."""

    def __init__(self, url: str, **settings: Any) -> None:
        super().__init__(clock=SystemClock(), backends=[{"name": "theirs", "url": url}], **settings)  # type: ignore[arg-type]

    async def connect(self, target: Any) -> Any:
        return await WebSocketConnector().connect(target)


# The package ``ocpp`` of PyPI


class _PackageStation(ocpp.v16.ChargePoint):  # type: ignore[misc]
    """A charge point as the package's central system sees it."""

    def __init__(self, identity: str, socket: Any, system: "PackageCentralSystem") -> None:
        super().__init__(identity, socket)
        self.system = system

    async def route_message(self, raw_msg: str) -> None:
        message = json.loads(raw_msg)
        if message[0] == 2:
            self.system.heard.append((message[2], message[3]))
        elif message[0] == 3:
            self.system.last_answer = message[2]
        else:
            self.system.wrong.append(raw_msg)
        await super().route_message(raw_msg)

    @on("BootNotification")
    def booted(self, **_fields: Any) -> Any:
        return call_result.BootNotification(datetime.now(UTC).isoformat(), 300, "Accepted")

    @on("Heartbeat")
    def beat(self) -> Any:
        return call_result.Heartbeat(datetime.now(UTC).isoformat())

    @on("StatusNotification")
    def status(self, **_fields: Any) -> Any:
        return call_result.StatusNotification()

    @on("Authorize")
    def authorize(self, id_tag: str) -> Any:
        return call_result.Authorize({"status": "Blocked" if id_tag == "BLOCKED" else "Accepted"})

    @on("StartTransaction")
    def started(self, **_fields: Any) -> Any:
        return call_result.StartTransaction(1, {"status": "Accepted"})

    @on("MeterValues")
    def metered(self, **_fields: Any) -> Any:
        return call_result.MeterValues()

    @on("StopTransaction")
    def stopped(self, **_fields: Any) -> Any:
        return call_result.StopTransaction()


class PackageCentralSystem:
    """The package's own routing, schema checks and dataclasses."""

    def __init__(self) -> None:
        self.url = ""
        self.heard: list[tuple[str, dict[str, Any]]] = []
        self.wrong: list[str] = []
        self.last_answer: dict[str, Any] = {}
        self._stations: dict[str, _PackageStation] = {}

    async def serve(self, socket: Any) -> None:
        identity = socket.request.path.rsplit("/", 1)[1]
        station = self._stations[identity] = _PackageStation(identity, socket, self)
        with contextlib.suppress(Exception):  # The package ends with whatever the socket raises.
            await station.start()

    async def call(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        request = V16.actions[action].request.from_payload(payload)
        await self._stations["c1"].call(request, suppress=False)
        return self.last_answer  # The package gives it back under names of its own.


@contextlib.asynccontextmanager
async def package() -> AsyncIterator[CentralSystem]:
    system = PackageCentralSystem()
    server: Server
    async with serve(system.serve, "127.0.0.1", 0, subprotocols=["ocpp1.6"]) as server:  # type: ignore[list-item]
        system.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield system


# The package ``ocpp-rpc`` of npm


class Refused(Exception):
    """The charge point has answered with an error."""


class NodeCentralSystem:
    """``central_system.js`` in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.url = ""
        self.heard: list[tuple[str, dict[str, Any]]] = []
        self.wrong: list[str] = []
        self._process = process
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}

    async def read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            match json.loads(line):
                case int(port):
                    self.url = f"ws://127.0.0.1:{port}"
                case ["invalid", str(text)]:
                    self.wrong.append(text)
                case [int(number), str(code), str(text)]:
                    self._answers.pop(number).set_exception(Refused(f"{code}: {text}"))
                case [int(number), dict(payload)]:
                    self._answers.pop(number).set_result(payload)
                case [str(), str(action), dict(payload)]:
                    self.heard.append((action, payload))

    async def call(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([number, "c1", action, payload]).encode() + b"\n")
        return await asyncio.wait_for(answer, 30)


@contextlib.asynccontextmanager
async def node() -> AsyncIterator[CentralSystem]:
    """``npm install ocpp-rpc``, here or where OCPP_RPC points."""
    if shutil.which("node") is None:
        missing("node")
    for folder in (os.environ.get("OCPP_RPC"), Path(__file__).parents[2] / "node_modules" / "ocpp-rpc"):
        if (Path(folder or "/nowhere") / "package.json").is_file():
            break
    else:
        missing("an OCPP server of npm (npm install ocpp-rpc, or set OCPP_RPC to its folder)")
    assert folder is not None
    process = await asyncio.create_subprocess_exec(
        "node",
        str(SCRIPT),
        env={**os.environ, "NODE_PATH": str(Path(folder).parent)},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    system = NodeCentralSystem(process)
    reading = asyncio.create_task(system.read())
    try:
        async with asyncio.timeout(20):
            while not system.url:
                await asyncio.sleep(0.01)
        yield system
    finally:
        process.kill()
        await process.wait()
        reading.cancel()
