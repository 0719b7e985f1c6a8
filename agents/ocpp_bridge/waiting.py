"""Waiting for something or for some time, by the agent's own clock."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from random import Random
from typing import Any, TypeVar

from structlog.typing import FilteringBoundLogger

from agents.runtime.agent import Clock
from agents.runtime.backoff import full_jitter
from agents.runtime.database.store_errors import StoreUnavailable

T = TypeVar("T")


class Signal:
    """Something that is said once and heard once, however late."""

    def __init__(self, clock: Clock) -> None:
        """Wait by ``clock``."""
        self._clock = clock
        self._event = asyncio.Event()

    def set(self) -> None:
        """Wake whoever waits, or let the next :meth:`wait` return at once."""
        self._event.set()

    async def wait(self, seconds: float | None = None) -> None:
        """Return when the signal is given, or after ``seconds``."""
        if not self._event.is_set():
            if seconds is None:
                await self._event.wait()
            else:
                await self._either(max(0.0, seconds))
        self._event.clear()

    async def _either(self, seconds: float) -> None:
        heard = asyncio.ensure_future(self._event.wait())
        timer = asyncio.ensure_future(self._clock.sleep(seconds))
        try:
            await asyncio.wait({heard, timer}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            heard.cancel()
            timer.cancel()


class Pace:
    """Lets at most so many pass a second, evenly."""

    def __init__(self, clock: Clock, per_s: float) -> None:
        """``per_s``: how many."""
        self._clock = clock
        self._distance_s = 1.0 / per_s
        self._next_s = 0.0

    async def turn(self) -> None:
        """Wait for one's turn."""
        now_s = self._clock.monotonic_s()
        at_s = max(self._next_s, now_s)
        self._next_s = at_s + self._distance_s
        if at_s > now_s:
            await self._clock.sleep(at_s - now_s)


async def until_stored(work: Callable[[], Awaitable[T]], clock: Clock, random: Random, log: FilteringBoundLogger) -> T:
    """Do ``work`` again and again until the database is there."""
    attempt = 0
    while True:
        try:
            return await work()
        except StoreUnavailable as error:
            delay_s = full_jitter(random, attempt, 0.2, 10.0)
            attempt += 1
            log.warning("store_unavailable", reason=str(error), retry_in_s=round(delay_s, 3))
            await clock.sleep(delay_s)


class Tasks:
    """Work that goes on beside its caller. What fails is logged; nothing outlives :meth:`cancel`."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        """Log failures to ``log``."""
        self.log = log
        self._running: set[asyncio.Task[Any]] = set()
        self._over = False

    def start(self, work: Coroutine[Any, Any, Any], name: str) -> None:
        """Begin."""
        if self._over:
            work.close()
            return
        task = asyncio.create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.log.error("task_failed", task=task.get_name(), error=type(error).__name__, exc_info=error)

    def kill(self) -> None:
        """End whatever runs, without waiting for its end; nothing begins any more."""
        self._over = True
        for task in self._running:
            task.cancel()

    async def cancel(self) -> None:
        """End whatever runs, and wait until it has ended."""
        self.kill()
        await asyncio.gather(*list(self._running), return_exceptions=True)
