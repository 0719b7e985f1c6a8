"""Runs a plan: starts its processes, starts again what dies, and stops everything in order."""

import asyncio
import os
import signal
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from agents.cli.exits import CliError, ExitCode
from agents.cli.up.plan import Plan
from agents.cli.up.process import Child, ProcessSpec, how_it_ended, restart_delay_s

POLL_S = 0.1
"""Distance of looking whether a child has ended."""

BROKER_START_S = 20.0
"""How long the broker may take until it listens."""

STOP_S = 6.0
"""How long each stage may take to end after SIGTERM; then it is killed."""

PROVEN_S = 30.0
"""A child that has run for so long counts as healthy: its failures are forgotten."""


@dataclass
class Slot:
    """A place in the plan: the process that fills it now, and its history."""

    spec: ProcessSpec
    child: Child | None = None
    started_s: float = 0.0
    failures: int = 0
    due_s: float | None = None
    """When it is to be started again, or None."""


class Supervisor:
    """Keeps a plan's processes running between :meth:`start` and :meth:`stop`."""

    def __init__(self, plan: Plan, say: Callable[[str], None], *, clock: Callable[[], float] = time.monotonic) -> None:
        """Run ``plan``; ``say`` tells the user what happens."""
        self._plan = plan
        self._say = say
        self._clock = clock
        self._slots = {spec.name: Slot(spec) for spec in plan.processes}
        self._environment = _environment()

    async def start(self, stage: Sequence[ProcessSpec]) -> None:
        """Start a stage. Raises :class:`CliError` (``FAILED``) if an essential process does not come up."""
        for spec in stage:
            self._start(self._slots[spec.name])
        for spec in stage:
            if spec.essential:
                await self._listens(self._slots[spec.name], self._plan.choice.broker_port)

    def has_started(self, stage: Sequence[ProcessSpec]) -> bool:
        """Tell whether a stage has been started before, whatever has become of it."""
        return all(self._slots[spec.name].started_s > 0 for spec in stage)

    async def run(self) -> None:
        """Start again whatever ends, until cancelled."""
        while True:
            for slot in self._slots.values():
                self._look_at(slot)
            await asyncio.sleep(POLL_S)

    async def stop(self) -> None:
        """Ask every process to end, the last started stage first, and kill those that do not."""
        for stage in reversed(self._plan.stages()):
            children = [child for spec in stage if (child := self._slots[spec.name].child) is not None]
            _signal_all(children, signal.SIGTERM)
            await _gone(children, STOP_S)
            self._report_stubborn(children)
            self.kill(stage)

    def kill(self, stage: Sequence[ProcessSpec] | None = None) -> None:
        """Kill a stage, or everything, and all that it has started. Returns when it is gone."""
        for spec in self._plan.processes if stage is None else stage:
            slot = self._slots[spec.name]
            if slot.child is not None:
                slot.child.kill()
                slot.child = None
            slot.due_s = None

    def processes(self) -> dict[str, int]:
        """Return the process ids of what runs now, by name."""
        return {name: slot.child.pid for name, slot in self._slots.items() if slot.child is not None}

    def _report_stubborn(self, children: Sequence[Child]) -> None:
        for child in children:
            if child.ended() is None:
                self._say(f"{child.spec.name} does not end by itself and is killed")

    def _start(self, slot: Slot) -> None:
        slot.child = Child(slot.spec, self._log(slot.spec.name), self._environment)
        slot.started_s = self._clock()
        slot.due_s = None

    def _look_at(self, slot: Slot) -> None:
        now = self._clock()
        if slot.child is None:
            if slot.due_s is not None and now >= slot.due_s:
                self._start(slot)
            return
        code = slot.child.ended()
        if code is None:
            slot.child.rotate_log()
            if now - slot.started_s >= PROVEN_S:
                slot.failures = 0
            return
        slot.failures += 1
        delay_s = restart_delay_s(slot.failures)
        last = slot.child.last_words(1)
        self._say(
            f"{slot.spec.name} has ended ({how_it_ended(code)}); starting it again in {delay_s:g} s"
            + (f"; it said: {last[-1]}" if last else "")
        )
        slot.child.kill()  # whatever it had started itself
        slot.child, slot.due_s = None, now + delay_s

    async def _listens(self, slot: Slot, port: int) -> None:
        deadline = self._clock() + BROKER_START_S
        while not _accepts(port):
            ended = slot.child.ended() if slot.child is not None else 0
            if ended is not None or self._clock() >= deadline:
                said = "\n  ".join(slot.child.last_words() if slot.child is not None else ())
                why = how_it_ended(ended) if ended is not None else f"nothing listens on port {port}"
                raise CliError(ExitCode.FAILED, f"the {slot.spec.name} does not start: {why}\n  {said}".rstrip())
            await asyncio.sleep(POLL_S / 4)

    def _log(self, name: str) -> Path:
        return self._plan.choice.data / "logs" / f"{name}.log"


async def _gone(children: Sequence[Child], within_s: float) -> None:
    """Return when all have ended, or after ``within_s``."""
    for _ in range(round(within_s / (POLL_S / 4))):
        if all(child.ended() is not None for child in children):
            return
        await asyncio.sleep(POLL_S / 4)


def _signal_all(children: Sequence[Child], number: signal.Signals) -> None:
    for child in children:
        child.signal(number)


def _accepts(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def _environment() -> dict[str, str]:
    # Children get their settings from the plan; the user's own must not lead them elsewhere.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CHARGEBUS_")}
    return kept | {"PYTHONUNBUFFERED": "1"}
