"""One agent with everything around it but real I/O: the same in a process, in a test and in the simulated world.

::

    host = AgentHost(Ledger, settings, transport, clock, store, site="garage")
    await host.start()
    for topic_filter, qos in host.subscriptions(): ...   # subscribe
    host.connected()
    host.deliver(raw)                                    # for every message that comes
    await host.stop()
"""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random, SystemRandom
from typing import TYPE_CHECKING, Any

import structlog
from pydantic import BaseModel
from structlog.typing import FilteringBoundLogger

from agents.runtime.agent import Agent, BusUnavailable, Clock, Context
from agents.runtime.bus import Publication, Transport, TypedBus
from agents.runtime.counters import Counters
from agents.runtime.database.store_errors import StoreUnavailable
from agents.runtime.delivery.lane import RawMessage
from agents.runtime.delivery.rejections import Rejections
from agents.runtime.delivery.routing import Router
from agents.runtime.reporting.health import Health
from agents.runtime.reporting.loss_alarm import LossAlarm
from agents.runtime.reporting.quota_alarm import QuotaAlarm
from bus_schema.site_messages import Rejected
from bus_schema.topics import AGENT_REJECTED

if TYPE_CHECKING:
    from agents.runtime.database.store import Store

__all__ = ["AgentHost", "Publication", "RawMessage", "Transport"]

DEFAULT_QUEUE_LIMIT = 10_000
"""QoS 0 messages that may wait for one handler."""


class HostBroken(RuntimeError):
    """A part of the machinery around an agent has ended by itself: a defect, not a handler's error."""


class AgentHost:
    """Builds an agent and gives it its life: handlers, timers, health, graceful stop."""

    def __init__(
        self,
        agent_type: type[Agent[Any]],
        settings: BaseModel,
        transport: Transport,
        clock: Clock,
        store: "Store | None",
        *,
        site: str,
        log: FilteringBoundLogger | None = None,
        random: Random | None = None,
        queue_limit: int = DEFAULT_QUEUE_LIMIT,
    ) -> None:
        """Build the agent; nothing runs before :meth:`start`. ``store`` has been upgraded already, and is None for an
        agent that keeps nothing.

        Raises :class:`agents.runtime.delivery.routing.RoutingError` if the class asks for what the contract does not
        give it.
        """
        name = agent_type.identity(settings)
        self.name = name
        self.on_bus = False
        """True while it is connected to the broker."""
        random = SystemRandom() if random is None else random
        self.log: FilteringBoundLogger = (structlog.get_logger() if log is None else log).bind(agent=name)
        self._clock = clock
        self.counters = Counters()
        self._bus = TypedBus(site, agent_type.name, transport, clock, self.counters)
        self.agent = agent_type(Context(settings, self._bus, clock, store, self.log, random))
        self._rejections = Rejections(self._publish_rejected, clock, self.log)
        self.router = Router(
            self.agent,
            site,
            clock=clock,
            random=random,
            log=self.log,
            counters=self.counters,
            rejections=self._rejections,
            queue_limit=queue_limit,
        )
        self.health = Health(
            name,
            self._bus,
            clock,
            self.log,
            self.counters,
            self.problems,
            lambda: self.router.queued,
            self.agent.waiting,
            self.agent.quotas,
            self.router.behind_s,
        )
        self.quota_alarm = QuotaAlarm(name, agent_type.name, self._bus, clock, self.log, self.agent.quotas)
        self._watches = [self._rejections.run, self.health.run, self.quota_alarm.run]
        if store is not None and store.keeps_file:
            self._watches.append(LossAlarm(name, agent_type.name, self._bus, clock, store.loss).run)
        self._timers = _timers_of(self.agent)
        self._background: list[asyncio.Task[None]] = []

    def subscriptions(self) -> list[tuple[str, int]]:
        """Return the topic filters to subscribe to, with their QoS."""
        return self.router.subscriptions()

    def will(self) -> Publication:
        """Return the will to connect with: the agent's health, offline."""
        return self.health.will()

    def deliver(self, raw: RawMessage) -> None:
        """Take a message that has come. May be called from :meth:`start` on; never blocks, never raises."""
        self.router.deliver(raw)

    def connected(self) -> None:
        """Say that the bus is there and the subscriptions are made."""
        self.counters.connections += 1
        self.on_bus = True
        self.health.connected()

    def disconnected(self) -> None:
        """Say that the bus is gone; what was not acknowledged will come again."""
        self.on_bus = False
        self.health.disconnected()
        self.router.disconnected()

    def problems(self) -> list[str]:
        """Say in words what keeps the agent from its work: its own view, then what its handlers wait for."""
        return [*self.agent.problems(), *self.router.problems()]

    async def start(self) -> None:
        """Prepare the agent, then begin to handle messages, call timers and publish health."""
        await self.agent.start()
        self.router.start()
        for work in self._watches:
            self._background.append(asyncio.create_task(work(), name=f"{self.agent.name}.{work.__qualname__}"))
        for period_s, method in self._timers:
            task = asyncio.create_task(self._call_every(period_s, method), name=f"{self.agent.name}.{_name(method)}")
            self._background.append(task)

    async def wait_broken(self) -> None:
        """Raise :class:`HostBroken` should the machinery around the agent break; handlers and timers cannot do that."""
        done, _ = await asyncio.wait([*self._background, *self.router.tasks()], return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            cause = None if task.cancelled() else task.exception()
            raise HostBroken(f"{task.get_name()} has ended: {cause!r}") from cause

    async def stop(self) -> None:
        """Finish gracefully: handlers first, then the agent, then its good-bye. The bus is still connected."""
        await self.router.stop()
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        try:
            await self.agent.stop()
        except (StoreUnavailable, BusUnavailable) as error:
            self.log.warning("stop_incomplete", reason=str(error))
        await self._rejections.flush()
        await self.health.say_goodbye()

    def kill(self) -> None:
        """Stop at once, as ``kill -9`` would: for tests. Nothing more is handled, acknowledged or published."""
        self.router.kill()
        self.agent.kill()
        for task in self._background:
            task.cancel()

    async def _publish_rejected(self, report: Rejected) -> None:
        await self._bus.publish(AGENT_REJECTED, report, agent=self.name)

    async def _call_every(self, period_s: float, method: Callable[[], Awaitable[None]]) -> None:
        while True:
            await self._clock.sleep(period_s)
            try:
                await method()
            except (StoreUnavailable, BusUnavailable) as error:
                self.log.warning("timer_waits", timer=_name(method), reason=str(error))
            except Exception as error:
                # Whatever an agent's code raises must not stop the agent; the next period tries again.
                self.log.exception("timer_failed", timer=_name(method), error=type(error).__name__)


def _timers_of(agent: Agent[Any]) -> list[tuple[float, Callable[[], Awaitable[None]]]]:
    found = []
    for name in sorted(dir(type(agent))):
        period_s = getattr(getattr(type(agent), name), "_period_s", None)
        if isinstance(period_s, int | float):
            found.append((float(period_s), getattr(agent, name)))
    return found


def _name(method: Callable[..., object]) -> str:
    return getattr(method, "__name__", repr(method))
