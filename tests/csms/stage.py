"""The central system on a list for a bus, with scripted stations on pipes."""

import asyncio
import contextlib
import itertools
import socket
from typing import Any

from ocpp.v16 import call, call_result, datatypes

from agents.csms.agent import Csms
from agents.runtime.ocpp import ConnectionLost, Dispatcher, NoAnswer
from bus_schema.command import CommandReply
from bus_schema.event import EventAck
from bus_schema.topics import CHARGER_COMMAND, CHARGER_COMMAND_REPLY, CHARGER_EVENT, CHARGER_EVENT_ACK, CHARGER_STATE
from tests.ledger.harness import Hosted, ManualClock, turns
from tests.ocpp.pipe import End, dispatcher, pipe

TIMES = "2026-01-01T00:00:{:02d}Z"
"""The harness's clock begins at this minute."""


CALLS = (
    "CancelReservation",
    "ChangeAvailability",
    "ChangeConfiguration",
    "ClearCache",
    "DataTransfer",
    "GetConfiguration",
    "GetDiagnostics",
    "RemoteStartTransaction",
    "RemoteStopTransaction",
    "ReserveNow",
    "Reset",
    "SetChargingProfile",
    "TriggerMessage",
    "UnlockConnector",
    "UpdateFirmware",
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class ScriptedStation:
    """A charge point that does what the test says, and answers what it was told to."""

    def __init__(self, site: "Stage", identity: str) -> None:
        self.site, self.identity = site, identity
        self.heard: list[tuple[str, Any]] = []
        self.answers: dict[str, str] = {}
        """Status by action, where it is not Accepted."""
        self.silent: set[str] = set()
        self._end: End | None = None
        self._dispatcher: Dispatcher | None = None
        self._tasks: list[asyncio.Task[Any]] = []

    async def connect(self) -> "ScriptedStation":
        mine, theirs = pipe()
        handlers = {action: self._handler(action) for action in CALLS}
        self._end = mine
        self._dispatcher = dispatcher(mine, self.site.clock, handlers)
        agent = self.site.host.agent
        assert isinstance(agent, Csms)
        self._tasks = [asyncio.create_task(self._run(self._dispatcher)), asyncio.create_task(self.serve(agent, theirs))]
        await turns()
        return self

    async def serve(self, agent: Csms, end: End) -> None:
        with contextlib.suppress(ConnectionLost):
            await agent.serve(self.identity, end)

    async def _run(self, mine: Dispatcher) -> None:
        with contextlib.suppress(ConnectionLost):
            await mine.run()

    def _handler(self, action: str) -> Any:
        async def handle(request: Any) -> Any:
            self.heard.append((action, request))
            if action in self.silent:
                raise NoAnswer
            if action == "GetConfiguration":
                return call_result.GetConfiguration(configuration_key=[], unknown_key=[])
            if action in ("UpdateFirmware", "GetDiagnostics"):
                kind = getattr(call_result, action)
                return kind() if action == "UpdateFirmware" else kind(file_name="log.txt")
            word = self.answers.get(action, "Unlocked" if action == "UnlockConnector" else "Accepted")
            return getattr(call_result, action)(status=word)

        return handle

    async def tell(self, request: Any) -> Any:
        assert self._dispatcher is not None
        answer = await self._dispatcher.call(request)
        await turns()
        return answer

    def say(self, request: Any) -> "asyncio.Task[Any]":
        assert self._dispatcher is not None
        return asyncio.create_task(self._dispatcher.call(request))

    async def cut(self) -> None:
        assert self._end is not None
        await self._end.close(1006, "the line is cut")
        await turns()

    def half_open(self) -> None:
        """Be gone without a word, as after a power failure."""
        assert self._end is not None
        self._end.half_open = self._end.other.half_open = True

    def took(self, action: str) -> list[Any]:
        return [request for name, request in self.heard if name == action]

    @property
    def closed_with(self) -> int | None:
        assert self._end is not None
        return self._end.other.closed_with

    # What stations say

    async def boot(self) -> Any:
        answer = await self.tell(
            call.BootNotification(charge_point_vendor="Acme", charge_point_model="Box", firmware_version="1.2")
        )
        for _ in range(20):
            await turns()
        return answer

    async def status(self, status: str, connector: int = 1, error: str = "NoError", second: int = 0) -> None:
        await self.tell(
            call.StatusNotification(
                connector_id=connector, error_code=error, status=status, timestamp=TIMES.format(second)
            )
        )

    async def begin(self, tag: str = "CARD1", meter: int = 1000, connector: int = 1, at: str = TIMES.format(0)) -> Any:
        request = call.StartTransaction(connector_id=connector, id_tag=tag, meter_start=meter, timestamp=at)
        return await self.tell(request)

    async def end(self, transaction: int, meter: int, at: str = TIMES.format(30), **more: Any) -> Any:
        return await self.tell(call.StopTransaction(meter_stop=meter, timestamp=at, transaction_id=transaction, **more))

    async def meter(
        self, wh: Any, transaction: int | None = None, connector: int = 1, at: str = TIMES.format(5)
    ) -> None:
        value = datatypes.MeterValue(timestamp=at, sampled_value=[datatypes.SampledValue(value=str(wh))])
        await self.tell(call.MeterValues(connector_id=connector, meter_value=[value], transaction_id=transaction))


class Stage(Hosted):
    """The agent, its bus and its stations."""

    def __init__(self, url: str = "sqlite://", clock: ManualClock | None = None, **settings: Any) -> None:
        settings.setdefault("port", free_port())
        settings.setdefault("stations", {"box": {"required_sources": ["load_balancer"], "schedule_periods": 10}})
        if "password_file" not in settings:
            settings["stations"] = {
                name: station if "password_file" in station else {"without_password": True, **station}
                for name, station in settings["stations"].items()
            }
        super().__init__(Csms, url, clock, **settings)
        self._ids = itertools.count(1)

    @property
    def agent(self) -> Csms:
        agent = self.host.agent
        assert isinstance(agent, Csms)
        return agent

    async def station(self, identity: str = "box", *, boots: bool = True) -> ScriptedStation:
        station = await ScriptedStation(self, identity).connect()
        if boots:
            await station.boot()
            await station.status("Available")
        return station

    def events(self, charger: str = "box-1") -> list[Any]:
        return [event for ids, event in self.bus.take(CHARGER_EVENT) if ids["charger"] == charger]

    def state(self, charger: str = "box-1") -> Any:
        return [message for ids, message in self.bus.take(CHARGER_STATE) if ids["charger"] == charger][-1]

    def replies(self) -> list[CommandReply]:
        return [message for _, message in self.bus.take(CHARGER_COMMAND_REPLY)]

    def command(self, message: Any, /, source: str = "technician", deadline_s: float = 10, **fields: Any) -> Any:
        now_ms = self.clock.now_ms()
        fields.setdefault("id", f"cmd-{next(self._ids)}")
        fields.setdefault("ts", now_ms)
        return message(source=source, deadline_ts=now_ms + round(deadline_s * 1000), **fields)

    def put_command(self, command: Any, charger: str = "box-1") -> None:
        self.put(CHARGER_COMMAND, command, charger=charger, sender=command.source)

    async def send(self, command: Any, charger: str = "box-1", sender: str | None = None) -> CommandReply:
        """Send a command and return its last answer so far."""
        self.bus.take(CHARGER_COMMAND_REPLY)
        await self.hear(CHARGER_COMMAND, [command], charger=charger, sender=sender or command.source)
        for _ in range(50):
            await turns(10)
            found = [reply for reply in self.replies() if reply.id == command.id]
            if found:
                return found[-1]
        raise AssertionError("no answer")

    async def ack(self, event: Any, charger: str = "box-1") -> None:
        message = EventAck(ts=self.clock.now_ms(), boot_id=event.boot_id, seq=event.seq)
        await self.hear(CHARGER_EVENT_ACK, [message], charger=charger)


__all__ = ["ScriptedStation", "Stage", "turns"]
