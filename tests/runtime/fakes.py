"""Time and a bus that a test makes itself."""

import asyncio
import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

import structlog

from agents.runtime.agent import Agent, BusUnavailable
from agents.runtime.configuration.site_config import AgentSettings
from agents.runtime.database.store import Store
from agents.runtime.host import AgentHost, RawMessage
from bus_schema import Topic
from bus_schema.charger_messages import Online, Telemetry
from bus_schema.event import SessionSampled
from bus_schema.topics import AGENT_REJECTED, CHARGER_EVENT, CHARGER_ONLINE, CHARGER_TELEMETRY, parse_topic
from bus_schema.words import ChargerStatus

SITE = "garage"
BOOT = "0123456789ab"


async def settle(rounds: int = 60) -> None:
    """Let every task run until it waits for something."""
    for _ in range(rounds):
        await asyncio.sleep(0)


class ManualClock:
    """A clock that stands still until :meth:`advance`."""

    def __init__(self) -> None:
        self.time_s = 0.0
        self.slept: list[float] = []
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()

    def now_ms(self) -> int:
        return 1_760_000_000_000 + round(self.time_s * 1000)

    def monotonic_s(self) -> float:
        return self.time_s

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.time_s + seconds, next(self._numbers), woken))
        await woken

    async def advance(self, seconds: float) -> None:
        end = self.time_s + seconds
        await settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            at, _, woken = heapq.heappop(self._sleepers)
            self.time_s = max(self.time_s, at)
            if not woken.done():
                woken.set_result(None)
                await settle()
        self.time_s = end


@dataclass
class FakeTransport:
    """Remembers what is published; ``up = False`` makes it refuse."""

    up: bool = True
    published: list[tuple[str, bytes, int, bool]] = field(default_factory=list)

    async def publish(self, topic: str, payload: bytes, qos: int, retain: bool) -> None:
        if not self.up:
            raise BusUnavailable("not connected to the broker")
        self.published.append((topic, payload, qos, retain))

    def messages(self, topic: Topic[Any], **ids: str) -> list[Any]:
        """What was published on ``topic``, read."""
        return [
            topic.decode(payload)
            for at, payload, _, _ in self.published
            if (address := parse_topic(at)).topic is topic and ids.items() <= address.ids.items()
        ]

    def rejected(self, agent: str) -> list[Any]:
        return self.messages(AGENT_REJECTED, agent=agent)


class Delivery:
    """Delivers raw messages to a host and remembers which were acknowledged, in order."""

    def __init__(self, host: AgentHost) -> None:
        self.host = host
        self.acknowledged: list[int] = []
        self._numbers = itertools.count()

    def raw(self, topic: str, payload: bytes, qos: int = 1, retained: bool = False) -> int:
        number = next(self._numbers)
        self.host.deliver(RawMessage(topic, payload, qos, retained, lambda: self.acknowledged.append(number)))
        return number

    def event(self, seq: int, charger: str = "c1") -> int:
        return self.raw(CHARGER_EVENT.format(SITE, charger=charger), CHARGER_EVENT.encode(event(seq)))

    def telemetry(self, energy_wh: int) -> int:
        return self.raw(CHARGER_TELEMETRY.format(SITE, charger="c1"), telemetry(energy_wh), qos=0)

    def online(self, value: bool = True) -> int:
        return self.raw(CHARGER_ONLINE.format(SITE, charger="c1"), CHARGER_ONLINE.encode(online(value)))


def make_host(
    agent_type: type[Agent[Any]],
    clock: ManualClock,
    transport: FakeTransport | None = None,
    store: Store | None = None,
    queue_limit: int = 100,
    settings: AgentSettings | None = None,
    before: Callable[[Agent[Any]], None] | None = None,
) -> AgentHost:
    """Build a host on fakes."""
    store = Store("sqlite://", threaded=False) if store is None else store
    host = AgentHost(
        agent_type,
        AgentSettings() if settings is None else settings,
        FakeTransport() if transport is None else transport,
        clock,
        store,
        site=SITE,
        random=Random(1),
        queue_limit=queue_limit,
        log=structlog.get_logger(),
    )
    if before is not None:
        before(host.agent)
    return host


def event(seq: int) -> SessionSampled:
    return SessionSampled(
        ts=None,
        uptime_ms=seq,
        boot_id=BOOT,
        seq=seq,
        oldest_seq=1,
        session_id=f"{BOOT}-1",
        energy_wh=seq,
        status=ChargerStatus.CHARGING,
    )


def online(value: bool) -> Online:
    return Online(ts=None, uptime_ms=1, boot_id=BOOT, online=value)


def telemetry(energy_wh: int) -> bytes:
    return CHARGER_TELEMETRY.encode(
        Telemetry(ts=None, uptime_ms=1, boot_id=BOOT, energy_wh=energy_wh, offered_current_a=16.0)
    )
