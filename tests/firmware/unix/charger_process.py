"""The charger's app on MicroPython's unix port, on a real broker: a process like any other."""

import asyncio
import json
import os
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.brokers import RunningBroker
from tests.firmware.unix.program import memory
from tests.firmware.unix.site import Site
from tests.waiting import eventually

Condition = Callable[[dict[str, Any]], bool]
TOPIC = "ev/v1/garage/charger/c1"
RESTART = 10
"""Exit code with which the process asks to be started again."""


class Charger:
    """The process, and a site on the other side of the broker; with ``pki`` both speak TLS.

    ``comes_back``: it is started again whenever it asks for that, as a chip does it.
    """

    def __init__(
        self, program: str, folder: Path, broker: RunningBroker, pki: Path | None = None, comes_back: bool = False
    ) -> None:
        self.memory = memory(program)
        options = ["-X", f"heapsize={self.memory.heap}", "-m", "firmware.boards.unix_main"]
        self._command = [program, *options, str(folder), "garage", "c1", broker.host, str(broker.port)]
        trusted = None
        if pki is not None:
            self.started_with(pki)
            trusted = ssl.create_default_context(cafile=str(pki / "ca.pem"))
            trusted.load_cert_chain(pki / "site.pem", pki / "site.key")
        self._folder = folder
        self.site = Site(broker, tls=trusted)
        self.site.client.server_name = "localhost"
        self._answers: list[dict[str, Any]] = []
        self._comes_back = comes_back
        self.restarts = 0
        """How often it has asked to be started again, and was."""

    def started_with(self, pki: Path) -> None:
        """Let it speak TLS with what lies there."""
        self._command.append(str(pki))

    async def __aenter__(self) -> "Charger":
        self._running = asyncio.create_task(self.site.client.run())
        await eventually(lambda: self.site.client.connected)
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.end()
        self.site.client.stop()
        await asyncio.wait_for(self._running, 5)

    async def end(self) -> None:
        """Take its power away."""
        self._returning.cancel()
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()
        self._reading.cancel()

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
        self._returning = asyncio.create_task(self._return(self.process))

    async def _return(self, process: asyncio.subprocess.Process) -> None:
        if self._comes_back and await process.wait() == RESTART:
            self.restarts += 1
            await self.start()

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
