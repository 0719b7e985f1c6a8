"""Messages reach typed handlers, once, in order, and nothing that arrives stops an agent."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.runtime.agent import Agent, BusUnavailable, Received, every, on, on_cleared
from agents.runtime.configuration.site_config import AgentSettings
from agents.runtime.database.store import StoreUnavailable
from agents.runtime.delivery.lane import MAX_STALE, RETRY_CAP_S
from agents.runtime.delivery.routing import MAX_CACHED_ROUTES, RoutingError, reader_ids
from agents.runtime.host import AgentHost
from bus_schema import MAX_MESSAGE_BYTES, Address, ContractError
from bus_schema.charger_messages import Online, State, Telemetry
from bus_schema.event import Event
from bus_schema.site_messages import Alarm
from bus_schema.topics import (
    AGENT_ANSWER,
    AGENT_HEALTH,
    AGENT_QUERY,
    AGENT_REJECTED,
    ALARM,
    CHARGER_COMMAND,
    CHARGER_EVENT,
    CHARGER_ONLINE,
    CHARGER_STATE,
    CHARGER_TELEMETRY,
)
from bus_schema.words import Severity
from tests.runtime.fakes import SITE, Delivery, FakeTransport, ManualClock, event, make_host, settle, telemetry


class Recorder(Agent[AgentSettings]):
    """Remembers what it was given; fails as it is told."""

    name = "recorder"
    settings_type = AgentSettings

    def __init__(self, context: Any) -> None:
        super().__init__(context)
        self.seen: list[Any] = []
        self.calls: list[Any] = []
        self.failures: list[Exception] = []
        self.poison: set[int] = set()
        self.gate = asyncio.Event()
        self.gate.set()
        self.ticks = 0

    async def _handle(self, value: Any) -> None:
        self.calls.append(value)
        await self.gate.wait()
        if self.failures:
            raise self.failures.pop(0)
        if self.poison & set(value if isinstance(value, list) else [value]):
            raise KeyError("secret-value")

    @on(CHARGER_EVENT, batch=4)
    async def events(self, batch: list[Received[Event]]) -> None:
        numbers = [received.message.seq for received in batch]
        await self._handle(numbers)
        self.seen += numbers

    @on(CHARGER_TELEMETRY)
    async def telemetry(self, received: Received[Telemetry]) -> None:
        await self._handle(received.message.energy_wh)
        self.seen.append(received.message.energy_wh)

    @on(CHARGER_ONLINE)
    async def online(self, received: Received[Online]) -> None:
        await self._handle((received.charger, received.message.online, received.retained))
        self.seen.append((received.charger, received.message.online, received.retained))

    @on(CHARGER_STATE)
    async def state(self, received: Received[State]) -> None:
        raise AssertionError("not used")

    @on(ALARM)
    async def alarm(self, received: Received[Alarm]) -> None:
        self.seen.append(("alarm", received.address.ids["alarm"]))

    @on_cleared(ALARM)
    async def alarm_over(self, address: Address) -> None:
        self.seen.append(("over", address.ids["alarm"]))

    @every(60)
    async def tick(self) -> None:
        self.ticks += 1
        if self.failures:
            raise self.failures.pop(0)


class World:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.transport = FakeTransport()
        self.host = make_host(Recorder, self.clock, self.transport)
        self.bus = Delivery(self.host)

    @property
    def agent(self) -> Recorder:
        agent = self.host.agent
        assert isinstance(agent, Recorder)
        return agent

    @property
    def rejected(self) -> list[Any]:
        return self.transport.rejected("recorder")


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    await made.host.start()
    made.host.connected()
    yield made
    made.host.kill()


async def test_message_reaches_its_handler_with_its_address(world: World) -> None:
    world.bus.online(True)
    await settle()
    assert world.agent.seen == [("c1", True, False)]
    assert world.bus.acknowledged == [0]
    assert world.host.counters.received == 1


async def test_acknowledged_only_after_the_handler_has_returned(world: World) -> None:
    world.agent.gate.clear()
    world.bus.online()
    await settle()
    assert world.agent.calls and not world.bus.acknowledged
    world.agent.gate.set()
    await settle()
    assert world.bus.acknowledged == [0]


async def test_batches_are_bounded_and_in_order(world: World) -> None:
    for seq in range(1, 11):
        world.bus.event(seq)
    await settle()
    assert world.agent.calls == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10]]
    assert world.agent.seen == list(range(1, 11))
    assert world.bus.acknowledged == list(range(10))


async def test_broken_batch_is_retried_one_by_one(world: World) -> None:
    world.agent.poison = {3}
    for seq in range(1, 5):
        world.bus.event(seq)
    await settle()
    assert world.agent.seen == [1, 2, 4]
    assert sorted(world.bus.acknowledged) == [0, 1, 2, 3]
    assert [report.code for report in world.rejected] == ["handler_failed"]
    assert "KeyError" in world.rejected[0].reason
    assert "secret-value" not in world.rejected[0].model_dump_json()


async def test_full_queue_drops_the_oldest_telemetry_and_counts_it(world: World) -> None:
    for number in range(250):
        world.bus.telemetry(number)
    await settle(300)
    assert world.agent.seen == list(range(150, 250))
    assert world.host.counters.dropped == 150


async def test_qos_1_is_never_dropped(world: World) -> None:
    for seq in range(1, 1001):
        world.bus.event(seq)
    await settle(1000)
    assert world.agent.seen == list(range(1, 1001))
    assert world.host.counters.dropped == 0


async def test_qos_0_on_a_qos_1_topic_never_displaces_what_must_stay(world: World) -> None:
    for seq in range(1, 101):
        world.bus.event(seq)
    world.bus.raw(CHARGER_EVENT.format(SITE, charger="c1"), CHARGER_EVENT.encode(event(999)), qos=0)
    await settle(300)
    assert world.agent.seen == list(range(1, 101))
    assert world.host.counters.dropped == 1


async def test_slow_handler_holds_up_no_other(world: World) -> None:
    world.agent.gate.clear()
    world.bus.event(1)
    await settle()
    world.bus.raw(ALARM.format(SITE, alarm="fire"), b"")
    await settle()
    assert world.agent.seen == [("over", "fire")]


async def test_removal_and_message_keep_their_order(world: World) -> None:
    alarm = Alarm(ts=None, severity=Severity.WARNING, source="ledger", since_ts=0, text="x", remedy="y")
    topic = ALARM.format(SITE, alarm="full")
    for payload in (ALARM.encode(alarm), b"", ALARM.encode(alarm), b""):
        world.bus.raw(topic, payload)
    await settle()
    assert world.agent.seen == [("alarm", "full"), ("over", "full")] * 2
    assert world.bus.acknowledged == [0, 1, 2, 3]


async def test_store_unavailable_backs_off_and_loses_nothing(world: World) -> None:
    world.agent.failures = [StoreUnavailable("the disk is full; make room") for _ in range(5)]
    for seq in range(1, 4):
        world.bus.event(seq)
    await settle()
    assert world.host.problems() == ["charger_event: the disk is full; make room"]
    assert not world.bus.acknowledged
    await world.clock.advance(6 * RETRY_CAP_S)
    assert world.agent.seen == [1, 2, 3]
    assert world.bus.acknowledged == [0, 1, 2]
    assert world.host.counters.retries == 5
    assert world.host.counters.rejected == 0
    assert world.host.problems() == []


async def test_bus_unavailable_in_a_handler_is_tried_again(world: World) -> None:
    world.agent.failures = [BusUnavailable("not connected")]
    world.bus.online()
    await world.clock.advance(1)
    assert world.agent.seen == [("c1", True, False)]
    assert world.bus.acknowledged == [0]


async def test_store_failing_within_the_one_by_one_retry_loses_nothing(world: World) -> None:
    world.agent.failures = [ValueError(), StoreUnavailable("locked"), StoreUnavailable("locked")]
    for seq in range(1, 4):
        world.bus.event(seq)
    await world.clock.advance(10)
    assert world.agent.seen == [1, 2, 3]
    assert sorted(world.bus.acknowledged) == [0, 1, 2]


POISON = {
    "not JSON": (b"{", "malformed"),
    "not UTF-8": (b"\xff\xfe\x00", "malformed"),
    "empty": (b"", "malformed"),
    "a list": (b"[]", "wrong_type"),
    "wrong type": (b'{"ts": "secret-value"}', "wrong_type"),
    "NaN": (telemetry(1).replace(b"16.0", b"NaN"), "malformed"),
    "negative amperes": (telemetry(1).replace(b"16.0", b"-16"), "wrong_type"),
    "deep": (b"[" * 4000, "malformed"),
    "1 MiB": (b"x" * 2**20, "too_large"),
    "one byte too long": (b" " * MAX_MESSAGE_BYTES + b"1", "too_large"),
}


@pytest.mark.parametrize("name", POISON)
async def test_poison_is_reported_without_its_content_and_acknowledged(world: World, name: str) -> None:
    payload, code = POISON[name]
    world.bus.raw(CHARGER_TELEMETRY.format(SITE, charger="c1"), payload)
    await settle()
    [report] = world.rejected
    assert (report.code, report.size_bytes, report.count) == (code, len(payload), 1)
    assert report.topic == CHARGER_TELEMETRY.format(SITE, charger="c1")
    assert "secret-value" not in report.model_dump_json()
    assert world.bus.acknowledged == [0]
    world.bus.telemetry(5)
    await settle()
    assert world.agent.seen == [5]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(
    st.one_of(
        st.sampled_from([CHARGER_EVENT, CHARGER_TELEMETRY, CHARGER_ONLINE]).map(lambda t: t.format(SITE, charger="c1")),
        st.text(max_size=80).map(lambda t: f"ev/v1/{SITE}/charger/{t}/event"),
        st.text(max_size=80),
    ),
    st.one_of(
        st.binary(max_size=200),
        st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda s: st.lists(s) | st.dictionaries(
            st.text(), s)).map(lambda value: json.dumps(value).encode()),
        st.just(CHARGER_EVENT.encode(event(1))),
    ),
    st.integers(0, 1),
    st.booleans(),
), max_size=20))  # fmt: skip
def test_nothing_that_arrives_stops_an_agent(messages: list[tuple[str, bytes, int, bool]]) -> None:
    async def run() -> None:
        world = World()
        await world.host.start()
        world.host.connected()
        for message in messages:
            world.bus.raw(*message)
        await settle(100)
        assert sorted(world.bus.acknowledged) == list(range(len(messages)))
        world.bus.online()
        await settle()
        assert world.agent.seen[-1] == ("c1", True, False)
        world.host.kill()

    asyncio.run(run())


async def test_flood_of_poison_is_reported_once_a_second_with_its_count(world: World) -> None:
    for _ in range(5):
        for _ in range(1000):
            world.bus.raw(CHARGER_TELEMETRY.format(SITE, charger="c1"), b"{", qos=0)
            await asyncio.sleep(0)
        await world.clock.advance(0.5)
    await world.clock.advance(1)
    reports = world.rejected
    assert len(reports) <= 5
    assert sum(report.count for report in reports) == world.host.counters.rejected == 5000


async def test_flood_over_many_topics_stays_bounded(world: World) -> None:
    for number in range(3 * MAX_CACHED_ROUTES):
        world.bus.raw(CHARGER_TELEMETRY.format(SITE, charger=f"c{number}"), b"{")
        if number % 50 == 0:
            await settle()
    await world.clock.advance(3)
    assert len(world.host.router._routes) <= MAX_CACHED_ROUTES
    reports = world.rejected
    assert len(reports) < 1000
    assert sum(report.count for report in reports) == 3 * MAX_CACHED_ROUTES
    assert any("+" in report.topic for report in reports)


async def test_rejections_wait_for_the_bus_and_keep_their_count(world: World) -> None:
    world.transport.up = False
    for _ in range(3):
        world.bus.raw(CHARGER_TELEMETRY.format(SITE, charger="c1"), b"{")
        await world.clock.advance(2)
    world.transport.up = True
    await world.clock.advance(2)
    assert [report.count for report in world.rejected] == [3]


async def test_own_reports_are_not_reported() -> None:
    class Listener(Agent[AgentSettings]):
        name = "listener"
        settings_type = AgentSettings

        @on(AGENT_REJECTED)
        async def rejected(self, _received: Received[Any]) -> None:
            raise ValueError

    clock, transport = ManualClock(), FakeTransport()
    host = make_host(Listener, clock, transport)
    await host.start()
    bus = Delivery(host)
    bus.raw(AGENT_REJECTED.format(SITE, agent="listener"), b"{")
    bus.raw(AGENT_REJECTED.format(SITE, agent="other"), b"{")
    await settle()
    assert [report.topic for report in transport.rejected("listener")] == [AGENT_REJECTED.format(SITE, agent="other")]
    assert host.counters.rejected == 2
    host.kill()


async def test_foreign_sites_and_unknown_rows_are_ignored(world: World) -> None:
    world.bus.raw(CHARGER_ONLINE.format("elsewhere", charger="c1"), b"{")
    world.bus.raw(CHARGER_COMMAND.format(SITE, charger="c1", sender="technician"), b"{")
    await settle()
    assert world.host.counters.ignored == 2
    assert world.rejected == []
    assert sorted(world.bus.acknowledged) == [0, 1]


async def test_topic_with_a_bad_id_is_reported(world: World) -> None:
    world.bus.raw(f"ev/v1/{SITE}/charger/Bad Id/telemetry", b"{}")
    await settle()
    assert [report.code for report in world.rejected] == ["unknown_topic"]


async def test_retained_command_is_refused_but_a_retained_event_is_not() -> None:
    class Station(Agent[AgentSettings]):
        name = "station"
        settings_type = AgentSettings
        seen: list[Any] = []

        @on(CHARGER_COMMAND)
        async def command(self, received: Received[Any]) -> None:
            self.seen.append(received)

    clock, transport = ManualClock(), FakeTransport()
    host = make_host(Station, clock, transport)
    await host.start()
    Delivery(host).raw(CHARGER_COMMAND.format(SITE, charger="c1", sender="technician"), b"{}", retained=True)
    await settle()
    assert [report.code for report in transport.rejected("station")] == ["retained"]
    assert Station.seen == []
    host.kill()


async def test_stop_finishes_what_has_arrived_and_acknowledges_it(world: World) -> None:
    for seq in range(1, 20):
        world.bus.event(seq)
    await world.host.stop()
    assert world.agent.seen == list(range(1, 20))
    assert world.bus.acknowledged == list(range(19))
    world.bus.event(20)
    await settle()
    assert world.bus.acknowledged == list(range(19)), "after stop() a message is left to the broker"


async def test_stop_leaves_what_the_store_cannot_take_to_the_broker(world: World) -> None:
    world.agent.failures = [StoreUnavailable("locked")] * 1000
    world.bus.event(1)
    await settle()
    await asyncio.wait_for(world.host.stop(), 5)
    assert world.bus.acknowledged == []


async def test_stop_gives_up_on_a_hung_handler(world: World) -> None:
    world.agent.gate.clear()
    world.bus.event(1)
    await settle()
    stopping = asyncio.create_task(world.host.stop())
    await world.clock.advance(11)
    await asyncio.wait_for(stopping, 5)
    assert world.bus.acknowledged == []


async def test_stale_messages_are_handled_but_bounded(world: World) -> None:
    world.agent.gate.clear()
    for _ in range(4):
        for seq in range(1, 3001):
            world.bus.event(seq)
        world.host.disconnected()
    world.host.connected()
    assert world.host.router.queued <= MAX_STALE + 3000
    assert world.host.counters.superseded > 0
    world.agent.gate.set()
    await settle(5000)
    assert set(world.agent.seen) == set(range(1, 3001))


async def test_timer_survives_its_own_failures(world: World) -> None:
    world.agent.failures = [ValueError(), StoreUnavailable("locked"), BusUnavailable("away")]
    await world.clock.advance(301)
    assert world.agent.ticks == 5


def test_readers_subscribe_to_what_is_for_them() -> None:
    assert reader_ids(AGENT_QUERY, "ledger") == {"agent": "ledger"}
    assert reader_ids(AGENT_ANSWER, "console") == {"asker": "console"}
    assert reader_ids(AGENT_HEALTH, "console") == {}
    assert reader_ids(CHARGER_EVENT, "ledger") == {}


async def test_subscriptions_follow_from_the_handlers(world: World) -> None:
    assert sorted(world.host.subscriptions()) == [
        (f"ev/v1/{SITE}/alarm/+", 1),
        (f"ev/v1/{SITE}/charger/+/event", 1),
        (f"ev/v1/{SITE}/charger/+/online", 1),
        (f"ev/v1/{SITE}/charger/+/state", 1),
        (f"ev/v1/{SITE}/charger/+/telemetry", 0),
    ]


async def test_agent_may_not_read_what_the_contract_denies_it() -> None:
    class Ledger(Agent[AgentSettings]):
        name = "ledger"
        settings_type = AgentSettings

        @on(CHARGER_COMMAND)
        async def command(self, _received: Received[Any]) -> None: ...

    with pytest.raises(RoutingError, match="does not let ledger read charger_command"):
        make_host(Ledger, ManualClock())


async def test_two_handlers_for_one_topic_are_a_mistake() -> None:
    class Twice(Agent[AgentSettings]):
        name = "twice"
        settings_type = AgentSettings

        @on(CHARGER_ONLINE)
        async def one(self, _received: Received[Any]) -> None: ...

        @on(CHARGER_ONLINE)
        async def two(self, _received: Received[Any]) -> None: ...

    with pytest.raises(RoutingError, match="already has a handler"):
        make_host(Twice, ManualClock())


async def test_agent_may_not_write_what_the_contract_denies_it() -> None:
    class Access(Agent[AgentSettings]):
        name = "access"
        settings_type = AgentSettings

    host: AgentHost = make_host(Access, ManualClock())
    with pytest.raises(ContractError, match="access may not write charger_online"):
        await host.agent.bus.publish(CHARGER_ONLINE, None, charger="c1")  # type: ignore[arg-type]
    with pytest.raises(ContractError, match="never cleared"):
        await host.agent.bus.clear(CHARGER_ONLINE, charger="c1")
