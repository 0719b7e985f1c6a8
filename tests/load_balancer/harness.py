"""A balancer in its host, on fakes: time, a bus that echoes, and chargers that obey."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any, Self

import structlog

from agents.load_balancer.agent import LoadBalancer
from agents.load_balancer.planning.lp import SolverFailed
from agents.load_balancer.planning.plan import plan
from agents.runtime.agent import Agent, BusUnavailable
from agents.runtime.database.store import Store
from agents.runtime.host import AgentHost, RawMessage
from bus_schema import Message, Topic, parse_topic
from bus_schema.balancing import Decision, GridTelemetry
from bus_schema.charger_messages import Lease, Meta, Online, Telemetry
from bus_schema.command import CommandReply, SetLimit
from bus_schema.topics import (
    AGENT_CLAIM,
    ALARM,
    CHARGER_COMMAND,
    CHARGER_COMMAND_REPLY,
    CHARGER_DECISION,
    CHARGER_META,
    CHARGER_ONLINE,
    CHARGER_STATE,
    CHARGER_TELEMETRY,
    GRID_TELEMETRY,
)
from bus_schema.words import Phase, ReplyCode, ReplyStage
from tests.load_balancer.messages import BOOT, state
from tests.runtime.fakes import SITE, ManualClock, settle

TABLE: dict[str, Any] = {
    "circuits": {"main": {"limit_a": 40.0}},
    "chargers": {"c1": {"circuit": "main"}, "c2": {"circuit": "main"}},
}


def no_solver(*_arguments: object, **_more: object) -> Any:
    """Fail, so that the plan is made by water-filling."""
    raise SolverFailed("not in this test")


@dataclass
class Stub:
    """A charger: answers, tells its state, draws what it is offered (or what it likes)."""

    name: str
    meta: dict[str, Any] = field(default_factory=dict)
    answers: bool = True
    talks: bool = True
    session: str | None = None
    draws_a: float | None = None
    lease_a: float | None = None
    clock_s: float = 0.0
    limited_by: str = "load_balancer"
    remaining_s: int = 9

    def offered_a(self) -> float:
        fallback_a = float(self.meta.get("fallback_current_a", 6.0))
        limit = fallback_a if self.lease_a is None else self.lease_a
        return 0.0 if self.session is None or limit < 6 else limit


class Site:
    """The balancer and what is around it."""

    def __init__(
        self,
        table: dict[str, Any] | None = None,
        store: Store | None = None,
        clock: ManualClock | None = None,
        agent_type: type[Agent[Any]] = LoadBalancer,
        retained: dict[str, bytes] | None = None,
    ) -> None:
        self.clock = ManualClock() if clock is None else clock
        self.store = Store("sqlite://", LoadBalancer.migrations, threaded=False) if store is None else store
        self.store.upgrade()
        self.settings = LoadBalancer.settings_type.model_validate(TABLE if table is None else table)
        self.host = AgentHost(
            agent_type,
            self.settings,
            self,
            self.clock,
            self.store,
            site=SITE,
            random=Random(len(str(table)) + (retained is not None)),
            log=structlog.get_logger(),
        )
        # Equal shares, and quick: how well the solver plans is not what these tests are about.
        self.agent.decider.planner = partial(plan, solve=no_solver)
        self.published: list[tuple[str, bytes]] = []
        self.retained = {} if retained is None else retained
        self.up = True
        self._flicker = 0
        self.before: Callable[[str, Message], None] = lambda _topic, _message: None
        self.chargers = {name: Stub(name) for name in self.settings.chargers}

    @property
    def agent(self) -> Any:
        return self.host.agent

    async def publish(self, topic: str, payload: bytes, qos: int, retain: bool) -> None:
        if not self.up:
            raise BusUnavailable("not connected")
        row = parse_topic(topic)
        if payload:
            self.before(topic, row.topic.decode(payload))
        self.published.append((topic, payload))
        if retain:
            self.retained[topic] = payload
        if row.topic in (AGENT_CLAIM, ALARM) and payload:
            self.deliver(topic, payload)
        if row.topic is CHARGER_COMMAND:
            command = row.topic.decode(payload)
            if isinstance(command, SetLimit):
                self._obey(self.chargers[row.ids["charger"]], command)

    def _obey(self, stub: Stub, command: SetLimit) -> None:
        if stub.answers:
            stub.lease_a = command.current_a
            self.reply(stub.name, command.id)

    def reply(self, name: str, command_id: str, stage: ReplyStage = ReplyStage.DONE, code: str = "ok") -> None:
        reply = CommandReply(
            ts=self.clock.now_ms(),
            uptime_ms=1,
            boot_id=BOOT,
            id=command_id,
            op="set_limit",
            stage=stage,
            code=ReplyCode(code),
        )
        self.say(CHARGER_COMMAND_REPLY, reply, charger=name)

    def deliver(self, topic: str, payload: bytes, *, retained: bool = False) -> None:
        row = parse_topic(topic).topic
        self.host.deliver(RawMessage(topic, payload, row.qos, retained, lambda: None))

    def say(self, topic: Topic[Any], message: Message, *, retained: bool = False, **ids: str) -> None:
        self.deliver(topic.format(SITE, **ids), topic.encode(message), retained=retained)

    # --- chargers ---

    def introduce(self, name: str, **meta: Any) -> None:
        stub = self.chargers[name]
        meta["phase_rotation"] = [Phase(phase) for phase in meta.get("phase_rotation", ("L1", "L2", "L3"))]
        stub.meta = {
            "phases": 3,
            "rated_current_a": 32.0,
            "fallback_current_a": 6.0,
            "required_sources": ["load_balancer"],
        } | meta
        now = self.clock.now_ms()
        self.say(CHARGER_ONLINE, Online(ts=now, uptime_ms=1, boot_id=BOOT, online=True), charger=name)
        self.say(
            CHARGER_META,
            Meta(ts=now, uptime_ms=1, boot_id=BOOT, hardware="x", firmware="1", schema_version="1.0", **stub.meta),
            charger=name,
        )

    def talk(self, stub: Stub, *, retained: bool = False) -> None:
        """Let a charger say what it does."""
        now = self.clock.now_ms()
        offered_a = stub.offered_a()
        lease = Lease(source="load_balancer", current_a=stub.lease_a or 0.0, remaining_s=stub.remaining_s)
        said = state(
            now - round(stub.clock_s * 1000),
            offered_a=offered_a,
            session=stub.session,
            started_ts=now - 1000,
            limited_by=stub.limited_by,
            leases=[lease] if stub.lease_a else [],
        )
        self.say(CHARGER_STATE, said, charger=stub.name, retained=retained)
        drawn_a = offered_a if stub.draws_a is None else stub.draws_a
        if offered_a or stub.draws_a:
            telemetry = Telemetry(
                ts=now,
                uptime_ms=1,
                boot_id=BOOT,
                current_l1_a=drawn_a,
                current_l2_a=drawn_a,
                current_l3_a=drawn_a,
                offered_current_a=offered_a,
            )
            self.say(CHARGER_TELEMETRY, telemetry, charger=stub.name)

    def meter(self, name: str, current_a: float, *, age_s: float = 0.0, retained: bool = False) -> None:
        """Let a meter say a reading that it made ``age_s`` ago."""
        ts = self.clock.now_ms() - round(age_s * 1000)
        reading = GridTelemetry(ts=ts, current_l1_a=current_a, current_l2_a=current_a, current_l3_a=current_a)
        self.say(GRID_TELEMETRY, reading, meter=name, retained=retained)

    def house(self, meter: str, other_a: float) -> None:
        """Let the meter see the chargers and other loads, which flicker as real ones do."""
        self._flicker = (self._flicker + 1) % 7
        self.meter(meter, other_a + self._flicker / 50 + sum(stub.offered_a() for stub in self.chargers.values()))

    # --- time ---

    async def __aenter__(self) -> Self:
        await self.host.start()
        for topic, payload in list(self.retained.items()):
            self.deliver(topic, payload, retained=True)
        self.host.connected()
        await settle()
        return self

    async def __aexit__(self, *error: object) -> None:
        self.host.kill()
        await settle()

    async def run(self, seconds: float, each_second: Callable[[], None] = lambda: None) -> None:
        for _ in range(round(seconds)):
            for stub in self.chargers.values():
                if stub.talks and stub.meta:
                    self.talk(stub)
            each_second()
            await self.clock.advance(1.0)
        await settle()

    async def ready(self, *names: str) -> None:
        """Introduce chargers with sessions and let the balancer begin to act."""
        for name in self.chargers:
            self.introduce(name)
        for name in names:
            self.chargers[name].session = f"{name}-session"
        await self.run(90)

    # --- what came of it ---

    def messages(self, topic: Topic[Any], **ids: str) -> list[Any]:
        return [
            topic.decode(payload)
            for at, payload in self.published
            if payload and (address := parse_topic(at)).topic is topic and ids.items() <= address.ids.items()
        ]

    def orders(self, name: str) -> list[SetLimit]:
        return [each for each in self.messages(CHARGER_COMMAND, charger=name) if isinstance(each, SetLimit)]

    def decision(self, name: str) -> Decision:
        decision: Decision = self.messages(CHARGER_DECISION, charger=name)[-1]
        return decision

    def alarms(self) -> dict[str, Any]:
        """Alarms that stand."""
        found = {}
        for topic, payload in self.published:
            row = parse_topic(topic)
            if row.topic is ALARM:
                name = row.ids["alarm"]
                if payload:
                    found[name] = ALARM.decode(payload)
                else:
                    found.pop(name, None)
        return found
