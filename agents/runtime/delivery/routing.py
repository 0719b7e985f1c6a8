"""From topics to typed handlers: which subscriptions an agent needs, and which lane a message takes.

Every row of the table that an agent handles has one lane: a bounded queue and one worker, so that messages of one
row are handled in the order they came in, and a slow row holds up no other.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from structlog.typing import FilteringBoundLogger

from agents.runtime.agent import Agent, Clock, Subscription, Unreadable
from agents.runtime.bus import role_of
from agents.runtime.counters import Counters
from agents.runtime.delivery.lane import Lane, LaneServices, RawMessage
from agents.runtime.delivery.rejections import Rejections
from bus_schema import MAX_MESSAGE_BYTES, ROOT, Address, ContractError, Role, Topic, parse_topic
from bus_schema.topics import AGENT_REJECTED

__all__ = ["RawMessage", "Router", "RoutingError", "reader_ids"]

MAX_CACHED_ROUTES = 4096
"""How many topics a router remembers; a flood of invented ids must not fill the memory."""

BEHIND_MS = 5_000
"""How long a message may wait for its handler before the agent says that it cannot keep up. ms."""

DRAIN_S = 10.0
"""How long a stopping agent may go on with what has already arrived."""


class RoutingError(TypeError):
    """An agent class asks for what it cannot get; found when it is built, not when a message comes."""


@dataclass
class _Wanted:
    topic: Topic[Any]
    qos: int
    handler: Callable[..., Awaitable[None]] | None = None
    batch: int = 0
    cleared: Callable[[Address], Awaitable[None]] | None = None
    fair: bool = False
    unreadable: Callable[[Unreadable], Awaitable[None]] | None = None


class Router:
    """Gives every message of the bus to the agent's handler for it."""

    def __init__(
        self,
        agent: Agent[Any],
        site: str,
        *,
        clock: Clock,
        random: Random,
        log: FilteringBoundLogger,
        counters: Counters,
        rejections: Rejections,
        queue_limit: int,
    ) -> None:
        """Find the handlers of ``agent``.

        ``queue_limit`` is the number of QoS 0 messages that may wait in a lane. Raises :class:`RoutingError`.
        """
        self._site = site
        self._agent_name = agent.name
        self._wants = agent.wants
        self._admits = agent.admits
        self._beside = agent.beside
        self._heard_beside = agent.heard_beside
        self._clock = clock
        self._counters = counters
        self._rejections = rejections
        self._stopping = False
        self._routes: dict[str, tuple[Lane | None, Address]] = {}
        self._own_reports = AGENT_REJECTED.filter(site, agent=agent.name)
        self._tasks: dict[asyncio.Task[None], Lane] = {}
        services = LaneServices(clock, random, log, counters, self.reject, queue_limit)
        found = _wanted_by(agent)
        self._lanes = {
            wanted.topic.name: Lane(
                wanted.topic,
                wanted.handler,
                wanted.batch,
                wanted.cleared,
                services,
                fair=wanted.fair,
                unreadable=wanted.unreadable,
            )
            for wanted in found
        }
        self._qos = {wanted.topic.name: wanted.qos for wanted in found}

    def subscriptions(self) -> list[tuple[str, int]]:
        """Return the topic filters that this agent needs, with their QoS."""
        own = [(self._filter(lane.topic), self._qos[lane.topic.name]) for lane in self._lanes.values()]
        return [*own, *((each, 0) for each in self._beside)]

    def _filter(self, topic: Topic[Any]) -> str:
        return topic.filter(self._site, **reader_ids(topic, self._agent_name))

    def deliver(self, raw: RawMessage) -> None:
        """Queue a message for its handler. Never blocks, never raises."""
        if self._stopping:
            return  # Not acknowledged: the broker keeps it for the next start.
        self._counters.received += 1
        route = self._routes.get(raw.topic)
        if route is None:
            if self._beside and not raw.topic.startswith(f"{ROOT}/"):
                self._heard_beside(raw.topic, raw.payload)
                raw.acknowledge()
                return
            try:
                route = self._resolve(raw.topic)
            except ContractError as error:
                self.reject(raw, error.code, error.reason, None)
                return
        lane, address = route
        if lane is None:
            self._counters.ignored += 1
            raw.acknowledge()
        elif len(raw.payload) > MAX_MESSAGE_BYTES and not lane.keeps_unreadable:
            reason = f"{lane.topic.name}: {len(raw.payload)} bytes; a message has at most {MAX_MESSAGE_BYTES}"
            self.reject(raw, "too_large", reason, lane.topic)
        elif lane.fair and not self._admits(address):
            raw.acknowledge()
        else:
            lane.put(address, raw, self._clock.now_ms())

    def reject(self, raw: RawMessage, code: str, reason: str, topic: Topic[Any] | None) -> None:
        """Count, report and acknowledge a message that cannot be handled, now or ever."""
        self._counters.rejected += 1
        # A report about a report would go round in circles.
        if raw.topic != self._own_reports:
            group = f"{ROOT}/{self._site}/#" if topic is None else topic.filter(self._site)
            self._rejections.report(raw.topic, code, reason, len(raw.payload), group=group)
        raw.acknowledge()

    def _resolve(self, topic: str) -> tuple[Lane | None, Address]:
        address = parse_topic(topic)
        own = reader_ids(address.topic, self._agent_name)
        # Strict: brokers also deliver what left-over subscriptions, or even other clients, have asked for.
        mine = address.site == self._site and all(address.ids[name] == value for name, value in own.items())
        mine = mine and self._wants(address)
        route = (self._lanes.get(address.topic.name) if mine else None, address)
        if len(self._routes) >= MAX_CACHED_ROUTES:
            self._routes.clear()
        self._routes[topic] = route
        return route

    def start(self) -> None:
        """Begin to call handlers."""
        for lane in self._lanes.values():
            self._tasks[asyncio.create_task(lane.run(), name=f"{self._agent_name}.{lane.topic.name}")] = lane

    def tasks(self) -> list[asyncio.Task[None]]:
        """Return the lanes' workers: none of them ends before :meth:`stop` unless it is broken."""
        return list(self._tasks)

    def disconnected(self) -> None:
        """Say that what was delivered so far and not acknowledged will be delivered again."""
        for lane in self._lanes.values():
            lane.disconnected()

    async def stop(self) -> None:
        """Take nothing more, handle what has arrived (at most :data:`DRAIN_S`), then return.

        What a lane cannot finish, because its store or the bus is unavailable, stays unacknowledged.
        """
        self._stopping = True
        for task, lane in self._tasks.items():
            lane.finish()
            if lane.trouble is not None:
                task.cancel()
        if self._tasks:
            deadline = asyncio.ensure_future(self._clock.sleep(DRAIN_S))
            waiting: set[asyncio.Future[None]] = set(self._tasks)
            while waiting and not deadline.done():
                done, _ = await asyncio.wait({deadline, *waiting}, return_when=asyncio.FIRST_COMPLETED)
                waiting -= done
            deadline.cancel()
        self.kill()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def kill(self) -> None:
        """Stop at once, as ``kill -9`` would: nothing more is handled or acknowledged."""
        self._stopping = True
        for task in self._tasks:
            task.cancel()

    @property
    def queued(self) -> int:
        """Messages that wait for a handler."""
        return sum(lane.queued for lane in self._lanes.values())

    def queued_by_topic(self) -> dict[str, int]:
        """Messages that wait, by the name of the topic's row."""
        return {name: lane.queued for name, lane in self._lanes.items()}

    def behind_s(self) -> float:
        """Return how long the message has waited that has waited longest for its handler, 0 when none waits. s."""
        now_ms = self._clock.now_ms()
        return max((lane.behind_ms(now_ms) for lane in self._lanes.values()), default=0) / 1000

    def problems(self) -> list[str]:
        """Say which lanes are held up, and by what, and which cannot keep up."""
        now_ms = self._clock.now_ms()
        found = []
        for lane in self._lanes.values():
            behind_ms = lane.behind_ms(now_ms)
            if lane.trouble is not None:
                found.append(f"{lane.topic.name}: {lane.trouble}")
            elif behind_ms >= BEHIND_MS:
                found.append(f"{lane.topic.name}: behind by {behind_ms // 1000} s, {lane.queued} messages wait")
        return found


def reader_ids(topic: Topic[Any], reader: str) -> dict[str, str]:
    """Return the levels of ``topic`` that name whom a message is for: a reader only wants its own.

    ``agent/{agent}/query`` is for the agent; ``agent/{agent}/health`` is written by it, so that a reader wants all.
    """
    return {
        name: reader for name in topic.parameters if name == "asker" or (name == "agent" and topic.own_level != "agent")
    }


def _wanted_by(agent: Agent[Any]) -> list[_Wanted]:
    found: dict[str, _Wanted] = {}
    role = role_of(agent.name)
    for name in sorted(dir(type(agent))):
        for mark in getattr(getattr(type(agent), name), "_subscriptions", ()):
            _want(found, mark, getattr(agent, name), f"{type(agent).__name__}.{name}", role)
    return list(found.values())


def _want(
    found: dict[str, _Wanted], mark: Subscription, method: Callable[..., Awaitable[None]], where: str, role: Role | None
) -> None:
    if role is not None and role not in mark.topic.readers:
        raise RoutingError(f"{where}: the contract does not let {role} read {mark.topic.name}")
    wanted = found.setdefault(mark.topic.name, _Wanted(mark.topic, mark.qos))
    if mark.cleared:
        if wanted.cleared is not None:
            raise RoutingError(f"{where}: {mark.topic.name} already has a handler for its removal")
        wanted.cleared = method
    elif mark.unreadable:
        if wanted.unreadable is not None:
            raise RoutingError(f"{where}: {mark.topic.name} already has a handler for what cannot be read")
        wanted.unreadable = method
    else:
        if wanted.handler is not None:
            raise RoutingError(f"{where}: {mark.topic.name} already has a handler")
        if mark.fair and (mark.qos == 0 or "charger" not in mark.topic.parameters):
            raise RoutingError(f"{where}: {mark.topic.name} cannot be fair: that takes chargers and QoS 1")
        wanted.handler, wanted.batch, wanted.qos, wanted.fair = method, mark.batch, mark.qos, mark.fair
