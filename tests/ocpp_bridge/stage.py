"""The bridge in its real host, with chargers that a test plays and backends that behave as SteVe does."""

import asyncio
import contextlib
import heapq
import itertools
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from agents.ocpp_bridge.agent import OcppBridge
from agents.ocpp_bridge.models import Base
from agents.runtime.agent import BusUnavailable, Context
from agents.runtime.database.store import Store
from agents.runtime.host import AgentHost, RawMessage
from bus_schema import IdToken, Topic, parse_topic
from bus_schema.charger_messages import ActiveFault, ActiveSession, Meta, Online, State, Telemetry
from bus_schema.command import CommandReply
from bus_schema.event import CardPresented, SecurityEvent, SessionEnded, SessionSampled, SessionStarted
from bus_schema.site_messages import AccessRequest
from bus_schema.topics import (
    ACCESS_REPLY,
    ACCESS_REQUEST,
    ALARM,
    CHARGER_COMMAND,
    CHARGER_COMMAND_REPLY,
    CHARGER_EVENT,
    CHARGER_META,
    CHARGER_ONLINE,
    CHARGER_STATE,
    CHARGER_TELEMETRY,
)
from bus_schema.words import ChargerStatus, CpState, Fault, IdTokenType, Phase, ReplyCode, ReplyStage, StopReason
from tests.ledger.harness import NOW_MS, SITE, ManualClock
from tests.ocpp_bridge.steve import Steve

BOOT = "0123456789ab"


async def settle() -> None:
    """Let everything happen that can without time passing."""
    loop: Any = asyncio.get_running_loop()
    for _ in range(20_000):
        await asyncio.sleep(0)
        if not loop._ready:
            return
    raise AssertionError("something happens again and again and time does not go on")


class StageClock(ManualClock):
    """Time that passes when the test says so, and not before everything has happened that was due."""

    async def advance(self, seconds: float) -> None:
        end = self._elapsed_ms + round(seconds * 1000)
        await settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            due, _, future = heapq.heappop(self._sleepers)
            self._elapsed_ms = max(self._elapsed_ms, due)
            if not future.done():
                future.set_result(None)
                await settle()
        self._elapsed_ms = end


Reply = tuple[ReplyStage, ReplyCode, str]
DONE: Reply = (ReplyStage.DONE, ReplyCode.OK, "")


class Charger:
    """A charger of the bus, as far as the bridge can see one."""

    def __init__(self, stage: "Stage", name: str) -> None:
        self.stage = stage
        self.name = name
        self.boot_id = BOOT
        self._seq = itertools.count(1)
        self.energy_wh = 1_000
        self.fields: dict[str, Any] = {}
        self.status = ChargerStatus.AVAILABLE
        self.session: ActiveSession | None = None
        self.commands: list[Any] = []
        self.answers: dict[str, Reply | Callable[[Any], Reply | None]] = {}
        """What is answered to an operation; done unless it stands here."""

    def _head(self) -> dict[str, Any]:
        return {"ts": self.stage.clock.now_ms(), "uptime_ms": 1000, "boot_id": self.boot_id}

    async def say(self, row: Topic[Any], message: Any, retained: bool = False) -> None:
        self.stage.put(row, message, retained, charger=self.name)
        await settle()

    async def online(self, value: bool = True) -> None:
        await self.say(CHARGER_ONLINE, Online(**self._head(), online=value))

    async def meta(self, **fields: Any) -> None:
        about: dict[str, Any] = {
            "hardware": "olimex-esp32-poe",
            "firmware": "1.2.3",
            "schema_version": "1.0",
            "phases": 3,
            "phase_rotation": [Phase.L1, Phase.L2, Phase.L3],
            "rated_current_a": 32.0,
            "fallback_current_a": 6.0,
        }
        await self.say(CHARGER_META, Meta(**self._head(), **about | fields))

    async def state(self, status: ChargerStatus | str | None = None, **fields: Any) -> None:
        self.status = ChargerStatus(status or self.status)
        self.fields.update(fields)
        await self.say(
            CHARGER_STATE,
            State(
                **{
                    **self._head(),
                    "cp_state": CpState.A if self.session is None else CpState.C,
                    "status": self.status,
                    "contactor_closed": self.status is ChargerStatus.CHARGING,
                    "offered_current_a": 16.0,
                    "limited_by": "cable",
                    "limit_reason": "16 A: rating of the cable",
                    "energy_wh": self.energy_wh,
                    "session": self.session,
                    **self.fields,
                }
            ),
        )

    async def telemetry(self, **fields: Any) -> None:
        values = {"power_w": 11_000.0, "current_l1_a": 16.0, "voltage_l1_v": 230.5, "temperature_c": 31.5, **fields}
        await self.say(
            CHARGER_TELEMETRY,
            Telemetry(**self._head(), energy_wh=self.energy_wh, offered_current_a=16.0, **values),
        )

    async def boot(self) -> None:
        await self.online()
        await self.meta()
        await self.state()

    async def reboot(self) -> None:
        self.boot_id = f"{int(self.boot_id, 16) + 1:012x}"
        self._seq = itertools.count(1)
        await self.boot()

    def _event(self) -> dict[str, Any]:
        return {**self._head(), "seq": next(self._seq), "oldest_seq": 1}

    async def event(self, event: Any) -> Any:
        await self.say(CHARGER_EVENT, event)
        return event

    async def start(self, tag: str = "CARD", kind: IdTokenType = IdTokenType.RFID, **fields: Any) -> SessionStarted:
        body = self._event()
        session_id = f"{self.boot_id}-{body['seq']}"
        self.session = ActiveSession(
            session_id=session_id,
            started_ts=body["ts"],
            start_energy_wh=self.energy_wh,
            energy_wh=0,
            authorized_by="access",
        )
        event = SessionStarted(
            **{
                **body,
                "session_id": session_id,
                "energy_wh": self.energy_wh,
                "id_token": IdToken(type=kind, value=tag),
                "authorized_by": "access",
                **fields,
            }
        )
        await self.event(event)
        await self.state(ChargerStatus.CHARGING)
        return event

    async def sample(self, **fields: Any) -> SessionSampled:
        assert self.session is not None
        event = SessionSampled(
            **{
                **self._event(),
                "session_id": self.session.session_id,
                "energy_wh": self.energy_wh,
                "status": self.status,
                **fields,
            }
        )
        return await self.event(event)

    async def end(self, reason: StopReason | str = StopReason.EV_DISCONNECTED, **fields: Any) -> SessionEnded:
        assert self.session is not None
        event = SessionEnded(
            **{
                **self._event(),
                "session_id": self.session.session_id,
                "start_energy_wh": self.session.start_energy_wh,
                "energy_wh": self.energy_wh,
                "reason": StopReason(reason),
                **fields,
            }
        )
        self.session = None
        await self.event(event)
        await self.state(ChargerStatus.AVAILABLE)
        return event

    async def card(self, uid: str) -> None:
        await self.event(CardPresented(**self._event(), id_token=IdToken(type=IdTokenType.RFID, value=uid)))

    async def security(self, kind: str, detail: str = "") -> SecurityEvent:
        return await self.event(SecurityEvent(**self._event(), kind=kind, detail=detail))

    async def fault(self, *faults: Fault) -> None:
        active = [ActiveFault(fault=fault, since_ts=None, detail="a measured value") for fault in faults]
        await self.state(ChargerStatus.FAULTED if faults else ChargerStatus.AVAILABLE, faults=active)

    def executed(self, op: str) -> list[Any]:
        return [command for command in self.commands if command.op == op]


class Stage:
    """Bridge, chargers, backends. Time stands still until :meth:`pass_time`."""

    def __init__(
        self,
        url: str = "sqlite://",
        clock: StageClock | None = None,
        steves: dict[str, Steve] | None = None,
        **settings: Any,
    ) -> None:
        self.clock = clock or StageClock()
        self.steves = steves or {"steve": Steve(self.clock)}
        self.steve = next(iter(self.steves.values()))
        self.down = False
        self.sent: list[tuple[str, bytes, bool]] = []
        self.chargers: dict[str, Charger] = {}
        backends = settings.pop("backends", None) or [
            {"name": name, "url": f"ws://{name}/ocpp", "kind": "steve", "role": "listener" if place else "primary"}
            for place, name in enumerate(self.steves)
        ]
        self.store = Store(url, OcppBridge.migrations, threaded=False)
        if url == "sqlite://":
            Base.metadata.create_all(self.store.engine)  # The same as the migrations make (test_migrations), but quick.
        else:
            self.store.upgrade()
        stage = self
        self.files: dict[str, bytes] = {}

        class Staged(OcppBridge):
            """The bridge with its ways out played by the test."""

            def __init__(self, context: Context[Any]) -> None:
                super().__init__(context, connector=stage, fetcher=stage)

        Staged.__name__ = "OcppBridge"
        self.host = AgentHost(
            Staged,
            OcppBridge.settings_type.model_validate({"backends": backends, **settings}),
            self,
            self.clock,
            self.store,
            site=SITE,
        )
        self.acknowledged = 0

    @property
    def bridge(self) -> OcppBridge:
        assert isinstance(self.host.agent, OcppBridge)
        return self.host.agent

    async def __aenter__(self) -> "Stage":
        await self.host.start()
        self.host.connected()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.host.stop()
        self.store.close()

    async def kill(self) -> None:
        """End as ``kill -9`` would."""
        self.host.kill()
        await settle()
        self.store.close()

    # Bus, connector, fetcher

    async def publish(self, topic: str, payload: bytes, qos: int, retain: bool) -> None:
        await asyncio.sleep(0)
        if self.down:
            raise BusUnavailable("the test has cut the line")
        self.sent.append((topic, payload, retain))
        address = parse_topic(topic)
        if address.topic is CHARGER_COMMAND:
            charger = self.chargers.get(address.ids["charger"])
            if charger is not None:
                self._obey(charger, CHARGER_COMMAND.decode(payload))

    def _obey(self, charger: Charger, command: Any) -> None:
        charger.commands.append(command)
        answer = charger.answers.get(command.op, DONE)
        reply = answer(command) if callable(answer) else answer
        if reply is not None:
            stage, code, reason = reply
            message = CommandReply(
                **charger._head(), id=command.id, op=command.op, stage=stage, code=code, reason=reason
            )
            self.put(CHARGER_COMMAND_REPLY, message, charger=charger.name)

    async def connect(self, target: Any) -> Any:
        return await self.steves[target.url.split("/")[2].split(":")[0]].connect(target)

    async def fetch(self, url: str) -> bytes:
        from agents.ocpp_bridge.fetching import FetchFailed

        if url not in self.files:
            raise FetchFailed("HTTP status 404")
        return self.files[url]

    def put(self, row: Topic[Any], message: Any, retained: bool = False, **ids: str) -> None:
        self.host.deliver(RawMessage(row.format(SITE, **ids), row.encode(message), row.qos, retained, self._count))

    def _count(self) -> None:
        self.acknowledged += 1

    # For tests

    async def charger(self, name: str = "c1") -> Charger:
        """Return a charger that has booted."""
        charger = self.chargers[name] = Charger(self, name)
        await charger.boot()
        await self.pass_time(1.5)
        return charger

    async def pass_time(self, seconds: float, step: float | None = None) -> None:
        left, step = seconds, step or max(1.0, seconds / 60)
        while left > 0:
            await self.clock.advance(min(step, left))
            await settle()
            left -= step
        await settle()

    async def ask_access(self, uid: str, charger: str = "c1", kind: IdTokenType = IdTokenType.RFID) -> Any:
        """Ask as the access agent does; return the answer, None if there is none (yet)."""
        now_ms = self.clock.now_ms()
        id = f"ask-{len(self.sent)}"
        request = AccessRequest(
            ts=now_ms,
            id=id,
            to="ocpp_bridge",
            source="access",
            charger=charger,
            id_token=IdToken(type=kind, value=uid),
            deadline_ts=now_ms + 5000,
        )
        self.put(ACCESS_REQUEST, request)
        await settle()
        return self.access_reply(id)

    def access_reply(self, id: str) -> Any:
        for topic, payload, _ in self.sent:
            if parse_topic(topic).topic is ACCESS_REPLY:
                reply = ACCESS_REPLY.decode(payload)
                if reply.id == id:
                    return reply
        return None

    def alarms(self) -> dict[str, Any]:
        """The alarms that stand."""
        standing: dict[str, Any] = {}
        for topic, payload, _ in self.sent:
            address = parse_topic(topic)
            if address.topic is ALARM:
                if payload:
                    standing[address.ids["alarm"]] = ALARM.decode(payload)
                else:
                    standing.pop(address.ids["alarm"], None)
        return standing

    def point(self, name: str = "c1") -> Any:
        return self.bridge._charge_points[name]


class Lives:
    """One bridge after the other on the same database; the clock, the backend and the chargers go on."""

    def __init__(self, folder: Path) -> None:
        self.clock = StageClock()
        self.steve = Steve(self.clock)
        self.steve.tags["CARD"] = ("Accepted", None)
        self._url = f"sqlite:///{folder / 'bridge.sqlite3'}"
        self._chargers: dict[str, Charger] = {}

    @contextlib.asynccontextmanager
    async def life(self, *, killed: bool = False) -> AsyncIterator[Stage]:
        """One life, which ends in order or as ``kill -9`` ends it."""
        stage = Stage(self._url, self.clock, {"steve": self.steve})
        stage.chargers = self._chargers
        for charger in self._chargers.values():
            charger.stage = stage
        await stage.__aenter__()
        try:
            yield stage
        finally:
            if killed:
                await stage.kill()
            else:
                await stage.__aexit__()


__all__ = ["BOOT", "DONE", "NOW_MS", "Charger", "Lives", "Stage", "StageClock"]
