"""A backend on our own dispatcher that behaves as SteVe does (facts about SteVe stand in the tests that need them)."""

import asyncio
import contextlib
import json
from collections.abc import Callable
from random import Random
from typing import Any

import structlog
from ocpp.v16 import call_result, datatypes

from agents.ocpp_bridge.connecting import Target, Unreachable
from agents.runtime.ocpp import (
    Connection,
    ConnectionLost,
    Dispatcher,
    NoAnswer,
    Refusal,
    Violation,
    format_time,
    message_ids,
    parse_time,
)
from agents.runtime.ocpp.shapes import to_wire
from agents.runtime.ocpp.v16 import V16
from agents.runtime.ocpp.v16.dialect import FROM_CHARGE_POINT
from tests.ocpp.pipe import End, pipe


class Steve:
    """Boots, tags, transactions. What it keeps of a transaction is what an operator would see."""

    def __init__(self, clock: Any, name: str = "steve") -> None:
        self.clock = clock
        self.name = name
        self.up = True
        self.refusal: str | None = None
        """What every connection attempt is refused with."""
        self.registration, self.interval = "Accepted", 14_400
        self.tags: dict[str, tuple[str, str | None]] = {}
        """idTag → status, parent. Any other is Invalid."""
        self.log: list[tuple[str, str, dict[str, Any]]] = []
        """Everything that came: charge point, action, payload."""
        self.raw: list[str] = []
        self.transactions: dict[int, dict[str, Any]] = {}
        self.discarded: list[dict[str, Any]] = []
        self.silent: set[str] = set()
        """Actions that get no answer."""
        self.refusing: dict[str, int] = {}
        """Actions that get an error, and how often."""
        self.cut_after: str | None = None
        """The connection breaks when this action has been taken, before it is answered."""
        self.targets: list[Target] = []
        self.lines: dict[str, tuple[Dispatcher, End]] = {}
        self.ahead_ms = 0
        self._tasks: set[asyncio.Task[None]] = set()

    # As a connector

    async def connect(self, target: Target) -> Connection:
        self.targets.append(target)
        await asyncio.sleep(0)
        if self.refusal is not None:
            raise Unreachable(self.refusal)
        if not self.up:
            raise Unreachable("no connection: refused")
        identity = target.url.rsplit("/", 1)[1]
        mine, others = pipe()
        before = self.lines.get(identity)
        handlers = {action: self._handler(identity, action) for action in FROM_CHARGE_POINT}
        dispatcher = Dispatcher(
            others,
            V16,
            handlers,
            clock=self.clock,
            message_ids=message_ids(Random()),
            log=structlog.get_logger(),
        )
        self.lines[identity] = (dispatcher, others)
        task = asyncio.create_task(self._serve(dispatcher))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if before is not None:
            await before[1].close(1000, "another connection of the same charge point")
        return mine

    async def _serve(self, dispatcher: Dispatcher) -> None:
        with contextlib.suppress(ConnectionLost):
            await dispatcher.run()

    async def cut(self, identity: str | None = None) -> None:
        """Break one connection, or all."""
        for name, (_, end) in list(self.lines.items()):
            if identity in (None, name):
                await end.close(1006, "the line is cut")

    async def call(self, request: Any, identity: str = "c1") -> Any:
        return await asyncio.wait_for(self.lines[identity][0].call(request), 20)

    # What charge points say

    def _handler(self, identity: str, action: str) -> Callable[[Any], Any]:
        async def handle(request: Any) -> Any:
            payload = to_wire(request)
            if action in self.silent:
                raise NoAnswer
            if self.refusing.get(action, 0) > 0:
                self.refusing[action] -= 1
                self.log.append((identity, f"refused {action}", payload))
                raise Refusal(Violation.INTERNAL, "database away")
            self.log.append((identity, action, payload))
            answer = getattr(self, f"_{action}", self._nothing)(identity, request, action)
            if self.cut_after == action:
                self.cut_after = None
                await self.lines[identity][1].close(1006, "the line is cut")
            return answer

        return handle

    def _nothing(self, _identity: str, _request: Any, action: str) -> Any:
        return getattr(call_result, action)()

    def _now(self) -> str:
        return format_time(self.clock.now_ms() + self.ahead_ms)

    def _info(self, tag: str) -> datatypes.IdTagInfo:
        status, parent = self.tags.get(tag, ("Invalid", None))
        return datatypes.IdTagInfo(status, parent_id_tag=parent)

    def _BootNotification(self, _identity: str, _request: Any, _action: str) -> Any:  # noqa: N802
        return call_result.BootNotification(self._now(), self.interval, self.registration)

    def _Heartbeat(self, _identity: str, _request: Any, _action: str) -> Any:  # noqa: N802
        return call_result.Heartbeat(self._now())

    def _Authorize(self, _identity: str, request: Any, _action: str) -> Any:  # noqa: N802
        return call_result.Authorize(self._info(request.id_tag))

    def _DataTransfer(self, _identity: str, _request: Any, _action: str) -> Any:  # noqa: N802
        return call_result.DataTransfer("Rejected")

    def _SignCertificate(self, _identity: str, _request: Any, _action: str) -> Any:  # noqa: N802
        return call_result.SignCertificate("Accepted")

    def _StartTransaction(self, identity: str, request: Any, _action: str) -> Any:  # noqa: N802
        key = (identity, request.connector_id, request.id_tag, request.timestamp, request.meter_start)
        for number, kept in self.transactions.items():
            if kept["key"] == key:
                return call_result.StartTransaction(number, self._info(request.id_tag))
        number = len(self.transactions) + 1
        self.transactions[number] = {"key": key, "start": request, "stop": None, "values": []}
        return call_result.StartTransaction(number, self._info(request.id_tag))

    def _StopTransaction(self, _identity: str, request: Any, _action: str) -> Any:  # noqa: N802
        kept = self.transactions.get(request.transaction_id)
        if (
            kept is None
            or request.meter_stop < kept["start"].meter_start
            or parse_time(request.timestamp) < parse_time(kept["start"].timestamp)
            or parse_time(request.timestamp) > self.clock.now_ms() + self.ahead_ms + 300_000
        ):
            self.discarded.append(to_wire(request))
        elif kept["stop"] is None:
            kept["stop"] = request
        return call_result.StopTransaction()

    def _MeterValues(self, _identity: str, request: Any, _action: str) -> Any:  # noqa: N802
        kept = self.transactions.get(request.transaction_id)
        if kept is not None:
            kept["values"].append(request)
        elif request.transaction_id is not None:
            self.discarded.append(to_wire(request))
        return call_result.MeterValues()

    # What a test asks

    def got(self, action: str, identity: str = "c1") -> list[dict[str, Any]]:
        return [payload for who, what, payload in self.log if what == action and who == identity]

    def actions(self, identity: str = "c1") -> list[str]:
        return [what for who, what, _ in self.log if who == identity]

    def energies(self) -> dict[int, int | None]:
        """Wh of every transaction that has ended."""
        return {
            number: None if kept["stop"] is None else kept["stop"].meter_stop - kept["start"].meter_start
            for number, kept in self.transactions.items()
        }


def wire(text: str) -> Any:
    return json.loads(text)
