"""Publishes whether an agent lives and what keeps it from its work."""

import asyncio
import re
from collections.abc import Callable
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from structlog.typing import FilteringBoundLogger

from agents.runtime.agent import Bus, BusUnavailable, Clock, Waiting
from agents.runtime.bus import Publication
from agents.runtime.counters import Counters
from agents.runtime.quota import Quotas
from bus_schema.site_messages import MAX_REFUSED_SENDERS, AgentHealth, RefusedSender
from bus_schema.topics import AGENT_HEALTH

INTERVAL_S = 30.0
"""Longest distance of two health messages while connected."""

CHECK_S = 1.0
"""How often the problems are looked at: a change is published that soon."""

LONGEST_S = 31_536_000
"""Longest time that the contract's field holds: a clock that jumps must not silence an agent's health. s."""

MAX_PROBLEMS = 5
"""Problems that fit a health message."""

_FIGURE = re.compile(r"(?<![\w.:-])\d+(?![\w:-])")
"""A number on its own; those in a name such as c1 or in an address belong to it."""


@cache
def package_version() -> str:
    """Return the version of chargebus, or ``unknown`` when it runs from a folder that was not installed."""
    try:
        return version("chargebus")
    except PackageNotFoundError:
        return "unknown"


class Health:
    """The agent's retained health message: on connect, when its problems change, and every 30 s."""

    def __init__(
        self,
        name: str,
        bus: Bus,
        clock: Clock,
        log: FilteringBoundLogger,
        counters: Counters,
        problems: Callable[[], list[str]],
        queued: Callable[[], int],
        waiting: Callable[[int], Waiting | None] = lambda _now_ms: None,
        quotas: Quotas | None = None,
        behind_s: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """Report for the agent ``name``; everything that follows ``counters`` is asked each time."""
        self._name = name
        self._bus = bus
        self._clock = clock
        self._log = log
        self._counters = counters
        self._problems = problems
        self._queued = queued
        self._waiting = waiting
        self._quotas = Quotas() if quotas is None else quotas
        self._behind_s = behind_s
        self._started_ms = clock.now_ms()
        self._version = package_version()[:40]
        self._connected = False
        self._wake = asyncio.Event()
        self._told: list[str] = []

    def will(self) -> Publication:
        """Return what the broker is to publish when the agent vanishes; made anew for each connection."""
        message = self._message(online=False, problems=[])
        topic = AGENT_HEALTH.format(self._bus.site, agent=self._name)
        return Publication(topic, AGENT_HEALTH.encode(message), AGENT_HEALTH.qos, AGENT_HEALTH.retained)

    def connected(self) -> None:
        """Publish as soon as possible: the broker may have published the will."""
        self._connected = True
        self._wake.set()

    def disconnected(self) -> None:
        """Publish nothing until connected again."""
        self._connected = False

    async def run(self) -> None:
        """Publish until cancelled."""
        last_s = float("-inf")
        while True:
            problems = self._current_problems()
            self._tell(problems)
            due = self._wake.is_set() or self._clock.monotonic_s() - last_s >= INTERVAL_S
            if self._connected and (due or _kinds(problems) != _kinds(self._told)):
                self._wake.clear()
                if await self._published(self._message(online=True, problems=problems)):
                    last_s = self._clock.monotonic_s()
                    self._told = problems
                else:
                    self._wake.set()
                    await self._clock.sleep(CHECK_S)
            else:
                await self._wait()

    async def say_goodbye(self) -> None:
        """Publish that the agent has stopped as it was told to."""
        if self._connected:
            await self._published(self._message(online=False, problems=[]))

    async def _wait(self) -> None:
        """Wait for a connection, at most until the problems are to be looked at again."""
        if not self._connected:
            # What was to be told before the connection broke is told after the next one, which wakes this again.
            self._wake.clear()
            await self._wake.wait()
            return
        pause = asyncio.ensure_future(self._clock.sleep(CHECK_S))
        wake = asyncio.ensure_future(self._wake.wait())
        try:
            await asyncio.wait({pause, wake}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            pause.cancel()
            wake.cancel()

    def _current_problems(self) -> list[str]:
        problems = self._problems()
        if len(problems) > MAX_PROBLEMS:
            more = len(problems) - MAX_PROBLEMS + 1
            problems = [*problems[: MAX_PROBLEMS - 1], f"and {more} more"]
        return [problem[:400] for problem in problems]

    def _tell(self, problems: list[str]) -> None:
        known = set(_kinds(self._told))
        for problem, kind in zip(problems, _kinds(problems), strict=True):
            if kind not in known:
                self._log.warning("problem", problem=problem)

    def _message(self, *, online: bool, problems: list[str]) -> AgentHealth:
        counters = self._counters
        waiting = self._waiting(self._clock.now_ms())
        return AgentHealth(
            ts=self._clock.now_ms(),
            online=online,
            version=self._version,
            started_ts=self._started_ms,
            problems=problems,
            received=counters.received,
            rejected=counters.rejected,
            dropped=counters.dropped,
            queued=self._queued(),
            waiting=None if waiting is None else waiting.count,
            waiting_oldest_s=None if waiting is None else waiting.oldest_s,
            behind_s=min(int(self._behind_s()), LONGEST_S),
            refused=self._quotas.total,
            refused_senders=[
                RefusedSender(sender=each.sender, quota=each.quota, count=each.count)
                for each in self._quotas.worst(self._clock.monotonic_s(), MAX_REFUSED_SENDERS)
            ],
        )

    async def _published(self, message: AgentHealth) -> bool:
        try:
            await self._bus.publish(AGENT_HEALTH, message, agent=self._name)
        except BusUnavailable as error:
            self._log.info("health_not_published", reason=str(error))
            return False
        return True


def _kinds(problems: list[str]) -> list[str]:
    """Return the problems without their figures: one whose figure grows is not a new one to log and publish."""
    return [_FIGURE.sub("#", problem) for problem in problems]
